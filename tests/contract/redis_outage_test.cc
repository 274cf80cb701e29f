// What a RedisStore does while Redis is away, slow or odd, and how it comes back.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/quota/redis_store.h"
#include "tests/contract/redis_harness.h"
#include "tests/redis/black_hole_proxy.h"

namespace pingti::quota {
namespace {

using integration::Scaled;
using testing_redis::BlackHoleProxy;
using testing_redis::RedisServer;

// That of the configuration. Where it is not the subject a longer one is used: what a busy machine
// does is no outage.
constexpr absl::Duration kBudget = absl::Milliseconds(20);
constexpr absl::Duration kLongBudget = absl::Seconds(20);
constexpr absl::Duration kDecisionMax = absl::Milliseconds(25);

const std::string kLevelKey = "test:q1:{tenant:acme}:tenant:acme/class:a";
const std::string kSlotsKey = kLevelKey + ":calls";

base::Instant Now() { return base::SystemClock().MonotonicNow(); }

config::ClassLimits Limits(int64_t tokens, std::optional<int64_t> at_once = std::nullopt) {
  config::ClassLimits limits;
  limits.tokens_per_day = tokens;
  if (at_once) limits.calls_at_once = *at_once;
  return limits;
}

std::unique_ptr<BucketSet> SetOf(const config::ClassLimits& limits,
                                 config::StoreDownPolicy policy) {
  BucketSet::Options options;
  options.when_store_is_down = policy;
  options.replicas = 4;
  return MakeSet("class:a", limits, options);
}

std::unique_ptr<BucketSet> LocalSet(int64_t tokens) {
  return SetOf(Limits(tokens), config::StoreDownPolicy::kLocal);
}

class RedisOutage : public ::testing::Test {
 protected:
  // `timeout`: the budget of an operation; `address`: where Redis seems to be.
  void MakeWorker(absl::Duration timeout = absl::Seconds(1), absl::Duration lease = kSlotLease,
                  const std::string& address = "") {
    StoreOfOneWorker::Options options;
    options.address = address.empty() ? redis_.address() : address;
    options.timeout = timeout;
    options.store.lease = lease;
    worker_ = std::make_unique<StoreOfOneWorker>(options);
  }
  void Connect() {
    worker_->TurnUntil([&] { return worker_->store().in_use(); });
  }
  ReserveReply Reserve(BucketSet& set, int64_t tokens) {
    ReserveReply reply;
    base::Signal signal;
    worker_->store().Reserve(DemandOf(tokens, set), Now(), &reply, &signal);
    worker_->TurnUntil([&] { return reply.state != ReserveReply::State::kPending; });
    return reply;
  }
  // Until Redis decides again.
  void WaitUntilItDecides(BucketSet& set) {
    worker_->TurnUntil([&] {
      const ReserveReply reply = Reserve(set, 0);
      return reply.granted_by == GrantedBy::kStore && worker_->health().up() &&
             reply.state == ReserveReply::State::kGranted;
    });
  }
  void Settle(BucketSet& set, const ReserveReply& reply, int64_t reserved, int64_t tokens) {
    Change change;
    change.id = reply.id;
    change.demand = DemandOf(reserved, set);
    change.granted_by = reply.granted_by;
    change.tokens = tokens;
    change.free_slot = true;
    worker_->store().Apply(change, Now());
  }
  // What is left of a limit, by Redis: what a share has is less of less.
  int64_t Left(BucketSet& set, Dimension dimension) {
    std::optional<Bucket::State> state;
    worker_->TurnUntil([&] {
      ReadReply read;
      base::Signal signal;
      BucketSet* const sets[] = {&set};
      worker_->store().Read(sets, Now(), &read, &signal);
      worker_->TurnUntil([&] { return read.ready; });
      state = read.states[0][static_cast<int>(dimension)];
      return state && state->limit == set.limit(dimension)->limit;
    });
    return state ? state->remaining : -1;
  }
  // Redis does not answer: those who ask wait for their budget and no longer, until it counts as
  // down; after that nobody waits.
  void ExpectOnlyTheFirstOnesWait(BucketSet& set, int64_t tokens) {
    const int64_t timeouts = Failures(telemetry::StoreFailure::kTimeout);
    absl::Duration shortest = absl::InfiniteDuration();
    for (int i = 0; i < kStoreFailuresMax; ++i) {
      const base::Instant before = Now();
      EXPECT_EQ(Reserve(set, tokens).granted_by, GrantedBy::kLocalShare);
      EXPECT_GE(Now() - before, kBudget - absl::Milliseconds(1)) << "the budget is used";
      shortest = std::min(shortest, Now() - before);
    }
    // The other ones, too, but a machine that does other things adds to single ones.
    EXPECT_LE(shortest, kDecisionMax * integration::Slowdown());
    EXPECT_FALSE(worker_->health().up());
    EXPECT_EQ(Failures(telemetry::StoreFailure::kTimeout), timeouts + kStoreFailuresMax);
    // Answered before Reserve() returns.
    for (int i = 0; i < 1'000; ++i) {
      ReserveReply reply;
      base::Signal signal;
      worker_->store().Reserve(DemandOf(10, set), Now(), &reply, &signal);
      ASSERT_EQ(reply.state, ReserveReply::State::kGranted);
      ASSERT_EQ(reply.granted_by, GrantedBy::kLocalShare);
    }
  }
  // Each loss was followed by a return.
  void ExpectItIsBack() {
    EXPECT_GE(worker_->stats().went_down.value(), 1);
    EXPECT_EQ(worker_->stats().came_back.value(), worker_->stats().went_down.value());
    EXPECT_EQ(worker_->stats().down.value(), 0);
  }
  int64_t Failures(telemetry::StoreFailure kind) {
    return worker_->stats().failures[static_cast<int>(kind)].value();
  }

  RedisServer redis_;
  std::unique_ptr<StoreOfOneWorker> worker_;
};

TEST_F(RedisOutage, AStoreThatIsNotThereAtTheStartIsSaidAndFoundLater) {
  redis_.Kill();
  testing::internal::CaptureStderr();
  MakeWorker();
  worker_->TurnUntil([&] { return !worker_->health().up(); });
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("the quota store cannot be reached"), std::string::npos) << said;
  EXPECT_NE(said.find(redis_.address()), std::string::npos) << said;
  const auto set = LocalSet(400);
  EXPECT_EQ(Reserve(*set, 10).granted_by, GrantedBy::kLocalShare);
  redis_.Start();
  testing::internal::CaptureStderr();
  WaitUntilItDecides(*set);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("the quota store is back"),
            std::string::npos);
}

TEST_F(RedisOutage, APausedStoreCostsEachCallerItsBudgetAndThenNobodyWaits) {
  MakeWorker(kBudget);
  Connect();
  const auto set = LocalSet(400'000);
  WaitUntilItDecides(*set);
  redis_.Pause();
  ExpectOnlyTheFirstOnesWait(*set, 1'000);
  redis_.Resume();
  WaitUntilItDecides(*set);
  // The three that came too late gave all back.
  worker_->TurnUntil([&] { return Left(*set, Dimension::kTokensPerDay) == 400'000; });
  ExpectItIsBack();
}

TEST_F(RedisOutage, ANetworkThatSwallowsAllIsAnOutageThatEndsByItself) {
  BlackHoleProxy proxy(redis_.address());
  MakeWorker(kBudget, kSlotLease, proxy.address());
  Connect();
  const auto set = LocalSet(400'000);
  WaitUntilItDecides(*set);
  proxy.Swallow();
  ExpectOnlyTheFirstOnesWait(*set, 1'000);
  // The connection that says nothing is given up, and the next ones as well.
  worker_->TurnUntil([&] { return !worker_->store().in_use(); });
  worker_->TurnUntil([&] { return Failures(telemetry::StoreFailure::kConnection) > 0; });
  proxy.Release();
  WaitUntilItDecides(*set);
  // What arrives now was granted to nobody, and nobody is there to give it back: no more than that.
  EXPECT_GE(Left(*set, Dimension::kTokensPerDay), 400'000 - kStoreFailuresMax * 1'000);
  ExpectItIsBack();
}

TEST_F(RedisOutage, ALateGrantGivesItsSlotBack) {
  MakeWorker(kBudget);
  Connect();
  const auto set = SetOf(Limits(1'000, 100), config::StoreDownPolicy::kAllow);
  redis_.Pause();
  EXPECT_EQ(Reserve(*set, 100).granted_by, GrantedBy::kNobody);
  redis_.Resume();
  worker_->TurnUntil([&] { return worker_->stats().operations.value() >= 2; });
  WaitUntilItDecides(*set);
  EXPECT_EQ(Left(*set, Dimension::kTokensPerDay), 1'000);
  // What is open now is the call without tokens of this test itself.
  EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), 99);
  EXPECT_EQ(redis_.Number({"ZCARD", kSlotsKey}), 1);
}

TEST_F(RedisOutage, InAnOutageAtMostTheShareIsAdmittedThenRefusedWithAFiniteWait) {
  MakeWorker();
  Connect();
  const auto set = LocalSet(400);
  ASSERT_EQ(Reserve(*set, 100).granted_by, GrantedBy::kStore);
  redis_.Kill();
  worker_->TurnUntil([&] { return !worker_->store().in_use(); });
  int64_t admitted = 0;
  for (int i = 0; i < 50; ++i) {
    const ReserveReply reply = Reserve(*set, 10);
    if (reply.state == ReserveReply::State::kGranted) admitted += 10;
  }
  EXPECT_EQ(admitted, 100) << "a quarter of 400";
  // More than the share ever holds, but not more than the limit: worth another try.
  const ReserveReply large = Reserve(*set, 300);
  ASSERT_TRUE(large.refusal);
  EXPECT_LT(large.refusal->wait, absl::Minutes(1));
  EXPECT_EQ(Reserve(*set, 401).refusal->wait, absl::InfiniteDuration());
  redis_.Start();
  WaitUntilItDecides(*set);
  EXPECT_EQ(Reserve(*set, 400).granted_by, GrantedBy::kStore);
}

TEST_F(RedisOutage, DenyRefusesAndAllowAdmits) {
  redis_.Kill();
  MakeWorker();
  worker_->TurnUntil([&] { return !worker_->health().up(); });
  const auto strict = SetOf(Limits(100), config::StoreDownPolicy::kDeny);
  const ReserveReply denied = Reserve(*strict, 1);
  ASSERT_EQ(denied.state, ReserveReply::State::kRefused);
  EXPECT_TRUE(denied.refusal->store_down);
  EXPECT_EQ(denied.refusal->scope, strict.get());
  EXPECT_EQ(denied.refusal->wait, absl::Seconds(1));
  const auto generous = SetOf(Limits(100), config::StoreDownPolicy::kAllow);
  const ReserveReply allowed = Reserve(*generous, 1'000);
  EXPECT_EQ(allowed.state, ReserveReply::State::kGranted);
  EXPECT_EQ(allowed.granted_by, GrantedBy::kNobody);
  Settle(*generous, allowed, 1'000, -1'000);
  EXPECT_EQ(worker_->stats().denied.value(), 1);
  EXPECT_EQ(worker_->stats().allowed.value(), 1);
}

TEST_F(RedisOutage, WhatTheShareGrantedIsSettledThereAlsoAfterTheReturn) {
  redis_.Kill();
  MakeWorker();
  worker_->TurnUntil([&] { return !worker_->health().up(); });
  const auto set = LocalSet(400);
  const ReserveReply held = Reserve(*set, 100);
  ASSERT_EQ(held.granted_by, GrantedBy::kLocalShare);
  redis_.Start();
  WaitUntilItDecides(*set);
  Settle(*set, held, 100, -60);
  EXPECT_EQ(set->local_share()->Read(Dimension::kTokensPerDay, Now())->remaining, 60);
  EXPECT_EQ(Reserve(*set, 0).first_scope[3]->remaining, 400);
}

TEST_F(RedisOutage, ALostConnectionWithCallersCountsAtOnce) {
  MakeWorker(kLongBudget);
  Connect();
  const auto set = LocalSet(400);
  redis_.Pause();
  ReserveReply reply;
  base::Signal signal;
  worker_->store().Reserve(DemandOf(10, *set), Now(), &reply, &signal);
  event_base_loop(worker_->loop().base(), EVLOOP_NONBLOCK);
  const base::Instant before = Now();
  redis_.Kill();
  worker_->TurnUntil([&] { return reply.state != ReserveReply::State::kPending; });
  EXPECT_LT(Now() - before, kLongBudget / 2) << "it need not wait for its budget";
  EXPECT_EQ(reply.granted_by, GrantedBy::kLocalShare);
  EXPECT_FALSE(worker_->health().up());
  EXPECT_EQ(Failures(telemetry::StoreFailure::kConnection), 1);
}

TEST_F(RedisOutage, AnIdleConnectionThatIsClosedIsMadeAgainWithoutAWord) {
  MakeWorker();
  Connect();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    redis_.Ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    worker_->TurnUntil([&] { return !worker_->store().in_use(); });
    Connect();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(worker_->stats().went_down.value(), 0);
}

TEST_F(RedisOutage, AStoreThatRefusesToWriteIsDownUntilItTakesWritesAgain) {
  MakeWorker();
  Connect();
  const auto set = LocalSet(400);
  redis_.Ask({"REPLICAOF", "127.0.0.1", "1"});  // a replica is read-only
  for (int i = 0; i < kStoreFailuresMax; ++i) {
    EXPECT_EQ(Reserve(*set, 1).granted_by, GrantedBy::kLocalShare);
  }
  EXPECT_EQ(Failures(telemetry::StoreFailure::kReply), 3);
  EXPECT_FALSE(worker_->health().up());
  redis_.Ask({"REPLICAOF", "NO", "ONE"});
  WaitUntilItDecides(*set);
}

TEST_F(RedisOutage, WhatIsNotOursInTheKeyIsAFailureAndNotACrash) {
  MakeWorker();
  Connect();
  const auto set = LocalSet(400);
  redis_.Ask({"SET", kLevelKey, "somebody else's"});
  EXPECT_EQ(Reserve(*set, 1).granted_by, GrantedBy::kLocalShare);
  redis_.Ask({"DEL", kLevelKey});
  redis_.Ask({"HSET", kLevelKey, "3", "nonsense"});
  EXPECT_EQ(Reserve(*set, 1).granted_by, GrantedBy::kStore);
}

TEST_F(RedisOutage, LeasesAreRenewedAndThoseOfTheDeadRunOut) {
  const absl::Duration lease = absl::Milliseconds(integration::Slowdown() > 1 ? 3'000 : 1'500);
  MakeWorker(kLongBudget, lease);
  Connect();
  const auto set = SetOf(Limits(1'000'000, 3), config::StoreDownPolicy::kLocal);
  const ReserveReply held = Reserve(*set, 1);
  ASSERT_EQ(held.granted_by, GrantedBy::kStore);
  // Of a replica that has died: nobody renews it.
  const int64_t end_us = redis_.NowUs() + absl::ToInt64Microseconds(lease);
  redis_.Ask({"ZADD", kSlotsKey, std::to_string(end_us), "dead-1"});
  redis_.Ask({"ZADD", kSlotsKey, std::to_string(end_us), "dead-2"});
  EXPECT_EQ(Reserve(*set, 1).refusal->dimension, Dimension::kCallsAtOnce);
  ReserveReply second;
  worker_->TurnUntil([&] {
    second = Reserve(*set, 1);
    return second.state == ReserveReply::State::kGranted;
  });
  // Two of three: the first one is still there after more than its lease.
  const base::Instant before = Now();
  base::Instant last = before;
  absl::Duration longest;
  worker_->TurnUntil([&] {
    longest = std::max(longest, Now() - last);
    last = Now();
    return last - before > 1.5 * lease;
  });
  if (longest > lease / 2) GTEST_SKIP() << "this machine has stood still for " << longest;
  EXPECT_EQ(Reserve(*set, 1).first_scope[4]->remaining, 0);
  Settle(*set, held, 1, 0);
  Settle(*set, second, 1, 0);
  EXPECT_EQ(Reserve(*set, 1).first_scope[4]->remaining, 1)
      << testing::PrintToString(redis_.Ask({"ZRANGE", kSlotsKey, "0", "-1", "WITHSCORES"}))
      << testing::PrintToString(redis_.Ask({"TIME"}));
}

TEST_F(RedisOutage, ARestartedStoreLearnsTheOpenCallsAgain) {
  MakeWorker();
  Connect();
  const auto set = SetOf(Limits(1'000'000, 500), config::StoreDownPolicy::kLocal);
  constexpr int kCalls = 250;  // more than one batch
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_EQ(Reserve(*set, 1).granted_by, GrantedBy::kStore);
  }
  redis_.Kill();
  worker_->TurnUntil([&] { return !worker_->store().in_use(); });
  redis_.Start();
  Connect();
  worker_->TurnUntil([&] { return redis_.Number({"ZCARD", kSlotsKey}) == kCalls; });
}

TEST_F(RedisOutage, ChangesThatAreLostAreCounted) {
  MakeWorker();
  Connect();
  const auto set = SetOf(Limits(1'000, 5), config::StoreDownPolicy::kLocal);
  const ReserveReply held = Reserve(*set, 100);
  const ReserveReply other = Reserve(*set, 100);
  redis_.Pause();
  Settle(*set, held, 100, -50);
  redis_.Kill();
  worker_->TurnUntil([&] { return worker_->stats().lost_changes.value() == 1; });
  Settle(*set, other, 100, -50);
  EXPECT_EQ(worker_->stats().lost_changes.value(), 2);
}

TEST_F(RedisOutage, WhatIsSettledLastArrivesAlsoWhenTheWorkerEnds) {
  MakeWorker();
  Connect();
  const auto set = SetOf(Limits(1'000, 5), config::StoreDownPolicy::kLocal);
  const ReserveReply held = Reserve(*set, 100);
  ASSERT_EQ(redis_.Number({"ZCARD", kSlotsKey}), 1);
  Settle(*set, held, 100, -50);
  worker_.reset();
  EXPECT_TRUE(integration::Eventually([&] { return redis_.Number({"ZCARD", kSlotsKey}) == 0; }));
}

TEST(RedisNames, LocalhostIsFoundWithoutStoppingTheLoop) {
  RedisServer redis({.tcp = true, .arguments = {}, .password = ""});
  StoreOfOneWorker::Options options;
  options.address = "localhost" + redis.address().substr(redis.address().rfind(':'));
  StoreOfOneWorker worker(options);
  worker.TurnUntil([&] { return worker.store().in_use(); });
  EXPECT_TRUE(worker.store().in_use());
}

TEST(StoreHealthTest, OneProbeASecondAndOnlyTheProbeEndsAnOutage) {
  StoreHealth health("somewhere:1");
  const base::Instant start = base::Instant::FromNanos(5'000'000'000);
  health.NoteSuccess();
  EXPECT_FALSE(health.NoteFailure("a", start));
  EXPECT_FALSE(health.NoteFailure("b", start));
  health.NoteSuccess();  // not in a row
  EXPECT_FALSE(health.NoteFailure("c", start));
  EXPECT_FALSE(health.NoteFailure("d", start));
  EXPECT_TRUE(health.up());
  EXPECT_FALSE(health.ClaimProbe(start));
  EXPECT_TRUE(health.NoteFailure("e", start));
  EXPECT_FALSE(health.up());
  EXPECT_FALSE(health.NoteFailure("f", start));
  EXPECT_FALSE(health.NoteLoss("g", start));
  health.NoteSuccess();
  EXPECT_FALSE(health.up());
  EXPECT_FALSE(health.ClaimProbe(start + absl::Milliseconds(999)));
  EXPECT_TRUE(health.ClaimProbe(start + absl::Seconds(1)));
  EXPECT_FALSE(health.ClaimProbe(start + absl::Milliseconds(1'999)));
  EXPECT_TRUE(health.ClaimProbe(start + absl::Seconds(2)));
  EXPECT_TRUE(health.NoteRecovery(start + absl::Seconds(2)));
  EXPECT_FALSE(health.NoteRecovery(start + absl::Seconds(2)));
  EXPECT_TRUE(health.up());
}

}  // namespace
}  // namespace pingti::quota
