#include "server/quota/quota_book.h"

#include <utility>

#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace pingti::quota {
namespace {

using fakes::kNow;

config::Config TwoTenants() {
  config::Config config;
  for (const char* name : {"gpt-4o", "gpt-4o-mini", "yi-large"}) {
    config::Model& model = config.models.emplace_back();
    model.name = name;
    model.model_class = name;
  }
  config.models[1].model_class = "gpt-4o";
  config::Tier& tier = config.tiers.emplace_back();
  tier.name = "Tier1";
  tier.classes["gpt-4o"].requests_per_minute = 500;
  tier.classes["gpt-4o"].tokens_per_minute = 30'000;
  tier.other_classes.requests_per_minute = 10;
  config::Tier& closed = config.tiers.emplace_back();
  closed.name = "Free";
  closed.other_classes.requests_per_minute = 0;
  for (const char* name : {"acme", "duck"}) config.tenants.emplace_back().name = name;
  config.tenants[0].tier = "Tier1";
  config.tenants[1].tier = "Tier1";
  config::Tenant& poor = config.tenants.emplace_back();
  poor.name = "poor";
  poor.tier = "Free";
  return config;
}

void Use(BucketSet* set, int64_t tokens) {
  uint8_t shadow = 0;
  ASSERT_FALSE(set->Take(tokens, kNow, &shadow));
}

int64_t Tokens(const BucketSet* set) {
  return set->Read(Dimension::kTokensPerMinute, kNow)->remaining;
}

TEST(QuotaBookTest, GivesEachClassTheLimitsOfTheTier) {
  const QuotaBook book(TwoTenants(), nullptr, kNow);
  BucketSet* set = book.Find(0, "gpt-4o");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->subject(), "tenant:acme/class:gpt-4o");
  EXPECT_EQ(set->Read(Dimension::kRequestsPerMinute, kNow)->limit, 500);
  EXPECT_EQ(set->Read(Dimension::kTokensPerMinute, kNow)->limit, 30'000);
  BucketSet* other = book.Find(0, "yi-large");
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->Read(Dimension::kRequestsPerMinute, kNow)->limit, 10);
  EXPECT_FALSE(other->Read(Dimension::kTokensPerMinute, kNow).has_value());
}

TEST(QuotaBookTest, HasOneSetForEachClassNotForEachModel) {
  const QuotaBook book(TwoTenants(), nullptr, kNow);
  EXPECT_EQ(book.ByClass(0).size(), 2u);
  EXPECT_EQ(book.Find(0, "gpt-4o-mini"), nullptr);
}

TEST(QuotaBookTest, TenantsDoNotShareBuckets) {
  const QuotaBook book(TwoTenants(), nullptr, kNow);
  ASSERT_NE(book.Find(0, "gpt-4o"), book.Find(1, "gpt-4o"));
  Use(book.Find(0, "gpt-4o"), 30'000);
  EXPECT_EQ(book.Find(1, "gpt-4o")->Read(Dimension::kTokensPerMinute, kNow)->remaining, 30'000);
}

TEST(QuotaBookTest, ATierWithoutAccessIsClosed) {
  const QuotaBook book(TwoTenants(), nullptr, kNow);
  EXPECT_TRUE(book.Find(2, "gpt-4o")->closed());
  EXPECT_FALSE(book.Find(0, "gpt-4o")->closed());
}

TEST(QuotaBookTest, KnowsNoClassThatTheCatalogueLacks) {
  const QuotaBook book(TwoTenants(), nullptr, kNow);
  EXPECT_EQ(book.Find(0, "claude"), nullptr);
}

TEST(QuotaBookTest, ATenantsOwnLimitsReplaceThoseOfTheTierOneByOne) {
  config::Config config = TwoTenants();
  config.tenants[0].limits.classes["gpt-4o"].tokens_per_minute = 90'000;
  config.tenants[0].limits.classes["gpt-4o"].calls_at_once = 7;
  config.tenants[0].limits.other_classes.requests_per_minute = 0;
  const QuotaBook book(config, nullptr, kNow);
  const BucketSet* set = book.Find(0, "gpt-4o");
  EXPECT_EQ(set->limits().requests_per_minute, config::Limit(500));
  EXPECT_EQ(set->limits().tokens_per_minute, config::Limit(90'000));
  EXPECT_EQ(set->limits().calls_at_once, config::Limit(7));
  EXPECT_TRUE(book.Find(0, "yi-large")->closed());
  EXPECT_EQ(book.Find(1, "gpt-4o")->limits().tokens_per_minute, config::Limit(30'000));
}

TEST(QuotaBookTest, ASuspendedTenantIsClosedEverywhere) {
  config::Config config = TwoTenants();
  config.tenants[0].suspended = true;
  const QuotaBook book(config, nullptr, kNow);
  EXPECT_TRUE(book.Find(0, "gpt-4o")->closed());
  EXPECT_TRUE(book.Find(0, "yi-large")->closed());
  EXPECT_FALSE(book.Find(1, "gpt-4o")->closed());
}

TEST(QuotaBookTest, KeysHaveLimitsOfTheirOwn) {
  config::Config config = TwoTenants();
  config::KeyRecord& limited = config.tenants[0].keys.emplace_back();
  limited.public_id = "ab12";
  limited.limits.tokens_per_minute = 100;
  config.tenants[0].keys.emplace_back().public_id = "free";
  const QuotaBook book(config, nullptr, kNow);
  BucketSet* set = book.FindKey(0, "ab12");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->subject(), "tenant:acme/key:ab12");
  EXPECT_EQ(set->owner(), "tenant:acme");
  EXPECT_EQ(Tokens(set), 100);
  EXPECT_EQ(book.FindKey(0, "free"), nullptr);
  EXPECT_EQ(book.FindKey(1, "ab12"), nullptr);
}

TEST(QuotaBookTest, AProviderHasTheLimitsOfTheTierThatWeBought) {
  config::Config config = TwoTenants();
  config::Provider& bought = config.providers.emplace_back();
  bought.name = "openai";
  bought.tier = "Tier1";
  bought.no_key = true;
  config.providers.emplace_back().name = "yi";
  const QuotaBook book(config, nullptr, kNow);
  BucketSet* set = book.FindProvider("openai", "", "gpt-4o");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->subject(), "provider:openai/class:gpt-4o");
  EXPECT_EQ(set->owner(), "provider:openai");
  EXPECT_EQ(Tokens(set), 30'000);
  EXPECT_NE(book.ProviderLine("openai", "", "gpt-4o"), nullptr);
  EXPECT_EQ(book.FindProvider("openai", "", "claude"), nullptr);
  EXPECT_EQ(book.FindProvider("yi", "", "gpt-4o"), nullptr);
  EXPECT_EQ(book.ProviderLine("yi", "", "gpt-4o"), nullptr);
}

TEST(QuotaBookTest, SharesAreForReplicasThatHaveAStoreInCommon) {
  config::Config config = TwoTenants();
  config.tiers[0].when_store_is_down = config::StoreDownPolicy::kDeny;
  config.tiers[0].policy = config::ReservePolicy::kStrict;
  config.quota.replicas = 4;
  EXPECT_EQ(QuotaBook(config, nullptr, kNow).Find(0, "gpt-4o")->local_share(), nullptr);
  config.quota.redis.emplace();
  const QuotaBook book(config, nullptr, kNow);
  const BucketSet* set = book.Find(0, "gpt-4o");
  ASSERT_NE(set->local_share(), nullptr);
  EXPECT_EQ(set->local_share()->limits().requests_per_minute, config::Limit(125));
  EXPECT_EQ(set->when_store_is_down(), config::StoreDownPolicy::kDeny);
  EXPECT_EQ(book.policy(0), config::ReservePolicy::kStrict);
  EXPECT_EQ(book.policy(2), config::ReservePolicy::kLikely);
}

TEST(QuotaBookTest, AReloadThatChangesNothingKeepsTheVerySetsAndLines) {
  config::Config config = TwoTenants();
  const QuotaBook before(config, nullptr, kNow);
  std::swap(config.tenants[0], config.tenants[1]);
  const QuotaBook after(config, &before, kNow);
  EXPECT_EQ(after.Find(1, "gpt-4o"), before.Find(0, "gpt-4o"));
  EXPECT_EQ(after.Line(1, "gpt-4o"), before.Line(0, "gpt-4o"));
  EXPECT_NE(after.Line(0, "gpt-4o"), before.Line(0, "gpt-4o"));
}

TEST(QuotaBookTest, AReloadKeepsWhatIsUsedWhenLimitsChange) {
  config::Config config = TwoTenants();
  config.tenants[0].keys.emplace_back().public_id = "ab12";
  config.tenants[0].keys[0].limits.tokens_per_minute = 100;
  const QuotaBook before(config, nullptr, kNow);
  BucketSet* old = before.Find(0, "gpt-4o");
  Use(old, 20'000);
  Use(before.FindKey(0, "ab12"), 60);
  config.tiers[0].classes["gpt-4o"].tokens_per_minute = 10'000;
  config.tenants[0].keys[0].limits.tokens_per_minute = 1'000;
  const QuotaBook after(config, &before, kNow);
  EXPECT_EQ(Tokens(after.Find(0, "gpt-4o")), -10'000);
  EXPECT_EQ(Tokens(after.FindKey(0, "ab12")), 940);
  EXPECT_EQ(after.Line(0, "gpt-4o"), before.Line(0, "gpt-4o"));
  // A call that began before the reload settles on the set that it knows.
  old->AdjustTokens(-15'000, kNow);
  EXPECT_EQ(Tokens(after.Find(0, "gpt-4o")), 5'000);
}

TEST(QuotaBookTest, OtherRoomInTheLinesMakesNewLines) {
  config::Config config = TwoTenants();
  const QuotaBook before(config, nullptr, kNow);
  config.quota.waiting_max = 5;
  const QuotaBook after(config, &before, kNow);
  EXPECT_NE(after.Line(0, "gpt-4o"), before.Line(0, "gpt-4o"));
  EXPECT_EQ(after.Find(0, "gpt-4o"), before.Find(0, "gpt-4o"));
  EXPECT_EQ(after.Line(0, "claude"), nullptr);
}

}  // namespace
}  // namespace pingti::quota
