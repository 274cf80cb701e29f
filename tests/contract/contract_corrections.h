// What a store does when others say how full its buckets are: providers, and a new configuration.
// A part of quota_store_contract.h.
#pragma once

#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/contract/contract_fixture.h"

namespace pingti::quota {

TEST_P(QuotaStoreContract, CorrectingLowersAndNeverRaises) {
  const auto set = MakeSet("a", PerMinute(10, 60));
  Correct(*set, Dimension::kTokensPerMinute, 20);
  EXPECT_EQ(Tokens(*set), 20);
  EXPECT_EQ(Requests(*set), 10);
  Correct(*set, Dimension::kTokensPerMinute, 50);
  Correct(*set, Dimension::kTokensPerMinute, 5'000);
  EXPECT_EQ(Tokens(*set), 20);
  Correct(*set, Dimension::kTokensPerMinute, -5);
  EXPECT_EQ(Tokens(*set), 0);
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(1));
  Correct(*set, Dimension::kCallsAtOnce, 0);
  Correct(*set, Dimension::kTokensPerDay, 0);
  Advance(absl::Seconds(1));
  EXPECT_TRUE(Admits(*set, 1));
}

TEST_P(QuotaStoreContract, ACorrectionHoldsBackToTheMicrosecond) {
  const auto set = MakeSet("a", PerMinute(5'000, 1'000));
  Correct(*set, Dimension::kRequestsPerMinute, 1, absl::Seconds(20));
  EXPECT_EQ(Requests(*set), 1 - 1'666 - 1);  // 20 s refill 1,666.7
  EXPECT_EQ(Tokens(*set), 1'000);
  const Refusal refusal = Refuse(*set, 1);
  EXPECT_EQ(refusal.dimension, Dimension::kRequestsPerMinute);
  EXPECT_EQ(refusal.wait, absl::Seconds(20));
  Advance(absl::Seconds(20) - kMicrosecond);
  EXPECT_EQ(Refuse(*set, 1).wait, kMicrosecond);
  Advance(kMicrosecond);
  EXPECT_TRUE(Admits(*set, 1));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Milliseconds(12));
}

TEST_P(QuotaStoreContract, HoldingBackIsExactForEveryKindOfLimit) {
  struct Case {
    Dimension dimension;
    config::Limit limit;
    absl::Duration tick;
  };
  const Case cases[] = {
      {Dimension::kRequestsPerMinute, config::Limit(1), kMicrosecond},
      {Dimension::kRequestsPerMinute, config::Limit(500), kMicrosecond},
      {Dimension::kTokensPerMinute, config::Limit(29'999, 77), kMicrosecond},
      {Dimension::kTokensPerMinute, config::Limit(29'999'999), absl::Microseconds(10)},
      {Dimension::kTokensPerMinute, config::Limit(kBucketLimitMax), absl::Milliseconds(1)},
      {Dimension::kRequestsPerDay, config::Limit(200), kMicrosecond},
      {Dimension::kTokensPerDay, config::Limit(kBucketLimitMax, 5), absl::Seconds(1)},
  };
  for (const Case& c : cases) {
    config::ClassLimits limits;
    (c.dimension == Dimension::kTokensPerMinute     ? limits.tokens_per_minute
     : c.dimension == Dimension::kTokensPerDay      ? limits.tokens_per_day
     : c.dimension == Dimension::kRequestsPerMinute ? limits.requests_per_minute
                                                    : limits.requests_per_day) = c.limit;
    const std::string name(DimensionName(c.dimension));
    SCOPED_TRACE(name + " " + std::to_string(c.limit.limit));
    const auto set = MakeSet(name + std::to_string(c.limit.limit), limits);
    Advance(absl::Microseconds(777'777));
    const absl::Duration hold = absl::Microseconds(2'345'678);
    Correct(*set, c.dimension, 1, hold);
    // The first tick at that time or after it.
    const absl::Duration wait = Refuse(*set, 1).wait;
    EXPECT_GE(wait, hold);
    EXPECT_LT(wait, hold + c.tick);
    Advance(wait - kMicrosecond);
    EXPECT_EQ(Refuse(*set, 1).wait, kMicrosecond);
    Advance(kMicrosecond);
    EXPECT_TRUE(Admits(*set, 1));
  }
}

TEST_P(QuotaStoreContract, HoldingBackNeverRaises) {
  const auto set = MakeSet("a", PerMinute({}, 60));
  Correct(*set, Dimension::kTokensPerMinute, 60, absl::Seconds(30));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(30));
  Correct(*set, Dimension::kTokensPerMinute, 60, absl::Seconds(10));
  Correct(*set, Dimension::kTokensPerMinute, 60);
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(30));
  Correct(*set, Dimension::kTokensPerMinute, 0, absl::Seconds(40));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(40));
  // What is less than nothing left takes longer.
  Correct(*set, Dimension::kTokensPerMinute, 0, -absl::Seconds(5));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(40));
  Correct(*set, Dimension::kCallsAtOnce, 0, absl::Seconds(90));
  Correct(*set, Dimension::kTokensPerDay, 0, absl::Seconds(90));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(40));
}

TEST_P(QuotaStoreContract, AShortHoldIsNoShorterThanTheRefill) {
  const auto set = MakeSet("a", PerMinute({}, 60));
  Correct(*set, Dimension::kTokensPerMinute, 0, absl::Milliseconds(1));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(1));
}

TEST_P(QuotaStoreContract, HoldingBackIsBounded) {
  const auto small = MakeSet("small", PerMinute(500, {}));
  Correct(*small, Dimension::kRequestsPerMinute, 1, absl::Hours(24));
  EXPECT_EQ(Refuse(*small, 1).wait, kNotBeforeMax);
  Correct(*small, Dimension::kRequestsPerMinute, 1, absl::InfiniteDuration());
  EXPECT_EQ(Refuse(*small, 1).wait, kNotBeforeMax);
  // Where debt cannot say an hour.
  const auto large = MakeSet("large", PerMinute({}, kBucketLimitMax));
  Correct(*large, Dimension::kTokensPerMinute, 1, absl::InfiniteDuration());
  const absl::Duration wait = Refuse(*large, 1).wait;
  EXPECT_GE(wait, absl::Minutes(3));
  EXPECT_LE(wait, kNotBeforeMax);
  Advance(wait);
  EXPECT_TRUE(Admits(*large, 1));
}

TEST_P(QuotaStoreContract, HoldingBackStandsAClockThatStepsBack) {
  const auto set = MakeSet("a", PerMinute({}, 60));
  ASSERT_TRUE(Admits(*set, 1));
  Advance(-absl::Seconds(10));
  Correct(*set, Dimension::kTokensPerMinute, 60, absl::Seconds(30));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(30));
  const auto other = MakeSet("b", PerMinute({}, 60));
  ASSERT_TRUE(Admits(*other, 1));
  Advance(-absl::Seconds(10));
  Correct(*other, Dimension::kTokensPerMinute, 60, absl::Seconds(3));
  // Nothing refills before the time at which it was used last.
  EXPECT_EQ(Refuse(*other, 1).wait, absl::Seconds(10) + kMicrosecond);
}

TEST_P(QuotaStoreContract, AChangedLimitKeepsWhatIsUsedUp) {
  struct Case {
    config::Limit before;
    config::Limit after;
  };
  // The tick of a minute is 1 us, 10 us, and 1 ms.
  const Case cases[] = {{6'000, 12'000},       {6'000, 3'000},           {6'000, 20'000'000},
                        {20'000'000, 6'000},   {6'000, kBucketLimitMax}, {kBucketLimitMax, 6'000},
                        {6'000, {12'000, 50}}, {20'000'000, 30'000'000}};
  for (size_t i = 0; i < std::size(cases); ++i) {
    const Case& c = cases[i];
    SCOPED_TRACE(i);
    auto set = MakeSet("class:" + std::to_string(i), PerMinute({}, c.before));
    ASSERT_TRUE(Admits(*set, 4'000));
    const ReserveReply held = Reserve(*set, 1'000);
    ASSERT_TRUE(Granted(held));
    set = Reload(std::move(set), PerMinute({}, c.after));
    EXPECT_EQ(Tokens(*set), c.after.capacity() - 5'000);
    // A call of before ends in the new bucket.
    Change end;
    end.id = held.id;
    end.demand = DemandOf(1'000, *set);
    end.tokens = -900;
    harness_->store().Apply(end, harness_->Now());
    EXPECT_EQ(Tokens(*set), c.after.capacity() - 4'100);
  }
}

TEST_P(QuotaStoreContract, AnotherTickOfALimitIsConvertedExactly) {
  // 50 us after the last of 1,199,997 a minute 150 of the 60,000,000 parts of a token are missing,
  // which are 15 of the 6,000,000 parts in which 30,000,003 a minute are counted.
  auto set = MakeSet("a", PerMinute({}, 1'199'997));
  ASSERT_TRUE(Admits(*set, 1));
  Advance(absl::Microseconds(50));
  ASSERT_TRUE(Admits(*set, 0));
  set = Reload(std::move(set), PerMinute({}, 30'000'003));
  // With 25 tokens more those are exactly what five ticks of 10 us give back.
  ASSERT_TRUE(Admits(*set, 25));
  EXPECT_EQ(harness_->Read(*set).states[0][1]->full_in, absl::Microseconds(50));
  // And back: what is used is the same, to the part.
  set = Reload(std::move(set), PerMinute({}, 1'199'997));
  const absl::Duration full_in = harness_->Read(*set).states[0][1]->full_in;
  EXPECT_EQ(full_in, absl::Microseconds(1'251));  // 1,500,000,150 / 1,199,997, rounded up
}

}  // namespace pingti::quota
