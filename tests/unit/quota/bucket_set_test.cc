#include "server/quota/bucket_set.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace pingti::quota {
namespace {

using fakes::kNow;

config::ClassLimits Limits(std::optional<config::Limit> requests,
                           std::optional<config::Limit> tokens) {
  config::ClassLimits limits;
  limits.requests_per_minute = requests;
  limits.tokens_per_minute = tokens;
  return limits;
}

int64_t Left(const BucketSet& set, Dimension dimension) {
  return set.Read(dimension, kNow)->remaining;
}

bool Take(BucketSet& set, int64_t tokens) {
  uint8_t shadow = 0;
  return !set.Take(tokens, kNow, &shadow);
}

TEST(BucketSetTest, TakesOneRequestAndTheTokens) {
  BucketSet set("s", Limits(3, 1'000));
  EXPECT_TRUE(Take(set, 400));
  EXPECT_EQ(Left(set, Dimension::kRequestsPerMinute), 2);
  EXPECT_EQ(Left(set, Dimension::kTokensPerMinute), 600);
}

TEST(BucketSetTest, ARefusalSaysWhatIsMissing) {
  BucketSet set("s", Limits(3, 1'000));
  ASSERT_TRUE(Take(set, 900));
  uint8_t shadow = 0;
  const std::optional<Shortage> shortage = set.Take(200, kNow, &shadow);
  ASSERT_TRUE(shortage);
  EXPECT_EQ(shortage->dimension, Dimension::kTokensPerMinute);
  EXPECT_EQ(shortage->requested, 200);
  EXPECT_EQ(shortage->state.remaining, 100);
  EXPECT_EQ(shortage->wait, absl::Seconds(6));
  EXPECT_EQ(Left(set, Dimension::kRequestsPerMinute), 2);
}

TEST(BucketSetTest, TestTakesNothing) {
  BucketSet set("s", Limits(3, 1'000));
  EXPECT_FALSE(set.Test(1'000, kNow));
  EXPECT_FALSE(set.Test(1'000, kNow));
  EXPECT_EQ(set.Test(1'001, kNow)->wait, absl::InfiniteDuration());
  EXPECT_EQ(Left(set, Dimension::kTokensPerMinute), 1'000);
}

TEST(BucketSetTest, AFullSlotIsNamedWhereItsWaitIsTheLongest) {
  config::ClassLimits limits = Limits(100, 60);
  limits.calls_at_once = 1;
  BucketSet set("s", limits);
  ASSERT_TRUE(Take(set, 60));
  EXPECT_EQ(set.Test(0, kNow)->dimension, Dimension::kCallsAtOnce);
  EXPECT_EQ(set.Test(0, kNow)->wait, kSlotWait);
  EXPECT_EQ(set.Test(1, kNow)->dimension, Dimension::kTokensPerMinute);  // 1 s, and named first
  EXPECT_EQ(set.Test(2, kNow)->wait, absl::Seconds(2));
  set.FreeSlot();
  EXPECT_FALSE(set.Test(0, kNow));
}

TEST(BucketSetTest, ASlotThatIsFreedTwiceAdmitsNobodyMore) {
  config::ClassLimits limits;
  limits.calls_at_once = 1;
  BucketSet set("s", limits);
  ASSERT_TRUE(Take(set, 0));
  set.FreeSlot();
  set.FreeSlot();
  EXPECT_EQ(Left(set, Dimension::kCallsAtOnce), 1);
  EXPECT_TRUE(Take(set, 0));
  EXPECT_FALSE(Take(set, 0));
}

TEST(BucketSetTest, LimitsThatAreAbsentAreNotEnforced) {
  BucketSet set("s", config::ClassLimits());
  EXPECT_TRUE(Take(set, INT64_MAX));
  set.FreeSlot();
  set.GiveRequestBack(kNow);
  EXPECT_EQ(set.AdjustTokens(5, kNow), 0);
  for (const auto& state : set.ReadAll(kNow)) EXPECT_FALSE(state);
  EXPECT_FALSE(set.closed());
}

TEST(BucketSetTest, ALimitOfZeroOrASuspensionClosesIt) {
  EXPECT_TRUE(BucketSet("s", Limits(0, 10)).closed());
  EXPECT_TRUE(BucketSet("s", Limits(10, 0)).closed());
  BucketSet shadow("s", Limits(10, config::Limit(0, 0, true)));
  EXPECT_FALSE(shadow.closed());
  uint8_t bits = 0;
  EXPECT_FALSE(shadow.Take(1, kNow, &bits));
  EXPECT_EQ(bits, ShadowBit(Dimension::kTokensPerMinute));
  BucketSet::Options options;
  options.suspended = true;
  BucketSet suspended("s", Limits(10, 10), options);
  EXPECT_TRUE(suspended.closed());
  EXPECT_FALSE(Take(suspended, 0));
}

TEST(BucketSetTest, AdjustingSaysHowTheDebtOfTheMinuteHasChanged) {
  config::ClassLimits limits = Limits({}, 100);
  limits.tokens_per_day = 1'000;
  BucketSet set("s", limits);
  EXPECT_EQ(set.AdjustTokens(80, kNow), 0);
  EXPECT_EQ(set.AdjustTokens(50, kNow), 30);
  EXPECT_EQ(set.AdjustTokens(-10, kNow), -10);
  EXPECT_EQ(Left(set, Dimension::kTokensPerDay), 880);
}

TEST(BucketSetTest, RequestsPerMinuteHoldCallsBackWhereTheyAreLimited) {
  config::ClassLimits limits;
  limits.calls_at_once = 5;
  EXPECT_FALSE(BucketSet("s", limits).HoldingDimension());
  limits.tokens_per_day = 1'000;
  EXPECT_EQ(BucketSet("s", limits).HoldingDimension(), Dimension::kTokensPerDay);
  limits.tokens_per_minute = 100;
  EXPECT_EQ(BucketSet("s", limits).HoldingDimension(), Dimension::kTokensPerMinute);
  limits.requests_per_minute = 3;
  EXPECT_EQ(BucketSet("s", limits).HoldingDimension(), Dimension::kRequestsPerMinute);
}

TEST(BucketSetTest, WhatNeverRefusesHoldsNothingBack) {
  const BucketSet set("s", Limits(config::Limit(3, 0, true), 100));
  EXPECT_EQ(set.HoldingDimension(), Dimension::kTokensPerMinute);
  const BucketSet zero("s", Limits(config::Limit(0, 0, true), config::Limit(100, 0, true)));
  EXPECT_FALSE(zero.HoldingDimension());
}

TEST(BucketSetTest, ABurstOfTheLocalShareIsAtLeastOne) {
  BucketSet::Options options;
  options.replicas = 4;
  const BucketSet set("s", Limits(config::Limit(100, 2), config::Limit(3, 2)), options);
  const BucketSet& share = *set.local_share();
  EXPECT_EQ(share.limit(Dimension::kRequestsPerMinute)->limit, 25);
  EXPECT_EQ(share.limit(Dimension::kRequestsPerMinute)->burst, 1);
  // But a share of 0 is none.
  EXPECT_EQ(share.limit(Dimension::kTokensPerMinute)->limit, 0);
  EXPECT_TRUE(share.closed());
}

TEST(BucketSetTest, TheLocalShareIsRoundedDown) {
  config::ClassLimits limits = Limits(10, config::Limit(1'000, 100));
  limits.calls_at_once = 2;
  BucketSet::Options options;
  options.replicas = 3;
  options.owner = "tenant:acme";
  const BucketSet set("s", limits, options);
  ASSERT_NE(set.local_share(), nullptr);
  BucketSet& share = *set.local_share();
  EXPECT_EQ(share.subject(), "s");
  EXPECT_EQ(share.owner(), "tenant:acme");
  EXPECT_EQ(share.Read(Dimension::kRequestsPerMinute, kNow)->limit, 3);
  EXPECT_EQ(share.Read(Dimension::kTokensPerMinute, kNow)->limit, 333);
  EXPECT_EQ(share.Read(Dimension::kTokensPerMinute, kNow)->capacity, 33);
  EXPECT_TRUE(share.closed());  // 2 calls at once for 3 replicas are none for each
  EXPECT_EQ(share.local_share(), nullptr);
  EXPECT_FALSE(set.closed());
  EXPECT_EQ(BucketSet("s", limits).local_share(), nullptr);
}

TEST(BucketSetTest, AnHeirKeepsWhatIsUsedAndWhoIsInside) {
  config::ClassLimits limits = Limits(10, 1'000);
  limits.calls_at_once = 5;
  BucketSet::Options options;
  options.replicas = 2;
  BucketSet old("s", limits, options);
  ASSERT_TRUE(Take(old, 600));
  ASSERT_TRUE(Take(old, 100));
  ASSERT_TRUE(Take(*old.local_share(), 50));
  config::ClassLimits more = Limits(20, 2'000);
  more.calls_at_once = 3;
  BucketSet heir("s", more, options);
  heir.Adopt(old, kNow);
  EXPECT_EQ(Left(heir, Dimension::kRequestsPerMinute), 18);
  EXPECT_EQ(Left(heir, Dimension::kTokensPerMinute), 1'300);
  EXPECT_EQ(Left(heir, Dimension::kCallsAtOnce), 1);
  EXPECT_EQ(Left(*heir.local_share(), Dimension::kTokensPerMinute), 950);
  // The calls that began before end where they began.
  old.AdjustTokens(-500, kNow);
  old.FreeSlot();
  EXPECT_EQ(Left(heir, Dimension::kTokensPerMinute), 1'800);
  EXPECT_EQ(Left(heir, Dimension::kCallsAtOnce), 2);
}

TEST(BucketSetTest, AnHeirMayHaveOtherKindsOfLimits) {
  BucketSet old("s", Limits(10, {}));
  ASSERT_TRUE(Take(old, 600));
  BucketSet heir("s", Limits({}, 1'000));
  heir.Adopt(old, kNow);
  EXPECT_EQ(Left(heir, Dimension::kTokensPerMinute), 1'000);
  old.GiveRequestBack(kNow);
  EXPECT_EQ(Left(old, Dimension::kRequestsPerMinute), 10);
}

TEST(BucketSetTest, ManyThreadsNeverGetMoreThanEitherLimit) {
  for (int round = 0; round < 20; ++round) {
    BucketSet set("s", Limits(30, 100));
    std::atomic<int> granted = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 50; ++t) {
      threads.emplace_back([&] {
        if (Take(set, 5)) ++granted;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_LE(granted, 20);
    ASSERT_GT(granted, 0);
    ASSERT_EQ(Left(set, Dimension::kTokensPerMinute), 100 - 5 * granted);
    ASSERT_EQ(Left(set, Dimension::kRequestsPerMinute), 30 - granted);
  }
}

TEST(DimensionTest, NamesAreThoseOfTheConfiguration) {
  EXPECT_EQ(DimensionName(Dimension::kRequestsPerMinute), "requests_per_minute");
  EXPECT_EQ(DimensionName(Dimension::kTokensPerMinute), "tokens_per_minute");
  EXPECT_EQ(DimensionName(Dimension::kRequestsPerDay), "requests_per_day");
  EXPECT_EQ(DimensionName(Dimension::kTokensPerDay), "tokens_per_day");
  EXPECT_EQ(DimensionName(Dimension::kCallsAtOnce), "calls_at_once");
}

TEST(DimensionTest, EachHasItsWindowItsUnitAndItsLimit) {
  config::ClassLimits limits;
  limits.requests_per_minute = 1;
  limits.tokens_per_minute = 2;
  limits.requests_per_day = 3;
  limits.tokens_per_day = 4;
  limits.calls_at_once = 5;
  for (int i = 0; i < kDimensionCount; ++i) {
    const auto dimension = static_cast<Dimension>(i);
    EXPECT_EQ(LimitOf(limits, dimension)->limit, i + 1);
    EXPECT_EQ(CountsTokens(dimension), i == 1 || i == 3);
    if (i < kBucketCount) {
      EXPECT_EQ(WindowOf(dimension), i < 2 ? absl::Minutes(1) : absl::Hours(24));
    }
  }
}

}  // namespace
}  // namespace pingti::quota
