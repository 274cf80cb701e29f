#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"

namespace pingti::config {
namespace {

using testing::Contains;
using testing::HasSubstr;

const std::string kHex(64, 'a');

// A configuration that is right, with `admin_keys` at its end.
absl::StatusOr<LoadResult> With(const std::string& admin_keys,
                                const Environment& environment = {}) {
  return LoadFromString(
      "providers: [{name: p, dialect: openai, base_url: 'http://h', no_key: true}]\n"
      "tiers: [{name: T}]\n"
      "tenants: [{name: t, tier: T, keys: [{record: 'pt_ten1:" +
          kHex + "'}]}]\nadmin_keys:\n" + admin_keys,
      "c/t.yaml", environment);
}

TEST(AdminKeysTest, AreReadAndOffWhereEmpty) {
  const auto result = With("- {name: finance, record: 'pt_boss:" + kHex +
                           "'}\n- {name: spare, record: '${SPARE:-}'}\n");
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->config.admin_keys.size(), 1u);
  EXPECT_EQ(result->config.admin_keys[0].name, "finance");
  EXPECT_EQ(result->config.admin_keys[0].record.public_id, "boss");
  EXPECT_THAT(result->notes, Contains("admin key spare: off, record is empty (set SPARE)"));
  const auto filled =
      With("- {name: spare, record: '${SPARE:-}'}\n", {{"SPARE", "pt_b2ss:" + kHex}});
  ASSERT_TRUE(filled.ok()) << filled.status();
  EXPECT_EQ(filled->config.admin_keys.size(), 1u);
}

TEST(AdminKeysTest, WhatIsWrongIsNamedWithItsPlace) {
  const auto error = [](const std::string& admin_keys) {
    const auto result = With(admin_keys);
    EXPECT_FALSE(result.ok());
    return std::string(result.status().message());
  };
  EXPECT_THAT(error("- {name: finance, record: pt_boss_secret}"),
              HasSubstr("c/t.yaml:5:19: admin_keys[0].record: the value, which is not shown"));
  EXPECT_THAT(error("- {name: finance}"), HasSubstr("admin_keys[0].record: is missing"));
  EXPECT_THAT(error("- {record: 'pt_boss:" + kHex + "'}"), HasSubstr("admin_keys[0].name"));
  EXPECT_THAT(error("- {name: f, record: 'pt_boss:" + kHex + "', tier: T}"),
              HasSubstr("admin_keys[0].tier: is not known here"));
  EXPECT_THAT(error("- {name: f, record: ''}\n- {name: f, record: ''}"),
              HasSubstr("admin_keys[1].name: has the same name as the entry in line 5"));
  // A key is either a tenant's or an administrator's.
  EXPECT_THAT(error("- {name: f, record: 'pt_ten1:" + kHex + "'}"),
              HasSubstr("admin_keys[0].record: has the same public id as the API key in line 3"));
}

}  // namespace
}  // namespace pingti::config
