// How a store counts time: refill, steps of the clock, waits to the microsecond.
// A part of quota_store_contract.h.
#pragma once

#include <string>

#include "gtest/gtest.h"
#include "tests/contract/contract_fixture.h"

namespace pingti::quota {

TEST_P(QuotaStoreContract, RefillsWithTheClock) {
  const auto set = MakeSet("a", PerMinute({}, 60));
  ASSERT_TRUE(Admits(*set, 60));
  Advance(absl::Seconds(1) - kMicrosecond);
  EXPECT_EQ(Tokens(*set), 0);
  Advance(kMicrosecond);
  EXPECT_EQ(Tokens(*set), 1);
  Advance(absl::Seconds(29));
  EXPECT_EQ(Tokens(*set), 30);
  Advance(absl::Hours(1));
  EXPECT_EQ(Tokens(*set), 60);
}

TEST_P(QuotaStoreContract, AClockThatStepsBackMintsNothing) {
  const auto set = MakeSet("a", PerMinute({}, 60));
  ASSERT_TRUE(Admits(*set, 60));
  Advance(absl::Seconds(-30));
  EXPECT_FALSE(Admits(*set, 1));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(31));
  for (int i = 0; i < 5; ++i) {
    Advance(absl::Seconds(30));
    EXPECT_FALSE(Admits(*set, 1));
    Advance(absl::Seconds(-30));
    EXPECT_FALSE(Admits(*set, 1));
  }
  Advance(absl::Seconds(31) - kMicrosecond);
  EXPECT_FALSE(Admits(*set, 1));
  Advance(kMicrosecond);
  EXPECT_TRUE(Admits(*set, 1));
}

TEST_P(QuotaStoreContract, TheWaitIsExactToTheMicrosecond) {
  struct Case {
    Dimension dimension;
    int64_t limit;
    int64_t amount;
  };
  // Some divide the window and some do not; some are counted in coarse ticks.
  const Case cases[] = {
      {Dimension::kTokensPerMinute, 60, 5},
      {Dimension::kTokensPerMinute, 7, 1},
      {Dimension::kTokensPerMinute, 150'000, 2'000},
      {Dimension::kTokensPerMinute, 29'999'999, 123},
      {Dimension::kTokensPerMinute, kBucketLimitMax, 1'000'000},
      {Dimension::kTokensPerDay, 1, 1},
      {Dimension::kTokensPerDay, 200'000, 3'333},
      {Dimension::kTokensPerDay, 999'999'937, 77'777},
      {Dimension::kTokensPerDay, kBucketLimitMax, 1},
      {Dimension::kRequestsPerMinute, 500, 1},
      {Dimension::kRequestsPerDay, 10'000, 1},
      {Dimension::kRequestsPerDay, 1'000'000, 1},
  };
  for (const Case& c : cases) {
    config::ClassLimits limits;
    (c.dimension == Dimension::kTokensPerMinute     ? limits.tokens_per_minute
     : c.dimension == Dimension::kTokensPerDay      ? limits.tokens_per_day
     : c.dimension == Dimension::kRequestsPerMinute ? limits.requests_per_minute
                                                    : limits.requests_per_day) = c.limit;
    const std::string name(DimensionName(c.dimension));
    SCOPED_TRACE(name + " " + std::to_string(c.limit));
    const auto set = MakeSet(name + std::to_string(c.limit), limits);
    Advance(absl::Microseconds(777'777));
    // Empty, whatever is counted.
    Correct(*set, c.dimension, 0);
    EXPECT_EQ(Left(*set, c.dimension), 0);
    Advance(absl::Microseconds(1'234'567));
    if (Admits(*set, c.amount)) Correct(*set, c.dimension, 0);
    Advance(absl::Microseconds(3));
    const Refusal refusal = Refuse(*set, c.amount);
    EXPECT_EQ(refusal.dimension, c.dimension);
    ASSERT_GT(refusal.wait, absl::ZeroDuration());
    ASSERT_LT(refusal.wait, absl::Hours(25));
    Advance(refusal.wait - kMicrosecond);
    EXPECT_EQ(Refuse(*set, c.amount).wait, kMicrosecond);
    Advance(kMicrosecond);
    EXPECT_TRUE(Admits(*set, c.amount));
  }
}

TEST_P(QuotaStoreContract, FullInIsExactToTheMicrosecond) {
  const auto set = MakeSet("a", PerMinute({}, 7));
  ASSERT_TRUE(Admits(*set, 3));
  const absl::Duration full_in = harness_->Read(*set).states[0][1]->full_in;
  EXPECT_EQ(full_in, absl::Microseconds(25'714'286));  // 3/7 of a minute
  Advance(full_in - kMicrosecond);
  EXPECT_EQ(Tokens(*set), 6);
  Advance(kMicrosecond);
  EXPECT_EQ(Tokens(*set), 7);
}

TEST_P(QuotaStoreContract, DayAndMinuteCountTogether) {
  config::ClassLimits limits = PerMinute(100, 1'000);
  limits.tokens_per_day = 1'440;  // one a minute
  limits.requests_per_day = 100;
  const auto set = MakeSet("a", limits);
  ASSERT_TRUE(Admits(*set, 1'000));
  EXPECT_EQ(Refuse(*set, 440).dimension, Dimension::kTokensPerMinute);
  Advance(absl::Minutes(1));
  EXPECT_EQ(Tokens(*set), 1'000);
  EXPECT_EQ(Left(*set, Dimension::kTokensPerDay), 441);
  ASSERT_TRUE(Admits(*set, 441));
  const Refusal refusal = Refuse(*set, 10);
  EXPECT_EQ(refusal.dimension, Dimension::kTokensPerDay);
  EXPECT_EQ(refusal.wait, absl::Minutes(10));
  EXPECT_EQ(Left(*set, Dimension::kRequestsPerDay), 98);
}

}  // namespace pingti::quota
