// What a RedisStore does while Redis is away, slow or odd, and how it comes back.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/quota/redis_store.h"
#include "tests/contract/redis_harness.h"

namespace pingti::quota {
namespace {

using integration::Scaled;
using testing_redis::RedisServer;

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
  // `timeout`: the budget of an operation.
  void MakeWorker(absl::Duration timeout = absl::Milliseconds(20),
                  absl::Duration lease = kSlotLease) {
    StoreOfOneWorker::Options options;
    options.address = redis_.address();
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
  MakeWorker();
  Connect();
  const auto set = LocalSet(400'000);
  ASSERT_EQ(Reserve(*set, 1).granted_by, GrantedBy::kStore);
  redis_.Pause();
  for (int i = 0; i < kStoreFailuresMax; ++i) {
    const base::Instant before = Now();
    const ReserveReply reply = Reserve(*set, 1'000);
    EXPECT_EQ(reply.granted_by, GrantedBy::kLocalShare);
    EXPECT_GE(Now() - before, absl::Milliseconds(19)) << "the budget is used";
    EXPECT_LE(Now() - before, absl::Milliseconds(Scaled(integration::Millis(25)).count()));
  }
  EXPECT_FALSE(worker_->health().up());
  EXPECT_EQ(Failures(telemetry::StoreFailure::kTimeout), 3);
  // Nobody waits: answered before Reserve() returns.
  for (int i = 0; i < 1'000; ++i) {
    ReserveReply reply;
    base::Signal signal;
    worker_->store().Reserve(DemandOf(10, *set), Now(), &reply, &signal);
    ASSERT_EQ(reply.state, ReserveReply::State::kGranted);
    ASSERT_EQ(reply.granted_by, GrantedBy::kLocalShare);
  }
  redis_.Resume();
  WaitUntilItDecides(*set);
  // The three that came too late gave all back.
  worker_->TurnUntil([&] {
    const ReserveReply reply = Reserve(*set, 0);
    return reply.first_scope[3] && reply.first_scope[3]->remaining >= 400'000 - 1;
  });
  EXPECT_EQ(worker_->stats().went_down.value(), 1);
  EXPECT_EQ(worker_->stats().came_back.value(), 1);
  EXPECT_EQ(worker_->stats().down.value(), 0);
}

TEST_F(RedisOutage, ALateGrantGivesItsSlotBack) {
  MakeWorker();
  Connect();
  const auto set = SetOf(Limits(1'000, 100), config::StoreDownPolicy::kAllow);
  redis_.Pause();
  EXPECT_EQ(Reserve(*set, 100).granted_by, GrantedBy::kNobody);
  redis_.Resume();
  worker_->TurnUntil([&] { return worker_->stats().operations.value() >= 2; });
  WaitUntilItDecides(*set);
  // What is open now are the zero-token calls of this test itself.
  ReadReply read;
  base::Signal signal;
  BucketSet* const sets[] = {set.get()};
  worker_->store().Read(sets, Now(), &read, &signal);
  worker_->TurnUntil([&] { return read.ready; });
  EXPECT_EQ(read.states[0][3]->remaining, 1'000);
  EXPECT_EQ(100 - read.states[0][4]->remaining, redis_.Number({"ZCARD", kSlotsKey}));
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
  MakeWorker(absl::Seconds(1));
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
  EXPECT_LT(Now() - before, absl::Milliseconds(900)) << "it need not wait for its budget";
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
  MakeWorker(absl::Seconds(1));
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
  MakeWorker(absl::Seconds(1));
  Connect();
  const auto set = LocalSet(400);
  redis_.Ask({"SET", kLevelKey, "somebody else's"});
  EXPECT_EQ(Reserve(*set, 1).granted_by, GrantedBy::kLocalShare);
  redis_.Ask({"DEL", kLevelKey});
  redis_.Ask({"HSET", kLevelKey, "3", "nonsense"});
  EXPECT_EQ(Reserve(*set, 1).granted_by, GrantedBy::kStore);
}

TEST_F(RedisOutage, LeasesAreRenewedAndThoseOfTheDeadRunOut) {
  MakeWorker(absl::Seconds(1), absl::Milliseconds(600));
  Connect();
  const auto set = SetOf(Limits(1'000'000, 3), config::StoreDownPolicy::kLocal);
  const ReserveReply held = Reserve(*set, 1);
  ASSERT_EQ(held.granted_by, GrantedBy::kStore);
  // Of a replica that has died: nobody renews it.
  const std::vector<std::string> time = redis_.Ask({"TIME"});
  const int64_t end_us = std::stoll(time[0]) * 1'000'000 + std::stoll(time[1]) + 600'000;
  redis_.Ask({"ZADD", kSlotsKey, std::to_string(end_us), "dead-1"});
  redis_.Ask({"ZADD", kSlotsKey, std::to_string(end_us), "dead-2"});
  EXPECT_EQ(Reserve(*set, 1).refusal->dimension, Dimension::kCallsAtOnce);
  ReserveReply second;
  worker_->TurnUntil([&] {
    second = Reserve(*set, 1);
    return second.state == ReserveReply::State::kGranted;
  });
  // Two of three: the first one is still there after several times its lease.
  const base::Instant before = Now();
  worker_->TurnUntil([&] { return Now() - before > absl::Milliseconds(1'500); });
  EXPECT_EQ(Reserve(*set, 1).first_scope[4]->remaining, 0);
  Settle(*set, held, 1, 0);
  Settle(*set, second, 1, 0);
  EXPECT_EQ(Reserve(*set, 1).first_scope[4]->remaining, 1)
      << testing::PrintToString(redis_.Ask({"ZRANGE", kSlotsKey, "0", "-1", "WITHSCORES"}))
      << testing::PrintToString(redis_.Ask({"TIME"}));
}

TEST_F(RedisOutage, ARestartedStoreLearnsTheOpenCallsAgain) {
  MakeWorker(absl::Seconds(1));
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
  MakeWorker(absl::Seconds(1));
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
  MakeWorker(absl::Seconds(1));
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
