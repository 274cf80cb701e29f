#include "server/base/clock.h"

#include "gtest/gtest.h"

namespace pingti::base {
namespace {

TEST(InstantTest, AddsAndSubtracts) {
  const Instant start = Instant::FromNanos(1'000'000);
  EXPECT_EQ((start + absl::Microseconds(5)).nanos(), 1'005'000);
  EXPECT_EQ((start + absl::Microseconds(5)).micros(), 1'005);
  EXPECT_EQ((start + -absl::Microseconds(5)).nanos(), 995'000);
  EXPECT_EQ(start + absl::Seconds(1) - start, absl::Seconds(1));
  EXPECT_LT(start, start + absl::Nanoseconds(1));
}

TEST(InstantTest, SaturatesAtTheInfiniteFuture) {
  const Instant start = Instant::FromNanos(1'000);
  EXPECT_EQ(start + absl::InfiniteDuration(), Instant::InfiniteFuture());
  EXPECT_EQ(start + absl::Hours(24 * 365 * 1000), Instant::InfiniteFuture());
  EXPECT_EQ(start + absl::Nanoseconds(INT64_MAX - 1'000), Instant::InfiniteFuture());
  EXPECT_LT(start + absl::Nanoseconds(INT64_MAX - 1'001), Instant::InfiniteFuture());
  EXPECT_EQ(Instant::InfiniteFuture() + absl::Nanoseconds(1), Instant::InfiniteFuture());
}

TEST(InstantTest, TakesAPointBeforeTheOriginOfTheClock) {
  // The monotonic clock starts at boot: an instant minus an hour may be negative.
  const Instant before = Instant::FromNanos(1'000) + -absl::Hours(1);
  EXPECT_LT(before, Instant());
  EXPECT_EQ(before + absl::Hours(1), Instant::FromNanos(1'000));
  EXPECT_EQ(before + absl::InfiniteDuration(), Instant::InfiniteFuture());
  EXPECT_LT(before + -absl::InfiniteDuration(), before);
}

TEST(SystemClockTest, MonotonicTimeNeverGoesBack) {
  Instant last = SystemClock().MonotonicNow();
  for (int i = 0; i < 10'000; ++i) {
    const Instant now = SystemClock().MonotonicNow();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(SystemClockTest, WallTimeIsOfThisCentury) {
  EXPECT_GT(SystemClock().Now(), absl::FromCivil(absl::CivilDay(2024, 1, 1), absl::UTCTimeZone()));
}

}  // namespace
}  // namespace pingti::base
