// `models:` of an API key.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"
#include "tests/unit/config/load_text.h"

namespace pingti::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(KeyModelsTest, AreModelsAndAliases) {
  const auto loaded = LoadKey("models: [m, a]");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->config.tenants[0].keys[0].models, ElementsAre("m", "a"));
  EXPECT_THAT(LoadKey("")->config.tenants[0].keys[0].models, IsEmpty());
}

TEST(KeyModelsTest, AnUnknownOneIsNamed) {
  EXPECT_EQ(LoadKey("models: [m, gpt-5]").status().message(),
            "t.yaml:7:13: tenants[0].keys[0].models[1]: \"gpt-5\" is not the name of a model or "
            "alias; there is a and m");
}

}  // namespace
}  // namespace pingti::config
