// Limits of tiers, tenants and keys, and where they are kept: what good files become, and what bad
// ones are told.
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"
#include "tests/unit/config/load_text.h"

namespace pingti::config {
namespace {

using testing::Contains;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr char kCatalogue[] =
    "\nproviders: [{name: p, dialect: openai, base_url: 'http://h', no_key: true}]\n"
    "models: [{name: m, provider: p, context_tokens: 1000}]\n";

LoadResult GoodLimits(const std::string& text, const Environment& environment = {},
                      const FileReader& read_file = nullptr) {
  return Good(text + kCatalogue, environment, read_file);
}

TEST(LimitsTest, TiersHaveFiveLimitsAsNumbersOrMaps) {
  const Config config = GoodLimits(R"(
tiers:
- name: T
  classes:
    m:
      requests_per_minute: 5
      tokens_per_minute: {limit: 600, burst: 100}
      requests_per_day: {limit: 0, shadow: true}
      tokens_per_day: {limit: 10000000000, burst: 10000000000, shadow: false}
      calls_at_once: {limit: 8}
- {name: U, policy: strict, when_store_is_down: deny}
- {name: V, policy: likely, when_store_is_down: allow}
- {name: W, when_store_is_down: local}
)")
                            .config;
  const ClassLimits& limits = config.tiers[0].limits("m");
  EXPECT_TRUE(limits.requests_per_minute == Limit(5));
  EXPECT_EQ(limits.requests_per_minute->capacity(), 5);
  EXPECT_TRUE(limits.tokens_per_minute == Limit(600, 100));
  EXPECT_EQ(limits.tokens_per_minute->capacity(), 100);
  EXPECT_TRUE(limits.requests_per_day == Limit(0, 0, true));
  EXPECT_TRUE(limits.tokens_per_day == Limit(10'000'000'000, 10'000'000'000));
  EXPECT_TRUE(limits.calls_at_once == Limit(8));
  EXPECT_TRUE(config.tiers[0].limits("other") == ClassLimits{});
  EXPECT_EQ(config.tiers[0].policy, ReservePolicy::kLikely);
  EXPECT_EQ(config.tiers[0].when_store_is_down, StoreDownPolicy::kLocal);
  EXPECT_EQ(config.tiers[1].policy, ReservePolicy::kStrict);
  EXPECT_EQ(config.tiers[1].when_store_is_down, StoreDownPolicy::kDeny);
  EXPECT_EQ(config.tiers[2].policy, ReservePolicy::kLikely);
  EXPECT_EQ(config.tiers[2].when_store_is_down, StoreDownPolicy::kAllow);
  EXPECT_EQ(config.tiers[3].when_store_is_down, StoreDownPolicy::kLocal);
}

TEST(LimitsTest, TenantsAndKeysHaveTheirOwn) {
  const std::string hex(64, 'a');
  const Config config = GoodLimits(
                            "tiers: [{name: T, other_classes: {requests_per_minute: 1}}]\n"
                            "tenants:\n- name: a\n  tier: T\n  limits:\n"
                            "    classes: {m: {tokens_per_minute: '${TPM}'}}\n"
                            "    other_classes: {calls_at_once: 2}\n"
                            "  keys:\n  - {record: 'pt_one1:" +
                                hex + "', limits: {requests_per_minute: 1000000000}}\n" +
                                "  - {record: 'pt_two2:" + hex + "'}\n- {name: b, tier: T}\n",
                            {{"TPM", "70"}})
                            .config;
  const Tenant& tenant = config.tenants[0];
  EXPECT_TRUE(tenant.limits.limits("m").tokens_per_minute == Limit(70));
  EXPECT_FALSE(tenant.limits.limits("m").calls_at_once);
  EXPECT_TRUE(tenant.limits.limits("x").calls_at_once == Limit(2));
  // More than its tenant has is no error: the tenant's limit is there, too.
  EXPECT_TRUE(tenant.keys[0].limits.requests_per_minute == Limit(1'000'000'000));
  EXPECT_TRUE(tenant.keys[1].limits == ClassLimits{});
  EXPECT_THAT(config.tenants[1].limits.classes, IsEmpty());
}

TEST(LimitsTest, TierZeroSuspends) {
  const Config config =
      GoodLimits("tiers: [{name: T}]\ntenants: [{name: a, tier: 0}, {name: b, tier: T}]\n").config;
  EXPECT_TRUE(config.tenants[0].suspended);
  EXPECT_EQ(config.tenants[0].tier, kClosedTier);
  EXPECT_FALSE(config.tenants[1].suspended);
  // Whoever looks a tenant's tier up finds it, and no access there.
  ASSERT_EQ(config.tiers.size(), 2u);
  EXPECT_EQ(config.tiers[1].name, kClosedTier);
  EXPECT_TRUE(config.tiers[1].limits("m").requests_per_minute == Limit(0));
  EXPECT_EQ(GoodLimits("tiers: [{name: T}]\ntenants: [{name: b, tier: T}]\n").config.tiers.size(),
            1u);
}

TEST(QuotaTest, ReadsEveryField) {
  const LoadResult result = GoodLimits(R"(
quota:
  redis: {address: 'unix:/run/r.sock', username: u, password: 'p w', database: 1023, timeout: 1s,
          slot_lease: 2s, prefix: x-1}
  replicas: 10000
  waiting_max: 0
  wait_max: 10m
)");
  const Quota& quota = result.config.quota;
  ASSERT_TRUE(quota.redis);
  EXPECT_EQ(quota.redis->address, "unix:/run/r.sock");
  EXPECT_EQ(quota.redis->username, "u");
  EXPECT_EQ(quota.redis->password.Reveal(), "p w");
  EXPECT_EQ(quota.redis->database, 1023);
  EXPECT_EQ(quota.redis->timeout, absl::Seconds(1));
  EXPECT_EQ(quota.redis->slot_lease, absl::Seconds(2));
  EXPECT_EQ(quota.redis->prefix, "x-1");
  EXPECT_EQ(quota.replicas, 10'000);
  EXPECT_EQ(quota.waiting_max, 0);
  EXPECT_EQ(quota.wait_max, absl::Minutes(10));
  EXPECT_THAT(result.notes,
              Contains("quota.redis: on: the limits are those of all replicas together"));
}

TEST(QuotaTest, OneReplicaOnASharedStoreIsSaidAloud) {
  const auto said = Contains(StartsWith("quota.replicas: WARNING: 1 although quota.redis is on"));
  EXPECT_THAT(GoodLimits("quota: {redis: {address: 'r:1'}}\n").notes, said);
  EXPECT_THAT(GoodLimits("quota: {redis: {address: 'r:1'}, replicas: 1}\n").notes, said);
  EXPECT_THAT(GoodLimits("quota: {redis: {address: 'r:1'}, replicas: 2}\n").notes, Not(said));
  EXPECT_THAT(GoodLimits("quota: {redis: {address: ''}, replicas: 1}\n").notes, Not(said));
}

TEST(QuotaTest, WithoutAnAddressTheStoreIsOff) {
  const LoadResult empty = GoodLimits(
      "quota: {redis: {address: '${R:-}', username: '${U:-}', password: '${P:-}'}, "
      "replicas: '${N:-1}'}\n");
  EXPECT_FALSE(empty.config.quota.redis);
  EXPECT_THAT(empty.notes, Contains("quota.redis: off, address is empty (set R): the limits are "
                                    "this process's own"));
  EXPECT_FALSE(GoodLimits("quota: {redis:}\n").config.quota.redis);
  const LoadResult absent = GoodLimits("quota: {replicas: 2}\n");
  EXPECT_FALSE(absent.config.quota.redis);
  EXPECT_THAT(absent.notes, Not(Contains(StartsWith("quota.redis"))));
}

TEST(QuotaTest, ThePasswordMayComeFromAFile) {
  const FileReader files = [](const std::string& path, size_t) -> absl::StatusOr<std::string> {
    EXPECT_EQ(path, "c/redis-password");
    return std::string("secret\n");
  };
  const LoadResult result =
      GoodLimits("quota: {redis: {address: 'h:1', password_file: redis-password}}\n", {}, files);
  ASSERT_TRUE(result.config.quota.redis);
  EXPECT_EQ(result.config.quota.redis->password.Reveal(), "secret");
}

class BadLimitsTest : public testing::TestWithParam<BadFile> {};

TEST_P(BadLimitsTest, GetsTheseErrors) {
  EXPECT_THAT(Errors(GetParam().text + kCatalogue), ElementsAreArray(GetParam().errors));
}

std::vector<BadFile> BadLimits() {
  auto limit = [](const std::string& text) {
    return "tiers:\n- name: T\n  other_classes:\n    " + text + "\n";
  };
  const std::string at = "c/t.yaml:4:5: tiers[0].other_classes.";
  const std::string in = "c/t.yaml:4:27: tiers[0].other_classes.";
  return {
      {"Text",
       limit("requests_per_minute: some"),
       {at + "requests_per_minute: \"some\" is not a whole number from 0 to 1000000000"}},
      {"TooLarge",
       limit("tokens_per_day: 10000000001"),
       {at + "tokens_per_day: \"10000000001\" is not a whole number from 0 to 10000000000"}},
      {"CallsTooMany",
       limit("calls_at_once: 1000001"),
       {at + "calls_at_once: \"1000001\" is not a whole number from 0 to 1000000"}},
      {"List",
       limit("tokens_per_minute: [1]"),
       {at + "tokens_per_minute: is a list; write a number, or {limit: N, burst: N, shadow: "
             "true}"}},
      {"NoLimit",
       limit("requests_per_minute: {shadow: true}"),
       {"c/t.yaml:4:26: tiers[0].other_classes.requests_per_minute.limit: is missing"}},
      {"BurstAboveLimit",
       limit("requests_per_minute: {burst: 6, limit: 5}"),
       {in + "requests_per_minute.burst: is more than limit, which is 5"}},
      {"BurstOfZero",
       limit("requests_per_minute: {burst: 0, limit: 5}"),
       {in + "requests_per_minute.burst: \"0\" is not a whole number from 1 to 1000000000"}},
      {"BurstOfNoAccess",
       limit("requests_per_minute: {burst: 1, limit: 0}"),
       {in + "requests_per_minute.burst: is given although limit is 0, which means no access; "
             "remove it"}},
      {"BurstOfCalls",
       limit("calls_at_once: {burst: 1, limit: 5}"),
       {"c/t.yaml:4:21: tiers[0].other_classes.calls_at_once.burst: is for limits that refill with "
        "time, not for this one; remove it"}},
      {"Shadow",
       limit("requests_per_minute: {shadow: 1, limit: 5}"),
       {in + "requests_per_minute.shadow: \"1\" is neither true nor false"}},
      {"UnknownPart",
       limit("requests_per_minute: {bust: 1, limit: 5}"),
       {in + "requests_per_minute.bust: is not known here; did you mean burst?"}},
      {"Policy",
       "tiers: [{name: T, policy: strikt}]\n",
       {"c/t.yaml:1:19: tiers[0].policy: \"strikt\" is not known here; did you mean strict? "
        "allowed: "
        "likely or strict"}},
      {"StoreDown",
       "tiers: [{name: T, when_store_is_down: open}]\n",
       {"c/t.yaml:1:19: tiers[0].when_store_is_down: \"open\" is not known here; allowed: local, "
        "deny or allow"}},
      {"TierZero",
       "tiers: [{name: 0}]\n",
       {"c/t.yaml:1:10: tiers[0].name: is the tier of suspended tenants, which no file can change; "
        "rename it"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Limits, BadLimitsTest, testing::ValuesIn(BadLimits()),
                         [](const auto& info) { return info.param.name; });

std::vector<BadFile> BadOwners() {
  const std::string tiers = "tiers: [{name: T}]\ntenants:\n";
  return {
      {"TenantClass",
       tiers + "- {name: a, tier: T, limits: {classes: {mm: {}}}}\n",
       {"c/t.yaml:3:41: tenants[0].limits.classes.mm: no model has this class; did you mean m?"}},
      {"TenantLimits",
       tiers + "- {name: a, tier: T, limits: {requests_per_minute: 5}}\n",
       {"c/t.yaml:3:31: tenants[0].limits.requests_per_minute: is not known here; allowed: classes "
        "and other_classes"}},
      {"KeyLimits",
       tiers + "- name: a\n  tier: T\n  keys:\n  - record: ''\n    limits: {requests: 5}\n",
       {"c/t.yaml:7:14: tenants[0].keys[0].limits.requests: is not known here; did you mean "
        "requests_per_day?"}},
      {"KeyLimitsEmpty",
       tiers + "- name: a\n  tier: T\n  keys:\n  - record: ''\n    limits:\n",
       {"c/t.yaml:7:5: tenants[0].keys[0].limits: is empty; write limits, for example "
        "{requests_per_minute: 500}, or {} for no limit at all"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Owners, BadLimitsTest, testing::ValuesIn(BadOwners()),
                         [](const auto& info) { return info.param.name; });

std::vector<BadFile> BadStores() {
  auto redis = [](const std::string& text) { return "quota:\n  redis:\n    " + text + "\n"; };
  const std::string at = "c/t.yaml:3:5: quota.redis.";
  return {
      {"Address",
       redis("address: redis"),
       {at + "address: \"redis\" is not the address of a store; write host:port, for example "
             "127.0.0.1:6379, or unix:/path of a socket"}},
      {"AddressIsAUrl",
       redis("address: redis://u:p@h:1"),
       {at + "address: the value, which is not shown, is not the address of a store; write "
             "host:port, for example 127.0.0.1:6379, or unix:/path of a socket; user and password "
             "have keys of their own"}},
      {"NoAddress", redis("database: 1"), {at + "address: is missing"}},
      {"UserAlone",
       redis("{address: 'h:1', username: u}"),
       {"c/t.yaml:3:22: quota.redis.username: is given without a password; add password or "
        "password_file"}},
      {"Timeout",
       redis("{address: 'h:1', timeout: 2s}"),
       {"c/t.yaml:3:22: quota.redis.timeout: \"2s\" is out of range; from 1ms to 1s is allowed"}},
      {"Database",
       redis("{address: 'h:1', database: 1024}"),
       {"c/t.yaml:3:22: quota.redis.database: \"1024\" is not a whole number from 0 to 1023"}},
      {"Prefix",
       redis("{address: 'h:1', prefix: 'a:b'}"),
       {"c/t.yaml:3:22: quota.redis.prefix: \"a:b\" is not a prefix; write 1 to 32 of a-z, 0-9 and "
        "-"}},
      {"Password",
       redis("{address: 'h:1', password: \"a\\nb\"}"),
       {"c/t.yaml:3:22: quota.redis.password: the value, which is not shown, has a line break or "
        "another control character in it"}},
      {"Waiting",
       "quota:\n  replicas: 0\n  waiting_max: -1\n  wait_max: 11m\n  reddis: {}\n",
       {"c/t.yaml:2:3: quota.replicas: \"0\" is not a whole number from 1 to 10000",
        "c/t.yaml:3:3: quota.waiting_max: \"-1\" is not a whole number from 0 to 100000",
        "c/t.yaml:4:3: quota.wait_max: \"11m\" is out of range; from 0 to 10m is allowed",
        "c/t.yaml:5:3: quota.reddis: is not known here; did you mean redis?"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Stores, BadLimitsTest, testing::ValuesIn(BadStores()),
                         [](const auto& info) { return info.param.name; });

TEST(ProviderTierTest, MustExist) {
  const std::string begin =
      "tiers: [{name: Tier1}]\nproviders:\n- name: p\n  dialect: openai\n  base_url: http://h\n"
      "  no_key: true\n  tier: ";
  const auto unknown = LoadFromString(begin + "Tier2\n", "c/t.yaml", {});
  EXPECT_EQ(unknown.status().message(),
            "c/t.yaml:7:3: providers[0].tier: \"Tier2\" is not the name of a tier; did you mean "
            "Tier1?");
  const auto closed = LoadFromString(begin + "0\n", "c/t.yaml", {});
  EXPECT_EQ(closed.status().message(),
            "c/t.yaml:7:3: providers[0].tier: \"0\" is not the name of a tier; there is Tier1");
  const auto empty = LoadFromString(begin + "'${TIER:-}'\n", "c/t.yaml", {});
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->config.providers[0].tier, "");
  const auto given = LoadFromString(begin + "'${TIER:-}'\n", "c/t.yaml", {{"TIER", "Tier1"}});
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->config.providers[0].tier, "Tier1");
}

}  // namespace
}  // namespace pingti::config
