// A RedisStore keeps the contract of every store, gives the same answers as a MemoryStore, and
// leaves nothing in Redis for ever.
#include "server/quota/redis_store.h"

#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "tests/contract/memory_harness.h"
#include "tests/contract/quota_store_contract.h"
#include "tests/contract/redis_harness.h"
#include "tests/contract/trace.h"

namespace pingti::quota {
namespace {

using testing_redis::RedisServer;

INSTANTIATE_TEST_SUITE_P(Redis, QuotaStoreContract, ::testing::Values(&MakeRedisHarness));

constexpr int kOperations = 500;
#if defined(PINGTI_TSAN) || defined(__SANITIZE_ADDRESS__)
constexpr char kRuns[] = "max_success=20";
#else
constexpr char kRuns[] = "max_success=200";
#endif

// On CI the same ones every time, so that only a change of the code can fail there.
std::string Runs() {
  return std::string(kRuns) + (std::getenv("CI") == nullptr ? "" : " seed=20240611");
}

TEST(RedisTrace, MemoryAndRedisGiveTheSameAnswers) {
  setenv("RC_PARAMS", Runs().c_str(), 0);
  size_t answers = 0;
  const bool same = rc::check("a RedisStore answers as a MemoryStore does", [&] {
    const auto history = *rc::gen::container<std::vector<uint64_t>>(
        kOperations, rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint64_t>()));
    MemoryHarness memory;
    const TraceResult expected = RunTrace(memory, history, "tenant:acme");
    RedisHarness redis;
    const TraceResult actual = RunTrace(redis, history, "tenant:acme");
    for (const telemetry::Counter& failures : redis.worker().stats().failures) {
      RC_ASSERT(failures.value() == 0);
    }
    if (!actual.error.empty()) RC_FAIL(actual.error);
    RC_ASSERT(actual.answers.size() == expected.answers.size());
    for (size_t i = 0; i < actual.answers.size(); ++i) {
      RC_ASSERT(actual.answers[i].granted == expected.answers[i].granted);
      RC_ASSERT(actual.answers[i].wait == expected.answers[i].wait);
      RC_ASSERT(actual.answers[i].remaining == expected.answers[i].remaining);
      RC_ASSERT(actual.answers[i] == expected.answers[i]);
    }
    answers += actual.answers.size();
  });
  EXPECT_TRUE(same);
  EXPECT_GT(answers, 1'000u);
}

// Uses some of a limit, changes it, uses some of the new one, and takes what was seen down.
std::vector<int64_t> ChangeOfALimit(StoreHarness& harness, uint64_t word) {
  const std::string name = std::to_string(word);
  const auto below = [&word](int64_t n) {
    word = word * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    return static_cast<int64_t>((word >> 33) % static_cast<uint64_t>(n));
  };
  const auto limits = [&below](bool day) {
    int64_t limit = 1 + below(9);
    for (int64_t digits = below(10); digits > 0; --digits) limit = limit * 10 + below(3);
    config::ClassLimits made;
    (day ? made.tokens_per_day : made.tokens_per_minute) = limit;
    return made;
  };
  const bool day = below(2) == 1;
  const int dimension = day ? 3 : 1;
  const auto before = MakeSet(name, limits(day));
  harness.Advance(absl::Microseconds(below(1'000'003)));
  harness.Reserve(DemandOf(below(3) + below(1'000), *before));
  harness.Advance(absl::Microseconds(below(50'021)));
  harness.Reserve(DemandOf(0, *before));  // it is written at the time of the change
  const auto after = MakeSet(name, limits(day));
  after->Adopt(*before, harness.Now());
  std::vector<int64_t> seen;
  for (const int64_t tokens : {int64_t{0}, int64_t{1}, 1 + below(100)}) {
    const ReserveReply reply = harness.Reserve(DemandOf(tokens, *after));
    seen.push_back(reply.first_scope[dimension]->remaining);
    seen.push_back(absl::ToInt64Microseconds(reply.first_scope[dimension]->full_in));
    harness.Advance(absl::Microseconds(13));
  }
  return seen;
}

TEST(RedisTrace, AChangedLimitIsTheSameInMemoryAndRedis) {
  const bool same = rc::check("a changed limit has the same left in both", [] {
    const auto words = *rc::gen::container<std::vector<uint64_t>>(
        20, rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint64_t>()));
    MemoryHarness memory;
    RedisHarness redis;
    for (const uint64_t word : std::set<uint64_t>(words.begin(), words.end())) {
      RC_ASSERT(ChangeOfALimit(redis, word) == ChangeOfALimit(memory, word));
    }
  });
  EXPECT_TRUE(same);
}

config::ClassLimits AllLimits() {
  config::ClassLimits limits = PerMinute(10, 1'000);
  limits.requests_per_day = 100;
  limits.tokens_per_day = 10'000;
  limits.calls_at_once = 5;
  return limits;
}

ReserveReply ReserveOn(StoreOfOneWorker& worker, BucketSet& set, int64_t tokens) {
  ReserveReply reply;
  base::Signal signal;
  worker.store().Reserve(DemandOf(tokens, set), base::SystemClock().MonotonicNow(), &reply,
                         &signal);
  worker.TurnUntil([&] { return reply.state != ReserveReply::State::kPending; });
  return reply;
}

bool GrantedByStore(const ReserveReply& reply) {
  return reply.state == ReserveReply::State::kGranted && reply.granted_by == GrantedBy::kStore;
}

StoreOfOneWorker::Options OptionsFor(const RedisServer& server) {
  StoreOfOneWorker::Options options;
  options.address = server.address();
  return options;
}

TEST(RedisKeys, AreOfOneSlotPerOwnerAndAllExpire) {
  RedisHarness harness;
  RedisServer& redis = RedisHarness::redis();
  const auto tenant = MakeSet("class:a", AllLimits());
  const auto key = MakeSet("key:ab12", AllLimits());
  ASSERT_EQ(harness.Reserve(DemandOf(900, *tenant, key.get())).state,
            ReserveReply::State::kGranted);
  const std::vector<std::string> names = redis.Ask({"KEYS", "*"});
  int seen = 0;
  for (const std::string& name : names) {
    EXPECT_EQ(name.find("test:q1:"), 0u) << name;
    const int64_t left_ms = redis.Number({"PTTL", name});
    EXPECT_GT(left_ms, 0) << name;
    const bool slots = name.ends_with(":calls");  // the lease of this harness is long
    EXPECT_LE(left_ms, (slots ? 365 * 24 : 24) * int64_t{3'600'000} + 60'000) << name;
    if (name.find(":q1:{tenant:acme}:tenant:acme/") != std::string::npos) ++seen;
  }
  EXPECT_EQ(seen, 4) << "two scopes, each with levels and slots";
}

TEST(RedisKeys, LiveAsLongAsTheirLongestLimitNeeds) {
  RedisHarness harness;
  RedisServer& redis = RedisHarness::redis();
  const auto set = MakeSet("class:a", AllLimits());
  ASSERT_EQ(harness.Reserve(DemandOf(900, *set)).state, ReserveReply::State::kGranted);
  const std::string key = "test:q1:{tenant:acme}:tenant:acme/class:a";
  const int64_t before_ms = redis.Number({"PTTL", key});
  EXPECT_GT(before_ms, 7'000'000);  // 900 of 10,000 a day come back in more than two hours
  // A change of what refills in a minute leaves the day's alone.
  harness.store().Correct(*set, Dimension::kTokensPerMinute, 10, absl::ZeroDuration(),
                          harness.Now());
  harness.Read(*set);
  EXPECT_GT(redis.Number({"PTTL", key}), before_ms - 60'000);
}

TEST(RedisScripts, AreLoadedAgainWhenRedisHasForgottenThem) {
  RedisHarness harness;
  const auto set = MakeSet("class:a", PerMinute({}, 100));
  ASSERT_EQ(harness.Reserve(DemandOf(10, *set)).state, ReserveReply::State::kGranted);
  for (int i = 0; i < 3; ++i) {
    RedisHarness::redis().Ask({"SCRIPT", "FLUSH"});
    Change change;
    change.demand = DemandOf(10, *set);
    change.tokens = 5;
    harness.store().Apply(change, harness.Now());
    const ReserveReply reply = harness.Reserve(DemandOf(10, *set));
    ASSERT_TRUE(GrantedByStore(reply)) << i;
    EXPECT_EQ(reply.first_scope[1]->remaining, 90 - 15 * (i + 1));
  }
  EXPECT_EQ(harness.worker().stats().failures[0].value(), 0);
  EXPECT_EQ(harness.worker().stats().failures[2].value(), 0);
}

TEST(RedisClock, CountsByRedisAndNotByTheCaller) {
  RedisServer redis;
  StoreOfOneWorker worker(OptionsFor(redis));
  const auto set = MakeSet("class:a", PerMinute({}, 60'000'000));  // one per microsecond
  ASSERT_TRUE(GrantedByStore(ReserveOn(worker, *set, 60'000'000)));
  // The caller's clock stands still here.
  const base::Instant then = base::Instant::FromNanos(1);
  ReserveReply reply;
  base::Signal signal;
  worker.TurnUntil([&] {
    reply = {};
    worker.store().Reserve(DemandOf(1'000, *set), then, &reply, &signal);
    worker.TurnUntil([&] { return reply.state != ReserveReply::State::kPending; });
    return reply.state == ReserveReply::State::kGranted;
  });
  EXPECT_TRUE(GrantedByStore(reply));
}

TEST(RedisClock, TwoReplicasShareOneLimit) {
  RedisServer redis({.tcp = true, .arguments = {}, .password = ""});
  StoreOfOneWorker first(OptionsFor(redis));
  StoreOfOneWorker second(OptionsFor(redis));
  config::ClassLimits limits;
  limits.requests_per_day = 20;
  limits.calls_at_once = 30;
  const auto set_of_first = MakeSet("class:a", limits);
  const auto set_of_second = MakeSet("class:a", limits);
  int granted = 0;
  for (int i = 0; i < 30; ++i) {
    if (GrantedByStore(ReserveOn(first, *set_of_first, 1))) ++granted;
    if (GrantedByStore(ReserveOn(second, *set_of_second, 1))) ++granted;
  }
  EXPECT_EQ(granted, 20);
  EXPECT_EQ(redis.Number({"ZCARD", "test:q1:{tenant:acme}:tenant:acme/class:a:calls"}), 20);
}

// What a worker reads whose Redis is not there.
ReadReply ReadWithoutRedis(BucketSet& set) {
  StoreOfOneWorker::Options options;
  options.address = "unix:/nonexistent/redis.sock";
  StoreOfOneWorker worker(options);
  testing::internal::CaptureStderr();
  worker.TurnUntil([&] { return !worker.health().up(); });
  testing::internal::GetCapturedStderr();
  ReadReply reply;
  base::Signal signal;
  BucketSet* const sets[] = {&set};
  worker.store().Read(sets, base::SystemClock().MonotonicNow(), &reply, &signal);
  EXPECT_TRUE(reply.ready) << "nobody waits for it";
  return reply;
}

BucketSet::Options OfTier(config::StoreDownPolicy policy) {
  BucketSet::Options options;
  options.when_store_is_down = policy;
  options.replicas = 4;
  return options;
}

TEST(RedisRead, WithoutTheStoreATierThatDeniesOrAllowsShowsItsLimitsAndSaysSo) {
  for (const auto policy : {config::StoreDownPolicy::kDeny, config::StoreDownPolicy::kAllow}) {
    const auto set = MakeSet("class:a", AllLimits(), OfTier(policy));
    const ReadReply reply = ReadWithoutRedis(*set);
    EXPECT_TRUE(reply.store_down);
    const int64_t limits[] = {10, 1'000, 100, 10'000, 5};
    for (int i = 0; i < kDimensionCount; ++i) {
      ASSERT_TRUE(reply.states[0][i]) << i;
      EXPECT_EQ(reply.states[0][i]->limit, limits[i]);
      EXPECT_EQ(reply.states[0][i]->capacity, limits[i]);
      EXPECT_EQ(reply.states[0][i]->remaining, limits[i]);
    }
  }
}

TEST(RedisRead, WithoutTheStoreTheLocalShareIsShown) {
  const auto set = MakeSet("class:a", AllLimits(), OfTier(config::StoreDownPolicy::kLocal));
  const ReadReply reply = ReadWithoutRedis(*set);
  EXPECT_FALSE(reply.store_down);
  EXPECT_EQ(reply.states[0][1]->limit, 250);
}

TEST(RedisRead, AClosedScopeShowsItsLimitsAsTheyAreConfigured) {
  RedisHarness harness;
  const auto set = MakeSet("class:a", PerMinute(0, 1'000), OfTier(config::StoreDownPolicy::kDeny));
  const ReadReply reply = harness.Read(*set);
  EXPECT_FALSE(reply.store_down);
  ASSERT_TRUE(reply.states[0][0] && reply.states[0][1]);
  EXPECT_EQ(reply.states[0][0]->limit, 0);
  EXPECT_EQ(reply.states[0][1]->limit, 1'000);
}

TEST(RedisLogin, PasswordUserAndDatabase) {
  RedisServer redis({.tcp = false,
                     .arguments = {"--requirepass", "open-sesame", "--user", "limits", "on",
                                   ">s3cret", "~test:*", "+@all", "-@dangerous"},
                     .password = "open-sesame"});
  StoreOfOneWorker::Options options = OptionsFor(redis);
  const auto set = MakeSet("class:a", PerMinute({}, 100));
  {
    options.password = "open-sesame";
    options.database = 3;
    StoreOfOneWorker worker(options);
    EXPECT_TRUE(GrantedByStore(ReserveOn(worker, *set, 60)));
    EXPECT_EQ(redis.Number({"DBSIZE"}), 0);
    redis.Ask({"SELECT", "3"});
    EXPECT_GE(redis.Number({"DBSIZE"}), 1);
  }
  {
    options.username = "limits";
    options.password = "s3cret";
    StoreOfOneWorker worker(options);
    const ReserveReply reply = ReserveOn(worker, *set, 60);
    EXPECT_EQ(reply.state, ReserveReply::State::kRefused) << "60 of 100 are gone in this database";
    EXPECT_FALSE(reply.refusal->store_down);
  }
}

TEST(RedisLogin, AWrongPasswordIsAStoreThatIsDown) {
  RedisServer redis({.tcp = false, .arguments = {"--requirepass", "right"}, .password = "right"});
  StoreOfOneWorker::Options options = OptionsFor(redis);
  options.password = "wrong";
  StoreOfOneWorker worker(options);
  testing::internal::CaptureStderr();
  worker.TurnUntil([&] { return !worker.health().up(); });
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("WRONGPASS"), std::string::npos) << said;
  EXPECT_EQ(said.find("\"wrong\""), std::string::npos) << said;
  BucketSet::Options tier;
  tier.replicas = 4;
  const auto set = MakeSet("class:a", PerMinute({}, 100), tier);
  const ReserveReply reply = ReserveOn(worker, *set, 20);
  EXPECT_EQ(reply.granted_by, GrantedBy::kLocalShare);
  EXPECT_EQ(reply.first_scope[1]->limit, 25);
  EXPECT_EQ(worker.stats().down.value(), 1);
  EXPECT_EQ(worker.stats().went_down.value(), 1);
  // Put right at the server, it comes back by itself.
  redis.Ask({"CONFIG", "SET", "requirepass", "wrong"});
  worker.TurnUntil([&] { return worker.health().up(); });
  EXPECT_TRUE(GrantedByStore(ReserveOn(worker, *set, 100)));
  EXPECT_EQ(worker.stats().came_back.value(), 1);
}

TEST(RedisLogin, ADatabaseThatIsNotThereIsNeverMistakenForAnother) {
  RedisServer redis;
  StoreOfOneWorker::Options options = OptionsFor(redis);
  options.database = 999;
  StoreOfOneWorker worker(options);
  const auto set = MakeSet("class:a", PerMinute({}, 100));
  EXPECT_EQ(ReserveOn(worker, *set, 20).granted_by, GrantedBy::kLocalShare);
  EXPECT_FALSE(worker.store().in_use());
  for (const std::string& key : redis.Ask({"KEYS", "*"})) {
    EXPECT_EQ(key.find("class:a"), std::string::npos) << key;
  }
}

}  // namespace
}  // namespace pingti::quota
