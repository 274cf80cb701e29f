#include "server/routing/recent_counts.h"

#include "gtest/gtest.h"

namespace pingti::routing {
namespace {

constexpr base::Instant At(double seconds) {
  return base::Instant::FromNanos(static_cast<int64_t>(seconds * 1e9));
}

void ExpectSums(const RecentCounts& counts, base::Instant now, int64_t first, int64_t second) {
  const RecentCounts::Sums sums = counts.Read(now);
  EXPECT_EQ(sums.first, first);
  EXPECT_EQ(sums.second, second);
}

TEST(RecentCountsTest, StartsEmptyAlsoAtTheBeginOfTheClock) {
  const RecentCounts counts;
  ExpectSums(counts, At(0), 0, 0);
  ExpectSums(counts, At(1'000), 0, 0);
}

TEST(RecentCountsTest, SumsWhatTheSameSecondBrings) {
  RecentCounts counts;
  counts.Add(At(7.0), 1, 0);
  counts.Add(At(7.9), 2, 5);
  ExpectSums(counts, At(7.95), 3, 5);
}

TEST(RecentCountsTest, SumsOverTenSeconds) {
  RecentCounts counts;
  for (int second = 100; second < 110; ++second) counts.Add(At(second), 1, 2);
  ExpectSums(counts, At(109), 10, 20);
}

TEST(RecentCountsTest, ForgetsASecondTenSecondsLater) {
  RecentCounts counts;
  counts.Add(At(100), 1, 0);
  counts.Add(At(101), 10, 0);
  ExpectSums(counts, At(109.9), 11, 0);
  ExpectSums(counts, At(110), 10, 0);
  ExpectSums(counts, At(111), 0, 0);
}

TEST(RecentCountsTest, ANewSecondTakesTheSlotOfAnOldOne) {
  RecentCounts counts;
  counts.Add(At(100), 7, 7);
  counts.Add(At(110), 1, 0);
  ExpectSums(counts, At(110), 1, 0);
}

TEST(RecentCountsTest, ALongPauseLeavesNothing) {
  RecentCounts counts;
  for (int second = 0; second < 10; ++second) counts.Add(At(second), 1, 1);
  ExpectSums(counts, At(86'400), 0, 0);
}

}  // namespace
}  // namespace pingti::routing
