// `identities:` of a tenant.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"

namespace pingti::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A file whose two tenants have these.
absl::StatusOr<LoadResult> LoadTwoTenants(const std::string& first, const std::string& second) {
  return LoadFromString(
      "providers: [{name: p, dialect: openai, base_url: "
      "'http://h', no_key: true}]\n"
      "tiers: [{name: T}]\n"
      "tenants:\n- {name: one, tier: T" +
          first + "}\n- {name: two, tier: T" + second + "}\n",
      "t.yaml", {});
}

TEST(IdentitiesTest, AreUrisNamesAndSubjects) {
  const auto loaded = LoadTwoTenants(
      ", identities: ['spiffe://company/one', "
      "one.company.test, 'CN=one,O=The Company']",
      "");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->config.tenants[0].identities,
              ElementsAre("spiffe://company/one", "one.company.test", "CN=one,O=The Company"));
  EXPECT_THAT(loaded->config.tenants[1].identities, IsEmpty());
}

TEST(IdentitiesTest, WhatIsNoneIsNamed) {
  for (const std::string& wrong :
       {std::string("''"), std::string("' one'"), std::string("\"a\\tb\""), std::string("一"),
        std::string(257, 'x')}) {
    const auto loaded = LoadTwoTenants(", identities: [" + wrong + "]", "");
    EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("tenants[0].identities[0]"))
        << wrong;
  }
}

TEST(IdentitiesTest, OneIsOfOneTenant) {
  const auto loaded = LoadTwoTenants(", identities: [a, b]", ", identities: [c, b]");
  EXPECT_THAT(std::string(loaded.status().message()),
              HasSubstr("t.yaml:5:40: tenants[1].identities[1]: is an identity "
                        "of tenant one, too; "
                        "leave it with one of them"));
}

}  // namespace
}  // namespace pingti::config
