#include "server/routing/backoff.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fakes/fake_random.h"

namespace pingti::routing {
namespace {

constexpr uint64_t kMostBits = UINT64_MAX;
constexpr uint64_t kHalfBits = uint64_t{1} << 63;

absl::Duration Pause(int retries, uint64_t bits,
                     std::optional<absl::Duration> retry_after = std::nullopt) {
  fakes::FakeRandom random({bits});
  return Backoff(retries, retry_after, random);
}

TEST(BackoffTest, MayBeNoPauseAtAll) {
  EXPECT_EQ(Pause(0, 0), absl::ZeroDuration());
  EXPECT_EQ(Pause(9, 0), absl::ZeroDuration());
}

TEST(BackoffTest, TheFirstIsBelow100Milliseconds) {
  EXPECT_EQ(Pause(0, kHalfBits), absl::Milliseconds(50));
  EXPECT_LE(Pause(0, kMostBits), absl::Milliseconds(100));
  EXPECT_GT(Pause(0, kMostBits), absl::Milliseconds(99));
}

TEST(BackoffTest, EachMayBeTwiceAsLong) {
  EXPECT_EQ(Pause(1, kHalfBits), absl::Milliseconds(100));
  EXPECT_EQ(Pause(2, kHalfBits), absl::Milliseconds(200));
  EXPECT_EQ(Pause(3, kHalfBits), absl::Milliseconds(400));
  EXPECT_EQ(Pause(4, kHalfBits), absl::Milliseconds(800));
}

TEST(BackoffTest, IsAtMostTwoSeconds) {
  EXPECT_EQ(Pause(5, kHalfBits), absl::Seconds(1));
  EXPECT_EQ(Pause(1'000'000, kHalfBits), absl::Seconds(1));
  EXPECT_LE(Pause(1'000'000, kMostBits), absl::Seconds(2));
}

TEST(BackoffTest, WhatTheProviderAsksForIsTheLeast) {
  EXPECT_EQ(Pause(0, kHalfBits, absl::Milliseconds(70)), absl::Milliseconds(70));
  EXPECT_EQ(Pause(0, kHalfBits, absl::Milliseconds(30)), absl::Milliseconds(50));
  EXPECT_EQ(Pause(0, 0, absl::Minutes(5)), absl::Minutes(5));
}

TEST(BackoffTest, DrawsOnce) {
  fakes::FakeRandom random;
  Backoff(0, std::nullopt, random);
  EXPECT_EQ(random.drawn(), 1u);
}

}  // namespace
}  // namespace pingti::routing
