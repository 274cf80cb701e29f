#include "server/exchange/quota_wait.h"

#include "gtest/gtest.h"
#include "server/quota/bucket_set.h"

namespace pingti::exchange {
namespace {

const base::Instant kNow = base::Instant() + absl::Hours(1);

TEST(WaitUntilTest, IsBoundedByTheCallerTheOperatorAndTheDeadline) {
  const base::Instant deadline = kNow + absl::Seconds(30);
  EXPECT_EQ(WaitUntil(kNow, deadline, absl::ZeroDuration(), absl::Minutes(1)), kNow);
  EXPECT_EQ(WaitUntil(kNow, deadline, absl::Seconds(5), absl::Minutes(1)), kNow + absl::Seconds(5));
  EXPECT_EQ(WaitUntil(kNow, deadline, absl::Hours(1), absl::Seconds(20)), kNow + absl::Seconds(20));
  EXPECT_EQ(WaitUntil(kNow, deadline, absl::Hours(1), absl::Minutes(1)), deadline);
}

class BehindOthersTest : public ::testing::Test {
 protected:
  static config::ClassLimits Limits() {
    config::ClassLimits limits;
    limits.requests_per_minute = 60;
    limits.tokens_per_minute = 6'000;
    limits.calls_at_once = 10;
    return limits;
  }
  quota::Refusal Behind(int64_t tokens, int64_t requests_ahead, int64_t tokens_ahead) {
    quota::Demand demand;
    demand.scopes[demand.scope_count++] = &set_;
    demand.tokens = tokens;
    return RefusalBehindOthers(demand, set_.ReadAll(kNow), requests_ahead, tokens_ahead);
  }
  quota::BucketSet set_{"tenant:acme/class:m", Limits()};
};

TEST_F(BehindOthersTest, WaitsForItsOwnTokensAndThoseBefore) {
  uint8_t shadow = 0;
  ASSERT_FALSE(set_.Take(5'900, kNow, &shadow));  // 100 are left
  const quota::Refusal refusal = Behind(300, 2, 1'000);
  // (300 + 1,000 - 100) / 6,000 of a minute.
  EXPECT_EQ(refusal.dimension, quota::Dimension::kTokensPerMinute);
  EXPECT_EQ(refusal.wait, absl::Seconds(12));
  EXPECT_EQ(refusal.requested, 300);
  EXPECT_EQ(refusal.state.remaining, 100);
  EXPECT_EQ(refusal.scope, &set_);
}

TEST_F(BehindOthersTest, TheLimitThatTakesLongestCounts) {
  const quota::Refusal refusal = Behind(10, 120, 100);
  EXPECT_EQ(refusal.dimension, quota::Dimension::kRequestsPerMinute);
  // (1 + 120 - 60) / 60 of a minute.
  EXPECT_EQ(refusal.wait, absl::Seconds(61));
}

TEST_F(BehindOthersTest, NoWaitWhereThereIsRoomForAll) {
  EXPECT_EQ(Behind(10, 2, 100).wait, absl::ZeroDuration());
}

}  // namespace
}  // namespace pingti::exchange
