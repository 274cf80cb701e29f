// `models:` of an API key.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"

namespace pingti::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A file whose one key has these fields beside its record.
absl::StatusOr<LoadResult> Load(const std::string& fields) {
  return LoadFromString(
      "providers: [{name: p, dialect: openai, base_url: 'http://h', no_key: true}]\n"
      "models: [{name: m, provider: p, context_tokens: 10}]\n"
      "aliases: [{name: a, to: m}]\n"
      "tiers: [{name: T}]\n"
      "tenants: [{name: t, tier: T, keys: [\n{record: 'pt_dev1:" +
          std::string(64, 'a') + "',\n" + fields + "}]}]\n",
      "t.yaml", {});
}

TEST(KeyModelsTest, AreModelsAndAliases) {
  const auto loaded = Load("models: [m, a]");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->config.tenants[0].keys[0].models, ElementsAre("m", "a"));
  EXPECT_THAT(Load("")->config.tenants[0].keys[0].models, IsEmpty());
}

TEST(KeyModelsTest, AnUnknownOneIsNamed) {
  EXPECT_EQ(Load("models: [m, gpt-5]").status().message(),
            "t.yaml:7:13: tenants[0].keys[0].models[1]: \"gpt-5\" is not the name of a model or "
            "alias; there is a and m");
}

}  // namespace
}  // namespace pingti::config
