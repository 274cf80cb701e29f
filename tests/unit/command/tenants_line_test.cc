#include "client/command/tenants_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/command/key_terms.h"
#include "client/command/tenants.h"
#include "tests/unit/command/line_fixture.h"

namespace pingti::command {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using TenantsLineTest = LineFixture<TenantsLine, Verb::kTenants, &CommandLine::tenants>;

TEST_F(TenantsLineTest, ATenantHasATier) {
  const auto line = Parse({"tenant", "create", "acme", "--tier", "Tier1"});
  ASSERT_TRUE(line) << err_;
  EXPECT_EQ(line->verb, TenantsVerb::kCreateTenant);
  EXPECT_EQ(line->tenant, "acme");
  EXPECT_EQ(line->tier, "Tier1");
  EXPECT_FALSE(Parse({"tenant", "create", "acme"}));
  EXPECT_FALSE(Parse({"tenant", "create", "--tier", "Tier1"}));
  EXPECT_FALSE(Parse({"tenant"}));
  const auto tier = Parse({"tenant", "set-tier", "acme", "Tier2", "--json"});
  ASSERT_TRUE(tier) << err_;
  EXPECT_EQ(tier->tier, "Tier2");
  EXPECT_TRUE(tier->json);
}

TEST_F(TenantsLineTest, ATenantHasTheIdentitiesThatAreNamed) {
  const auto line = Parse({"tenant", "set-identities", "acme", "spiffe://company/acme", "a.acme"});
  ASSERT_TRUE(line) << err_;
  EXPECT_EQ(line->verb, TenantsVerb::kSetIdentities);
  EXPECT_EQ(line->tenant, "acme");
  EXPECT_THAT(line->identities, ElementsAre("spiffe://company/acme", "a.acme"));
  const auto none = Parse({"tenant", "set-identities", "acme", "--none"});
  ASSERT_TRUE(none) << err_;
  EXPECT_THAT(none->identities, ElementsAre());
  EXPECT_FALSE(Parse({"tenant", "set-identities", "acme"}));
  EXPECT_THAT(err_, HasSubstr("identity or --none"));
  EXPECT_FALSE(Parse({"tenant", "set-identities", "acme", "a.acme", "--none"}));
}

TEST_F(TenantsLineTest, AKeyHasANameAndMayHaveModelsAndAnEnd) {
  const auto line = Parse({"key", "create", "acme", "--name", "batch jobs", "--model", "gpt-4o",
                           "--model", "yi-large", "--lifetime", "90d", "--admin-key-file", "f"});
  ASSERT_TRUE(line) << err_;
  EXPECT_EQ(line->verb, TenantsVerb::kCreateKey);
  EXPECT_EQ(line->name, "batch jobs");
  EXPECT_THAT(line->models, ElementsAre("gpt-4o", "yi-large"));
  EXPECT_EQ(line->seconds, 90 * 86'400);
  EXPECT_EQ(line->admin_key_file, "f");
  EXPECT_FALSE(Parse({"key", "create", "acme"}));  // no name
  EXPECT_FALSE(Parse({"key", "create", "acme", "--name", "n", "--lifetime", "soon"}));
  EXPECT_THAT(err_, HasSubstr("'soon' is no time"));
  const auto rotate = Parse({"key", "rotate", "acme", "k1", "--overlap", "12h"});
  ASSERT_TRUE(rotate) << err_;
  EXPECT_EQ(rotate->key_id, "k1");
  EXPECT_EQ(rotate->seconds, 12 * 3'600);
  EXPECT_FALSE(Parse({"key", "revoke", "acme"}));
}

TEST_F(TenantsLineTest, AKeyMayHaveLimits) {
  const auto line = Parse({"key", "create", "acme", "--name", "n", "--limit",
                           "requests_per_minute=60:10", "--limit", "tokens_per_day=0"});
  ASSERT_TRUE(line) << err_;
  ASSERT_EQ(line->limits.size(), 2u);
  EXPECT_EQ(line->limits[0].dimension(), v1::QUOTA_DIMENSION_REQUESTS_PER_MINUTE);
  EXPECT_EQ(line->limits[0].limit(), 60);
  EXPECT_EQ(line->limits[0].burst(), 10);
  EXPECT_EQ(line->limits[1].dimension(), v1::QUOTA_DIMENSION_TOKENS_PER_DAY);
  EXPECT_EQ(line->limits[1].burst(), 0);
  EXPECT_THAT(line->rights, ElementsAre());
  EXPECT_FALSE(Parse({"key", "create", "acme", "--name", "n", "--limit", "requests=60"}));
  EXPECT_THAT(err_, HasSubstr("'requests=60' is no limit"));
}

TEST_F(TenantsLineTest, AKeyMayHaveFewerRights) {
  const auto line = Parse({"key", "create", "acme", "--name", "n", "--right", "read_account"});
  ASSERT_TRUE(line) << err_;
  EXPECT_THAT(line->rights, ElementsAre(v1::KEY_RIGHT_READ_ACCOUNT));
  EXPECT_FALSE(Parse({"key", "create", "acme", "--name", "n", "--right", "all"}));
  EXPECT_THAT(err_, HasSubstr("'all' is no right"));
}

TEST_F(TenantsLineTest, AKeyMayHaveABudget) {
  const auto line = Parse({"key", "create", "acme", "--name", "n", "--budget", "50/day"});
  ASSERT_TRUE(line) << err_;
  ASSERT_TRUE(line->budget.has_value());
  EXPECT_EQ(line->budget->amount().nano_units(), 50'000'000'000);
  EXPECT_FALSE(Parse({"key", "create", "acme", "--name", "n", "--budget", "50"}));
  EXPECT_THAT(err_, HasSubstr("'50' is no budget"));
}

TEST_F(TenantsLineTest, ALifetimeIsWholeAndBounded) {
  EXPECT_EQ(ParseLifetime("45s"), 45);
  EXPECT_EQ(ParseLifetime("30m"), 1'800);
  EXPECT_EQ(ParseLifetime("3653d"), 3'653 * 86'400);
  for (const char* text :
       {"", "d", "0d", "-1d", "1.5d", "90", "90 d", "3654d", "1w", "99999999999999999999d"}) {
    EXPECT_EQ(ParseLifetime(text), std::nullopt) << text;
  }
}

TEST(TenantsTableTest, ShowsWhatIsNotAsUsual) {
  v1::Tenant tenant;
  tenant.set_name("acme");
  tenant.set_tier("Tier3");
  tenant.set_state(v1::TENANT_STATE_SUSPENDED);
  tenant.set_live_keys(2);
  tenant.mutable_create_time()->set_seconds(1'717'200'000);
  tenant.add_identities("a.acme");
  tenant.add_identities("b.acme");
  EXPECT_EQ(TenantsTable({tenant}, false),
            "TENANT  TIER   STATE      KEYS  SINCE (UTC)          IDENTITIES\n"
            "acme    Tier3  suspended     2  2024-06-01 00:00:00  a.acme, b.acme\n");
  EXPECT_EQ(TenantsTable({}, false), "no tenants\n");
}

TEST(KeysTableTest, ShowsHowKeysEnd) {
  v1::Key key;
  key.set_id("k1");
  key.set_name("批处理");
  key.add_rights(v1::KEY_RIGHT_COMPLETE);
  key.mutable_create_time()->set_seconds(1'717'200'000);
  EXPECT_EQ(
      KeysTable({key}, false),
      "ID  NAME    MODELS  RIGHTS    LIMITS  BUDGET  SINCE (UTC)          LAST USED  EXPIRES  "
      "REVOKED  REPLACED BY\n"
      "k1  批处理  all     complete                  2024-06-01 00:00:00  never      never\n");
  key.add_models("gpt-4o");
  key.add_models("yi-large");
  key.mutable_expire_time()->set_seconds(1'717'200'001);
  key.set_replaced_by("k2");
  *key.add_limits() = *ParseKeyLimit("calls_at_once=2");
  EXPECT_THAT(KeysTable({key}, false), HasSubstr("gpt-4o, yi-large  complete  calls_at_once=2"));
  EXPECT_THAT(KeysTable({key}, false), HasSubstr("2024-06-01 00:00:01           k2"));
}

}  // namespace
}  // namespace pingti::command
