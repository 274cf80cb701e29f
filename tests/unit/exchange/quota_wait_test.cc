#include "server/exchange/quota_wait.h"

#include <optional>

#include "gtest/gtest.h"
#include "server/quota/bucket_set.h"
#include "tests/fakes/fake_clock.h"

namespace pingti::exchange {
namespace {

using fakes::kNow;

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
  static config::ClassLimits KeyLimits() {
    config::ClassLimits limits;
    limits.requests_per_minute = 6;
    limits.tokens_per_minute = config::Limit(100, 0, /*shadow=*/true);
    limits.tokens_per_day = config::Limit(0, 0, /*shadow=*/true);
    return limits;
  }
  // Of a call of the tenant with `tokens`, or of its key with limits of its own.
  std::optional<quota::Refusal> Behind(int64_t tokens, int requests_ahead, int64_t tokens_ahead,
                                       bool with_key = false) {
    quota::Demand demand;
    demand.scopes[demand.scope_count++] = &set_;
    if (with_key) demand.scopes[demand.scope_count++] = &key_;
    demand.tokens = tokens;
    AheadByScope ahead;
    ahead[with_key ? 1 : 0] = {.calls = requests_ahead, .tokens = tokens_ahead};
    return RefusalBehindOthers(demand, {set_.ReadAll(kNow), key_.ReadAll(kNow)}, ahead);
  }
  quota::BucketSet set_{"tenant:acme/class:m", Limits()};
  quota::BucketSet key_{"tenant:acme/key:k", KeyLimits()};
};

TEST_F(BehindOthersTest, WaitsForItsOwnTokensAndThoseBefore) {
  uint8_t shadow = 0;
  ASSERT_FALSE(set_.Take(5'900, kNow, &shadow));  // 100 are left
  const auto refusal = Behind(300, 2, 1'000);
  ASSERT_TRUE(refusal);
  // (300 + 1,000 - 100) / 6,000 of a minute.
  EXPECT_EQ(refusal->dimension, quota::Dimension::kTokensPerMinute);
  EXPECT_EQ(refusal->wait, absl::Seconds(12));
  EXPECT_EQ(refusal->requested, 300);
  EXPECT_EQ(refusal->state.remaining, 100);
  EXPECT_EQ(refusal->scope, &set_);
}

TEST_F(BehindOthersTest, TheLimitThatTakesLongestCounts) {
  const auto refusal = Behind(10, 120, 100);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->dimension, quota::Dimension::kRequestsPerMinute);
  // (1 + 120 - 60) / 60 of a minute.
  EXPECT_EQ(refusal->wait, absl::Seconds(61));
}

TEST_F(BehindOthersTest, NoRefusalWhereThereIsRoomForAll) { EXPECT_FALSE(Behind(10, 2, 100)); }

TEST_F(BehindOthersTest, ACallLargerThanTheWholeBucketNeverFits) {
  const auto refusal = Behind(6'001, 1, 1);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->wait, absl::InfiniteDuration());
}

TEST_F(BehindOthersTest, TheLimitsOfTheKeyCountToo) {
  const auto refusal = Behind(10, 7, 10, /*with_key=*/true);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->scope, &key_);
  // (1 + 7 - 6) / 6 of a minute.
  EXPECT_EQ(refusal->wait, absl::Seconds(20));
}

TEST_F(BehindOthersTest, LimitsInShadowModeStopNobody) {
  EXPECT_FALSE(Behind(5'000, 0, 500, /*with_key=*/true));
}

}  // namespace
}  // namespace pingti::exchange
