// What a call costs Redis: one round trip for its reservation, and one for its settlement, for
// which nobody waits.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/quota/redis_store.h"
#include "tests/contract/contract_fixture.h"
#include "tests/contract/redis_harness.h"

namespace pingti::quota {
namespace {

using testing_redis::RedisServer;

constexpr int kCalls = 50;

base::Instant Now() { return base::SystemClock().MonotonicNow(); }

config::ClassLimits AllLimits() {
  config::ClassLimits limits = PerMinute(1'000, 1'000'000);
  limits.requests_per_day = 10'000;
  limits.tokens_per_day = 10'000'000;
  limits.calls_at_once = 1'000;
  return limits;
}

class RedisRoundTrips : public ::testing::Test {
 protected:
  RedisRoundTrips() {
    StoreOfOneWorker::Options options;
    options.address = redis_.address();
    options.timeout = absl::Seconds(20);   // nothing is late, ...
    options.store.lease = absl::Hours(1);  // and nothing is renewed
    worker_ = std::make_unique<StoreOfOneWorker>(options);
    worker_->TurnUntil([&] { return worker_->store().in_use(); });
    redis_.Ask({"CONFIG", "RESETSTAT"});
  }

  // Calls of a command since the constructor, also by scripts.
  int64_t Calls(const std::string& command) {
    const std::string info = redis_.Ask({"INFO", "commandstats"}).at(0);
    const std::string mark = "cmdstat_" + command + ":calls=";
    const size_t at = info.find(mark);
    return at == info.npos ? 0 : std::stoll(info.substr(at + mark.size()));
  }

  Demand Both(int64_t tokens) { return DemandOf(tokens, *tenant_, key_.get()); }

  void Settle(const ReserveReply& reply) {
    Change change;
    change.id = reply.id;
    change.demand = Both(100);
    change.granted_by = reply.granted_by;
    change.tokens = -40;
    change.free_slot = true;
    worker_->store().Apply(change, Now());
  }

  RedisServer redis_;
  std::unique_ptr<StoreOfOneWorker> worker_;
  const std::unique_ptr<BucketSet> tenant_ = MakeSet("class:a", AllLimits());
  const std::unique_ptr<BucketSet> key_ = MakeSet("key:ab12", AllLimits());
};

TEST_F(RedisRoundTrips, OneForAReservationAndOneForItsSettlement) {
  int64_t expected = 0;
  for (int i = 0; i < kCalls; ++i) {
    ReserveReply reply;
    base::Signal signal;
    worker_->store().Reserve(Both(100), Now(), &reply, &signal);
    worker_->TurnUntil([&] { return reply.state != ReserveReply::State::kPending; });
    ASSERT_EQ(reply.state, ReserveReply::State::kGranted);
    ASSERT_EQ(reply.granted_by, GrantedBy::kStore);
    ASSERT_EQ(Calls("evalsha"), ++expected);
    Settle(reply);
    worker_->TurnUntil([&] { return Calls("evalsha") > expected; });
    ASSERT_EQ(Calls("evalsha"), ++expected);
  }
  EXPECT_EQ(Calls("eval"), 0) << "scripts go by their digest";
  EXPECT_EQ(Calls("multi"), 0);
  EXPECT_EQ(Calls("script|load"), 0);
}

TEST_F(RedisRoundTrips, ManyAtOnceShareTheWayAndNoneAsksTwice) {
  std::vector<ReserveReply> replies(kCalls);
  std::vector<base::Signal> signals(kCalls);
  redis_.Pause();  // all of them are on their way before the first answer
  for (int i = 0; i < kCalls; ++i) {
    worker_->store().Reserve(Both(100), Now(), &replies[i], &signals[i]);
  }
  redis_.Resume();
  worker_->TurnUntil([&] { return replies.back().state == ReserveReply::State::kGranted; });
  EXPECT_EQ(Calls("evalsha"), kCalls);
}

TEST_F(RedisRoundTrips, ASettlementIsNotWaitedFor) {
  ReserveReply reply;
  base::Signal signal;
  worker_->store().Reserve(Both(100), Now(), &reply, &signal);
  worker_->TurnUntil([&] { return reply.state == ReserveReply::State::kGranted; });
  redis_.Pause();
  Settle(reply);  // returns, although Redis does not
  redis_.Resume();
  worker_->TurnUntil([&] { return Calls("evalsha") == 2; });
  const std::string slots = "test:q1:{tenant:acme}:tenant:acme/class:a:calls";
  EXPECT_EQ(redis_.Number({"ZCARD", slots}), 0);
}

}  // namespace
}  // namespace pingti::quota
