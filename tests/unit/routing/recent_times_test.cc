#include "server/routing/recent_times.h"

#include <optional>

#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace pingti::routing {
namespace {

using fakes::kNow;

// `count` times of 1 ms, 2 ms, ... in an order that is not sorted. REQUIRES: 7 does not divide it.
RecentTimes Filled(int count, base::Instant now = kNow) {
  RecentTimes times;
  for (int i = 0; i < count; ++i) times.Add(now, absl::Milliseconds(i * 7 % count + 1));
  return times;
}

TEST(RecentTimesTest, ThereIsNoQuantileOfNothing) {
  EXPECT_EQ(RecentTimes().Quantile(0.5, kNow), std::nullopt);
}

TEST(RecentTimesTest, ThereIsNoQuantileOfTooFew) {
  EXPECT_EQ(Filled(19).Quantile(0.5, kNow), std::nullopt);
  EXPECT_NE(Filled(20).Quantile(0.5, kNow), std::nullopt);
}

TEST(RecentTimesTest, QuantilesAreOfTheSortedTimes) {
  const RecentTimes times = Filled(20);
  EXPECT_EQ(times.Quantile(0, kNow), absl::Milliseconds(1));
  EXPECT_EQ(times.Quantile(0.5, kNow), absl::Milliseconds(11));
  EXPECT_EQ(times.Quantile(0.95, kNow), absl::Milliseconds(20));
  EXPECT_EQ(times.Quantile(1, kNow), absl::Milliseconds(20));
}

TEST(RecentTimesTest, TimesCountForAMinute) {
  const RecentTimes times = Filled(20);
  EXPECT_EQ(times.Quantile(0.5, kNow + absl::Minutes(1)), absl::Milliseconds(11));
  EXPECT_EQ(times.Quantile(0.5, kNow + absl::Minutes(1) + absl::Nanoseconds(1)), std::nullopt);
}

TEST(RecentTimesTest, OldTimesDoNotMixWithNewOnes) {
  RecentTimes times = Filled(20);
  const base::Instant later = kNow + absl::Minutes(2);
  for (int i = 0; i < 19; ++i) times.Add(later, absl::Seconds(1));
  EXPECT_EQ(times.Quantile(0, later), std::nullopt);
  times.Add(later, absl::Seconds(1));
  EXPECT_EQ(times.Quantile(0, later), absl::Seconds(1));
}

TEST(RecentTimesTest, TheNewest64Count) {
  RecentTimes times = Filled(40);
  for (size_t i = 0; i < RecentTimes::kTimesMax - 1; ++i) times.Add(kNow, absl::Seconds(1));
  EXPECT_LT(times.Quantile(0, kNow), absl::Seconds(1));
  times.Add(kNow, absl::Seconds(1));
  EXPECT_EQ(times.Quantile(0, kNow), absl::Seconds(1));
}

}  // namespace
}  // namespace pingti::routing
