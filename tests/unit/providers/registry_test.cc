#include "server/providers/registry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::providers {
namespace {

TEST(RegistryTest, MakesEveryDialectThatItNames) {
  EXPECT_THAT(DialectNames(), ::testing::Contains("openai"));
  for (const std::string& name : DialectNames()) EXPECT_NE(NewDialect(name), nullptr) << name;
}

TEST(RegistryTest, KnowsNoOthers) {
  EXPECT_EQ(NewDialect("OpenAI"), nullptr);
  EXPECT_EQ(NewDialect(""), nullptr);
}

}  // namespace
}  // namespace pingti::providers
