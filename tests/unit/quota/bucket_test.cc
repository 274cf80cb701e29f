#include "server/quota/bucket.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::quota {
namespace {

base::Instant At(absl::Duration since_start) {
  return base::Instant::FromNanos(1'000'000'000'000) + since_start;
}
const base::Instant kStart = At(absl::ZeroDuration());
// A correction that says no time.
constexpr absl::Duration kAtOnce = absl::ZeroDuration();

// Waits of 0 mean that it fitted.
absl::Duration Take(Bucket& bucket, int64_t amount, base::Instant now) {
  return bucket.Take(amount, now).value_or(absl::ZeroDuration());
}

TEST(BucketTest, StartsFull) {
  const Bucket bucket(100, absl::Minutes(1));
  const Bucket::State state = bucket.Read(kStart);
  EXPECT_EQ(state.limit, 100);
  EXPECT_EQ(state.remaining, 100);
  EXPECT_EQ(state.full_in, absl::ZeroDuration());
}

TEST(BucketTest, GivesItsLimitAndNotOneMore) {
  Bucket bucket(100, absl::Minutes(1));
  for (int i = 0; i < 100; ++i) ASSERT_FALSE(bucket.Take(1, kStart).has_value()) << i;
  EXPECT_EQ(bucket.Read(kStart).remaining, 0);
  EXPECT_EQ(bucket.Read(kStart).full_in, absl::Minutes(1));
  EXPECT_EQ(Take(bucket, 1, kStart), absl::Milliseconds(600));
  EXPECT_EQ(bucket.Read(kStart).remaining, 0);  // the refused one took nothing
}

TEST(BucketTest, GivesTheWholeLimitAtOnce) {
  Bucket bucket(kBucketLimitMax, absl::Minutes(1));
  EXPECT_FALSE(bucket.Take(kBucketLimitMax, kStart).has_value());
  EXPECT_EQ(bucket.Read(kStart).remaining, 0);
}

TEST(BucketTest, RefillsContinuously) {
  Bucket bucket(60, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(60, kStart).has_value());
  EXPECT_EQ(bucket.Read(At(absl::Milliseconds(999))).remaining, 0);
  EXPECT_EQ(bucket.Read(At(absl::Seconds(1))).remaining, 1);
  EXPECT_EQ(bucket.Read(At(absl::Seconds(30))).remaining, 30);
  EXPECT_EQ(bucket.Read(At(absl::Seconds(60))).remaining, 60);
  EXPECT_EQ(bucket.Read(At(absl::Hours(1))).remaining, 60);
}

TEST(BucketTest, WaitsAsTheProvidersLawSays) {
  // wait = (used + requested - limit) / limit x window: (150000 + 2000 - 150000) / 150000 x 60 s.
  Bucket bucket(150'000, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(150'000, kStart).has_value());
  EXPECT_EQ(Take(bucket, 2'000, kStart), absl::Milliseconds(800));
}

TEST(BucketTest, OneMicrosecondBeforeTheWaitIsTooEarly) {
  Bucket bucket(60, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(60, kStart).has_value());
  const absl::Duration wait = Take(bucket, 5, kStart);
  ASSERT_EQ(wait, absl::Seconds(5));
  EXPECT_EQ(Take(bucket, 5, At(wait - absl::Microseconds(1))), absl::Microseconds(1));
  EXPECT_FALSE(bucket.Take(5, At(wait)).has_value());
}

TEST(BucketTest, IsExactWhereTheLimitDoesNotDivideTheWindow) {
  Bucket bucket(7, absl::Minutes(1));
  for (int i = 0; i < 7; ++i) ASSERT_FALSE(bucket.Take(1, kStart).has_value());
  // One unit takes 60/7 s = 8,571,428.571... us: refused in that microsecond, granted in the next.
  EXPECT_EQ(Take(bucket, 1, kStart), absl::Microseconds(8'571'429));
  EXPECT_EQ(Take(bucket, 1, At(absl::Microseconds(8'571'428))), absl::Microseconds(1));
  EXPECT_FALSE(bucket.Take(1, At(absl::Microseconds(8'571'429))).has_value());
}

TEST(BucketTest, GivesSevenAMinuteForADayWithoutRoundingAnythingAway) {
  Bucket bucket(7, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(7, kStart).has_value());
  int64_t granted = 0;
  absl::Duration now;
  while (now < absl::Hours(24)) {
    const auto wait = bucket.Take(1, At(now));
    if (wait) {
      now += *wait;
    } else {
      ++granted;
    }
  }
  // The last unit comes exactly at the end of the day.
  EXPECT_EQ(granted, 7 * 60 * 24 - 1);
  EXPECT_FALSE(bucket.Take(1, At(absl::Hours(24))).has_value());
}

TEST(BucketTest, AClockThatGoesBackMintsNothing) {
  Bucket bucket(60, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(60, At(absl::Seconds(100))).has_value());
  EXPECT_TRUE(bucket.Take(1, At(absl::Seconds(50))).has_value());
  EXPECT_TRUE(bucket.Take(1, At(absl::Seconds(100))).has_value());
  EXPECT_EQ(bucket.Read(At(absl::Seconds(50))).remaining, 0);
  // Nor after steps to and fro.
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(bucket.Take(1, At(absl::Seconds(i % 2 == 0 ? 100 : 0))).has_value());
    bucket.Adjust(0, At(absl::Seconds(i)));
  }
  EXPECT_FALSE(bucket.Take(1, At(absl::Seconds(101))).has_value());
}

TEST(BucketTest, DebtIsRepaidBeforeAnythingIsGiven) {
  Bucket bucket(60, absl::Minutes(1));
  bucket.Adjust(90, kStart);
  EXPECT_EQ(bucket.Read(kStart).remaining, -30);
  EXPECT_EQ(bucket.Read(kStart).full_in, absl::Seconds(90));
  EXPECT_EQ(Take(bucket, 1, kStart), absl::Seconds(31));
  EXPECT_EQ(Take(bucket, 1, At(absl::Seconds(30))), absl::Seconds(1));
  EXPECT_FALSE(bucket.Take(1, At(absl::Seconds(31))).has_value());
}

TEST(BucketTest, AdjustingSaysHowMuchTheDebtHasChanged) {
  Bucket bucket(60, absl::Minutes(1));
  EXPECT_EQ(bucket.Adjust(50, kStart), 0);
  EXPECT_EQ(bucket.Adjust(30, kStart), 20);
  EXPECT_EQ(bucket.Adjust(5, kStart), 5);
  EXPECT_EQ(bucket.Adjust(-10, kStart), -10);
  EXPECT_EQ(bucket.Adjust(-40, kStart), -15);
  EXPECT_EQ(bucket.Adjust(0, kStart), 0);
}

TEST(BucketTest, DebtIsBounded) {
  Bucket bucket(kBucketLimitMax, absl::Minutes(1));
  for (int i = 0; i < 100; ++i) bucket.Adjust(INT64_MAX / 2, kStart);
  EXPECT_LT(bucket.Read(kStart).remaining, 0);
  EXPECT_TRUE(bucket.Take(1, kStart).has_value());
  EXPECT_EQ(bucket.Read(At(absl::Hours(24))).remaining, kBucketLimitMax);
}

TEST(BucketTest, GivesBackButNeverPastFull) {
  Bucket bucket(100, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(50, kStart).has_value());
  bucket.Adjust(-20, kStart);
  EXPECT_EQ(bucket.Read(kStart).remaining, 70);
  bucket.Adjust(-1'000, kStart);
  EXPECT_EQ(bucket.Read(kStart).remaining, 100);
  bucket.Adjust(-INT64_MAX, kStart);
  EXPECT_EQ(bucket.Read(kStart).remaining, 100);
  EXPECT_TRUE(bucket.Take(101, kStart).has_value());
}

TEST(BucketTest, MoreThanTheWholeBucketIsImpossible) {
  Bucket bucket(100, absl::Minutes(1));
  EXPECT_EQ(Take(bucket, 101, kStart), absl::InfiniteDuration());
  EXPECT_EQ(Take(bucket, INT64_MAX, kStart), absl::InfiniteDuration());
  EXPECT_EQ(bucket.Read(kStart).remaining, 100);
}

TEST(BucketTest, NothingAlwaysFitsButIntoDebt) {
  Bucket bucket(1, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(1, kStart).has_value());
  EXPECT_FALSE(bucket.Take(0, kStart).has_value());
  bucket.Adjust(1, kStart);
  EXPECT_EQ(Take(bucket, 0, kStart), absl::Minutes(1));
}

TEST(BucketTest, IsFullAfterAHugeIdleTime) {
  Bucket bucket(kBucketLimitMax, absl::Milliseconds(1));
  ASSERT_FALSE(bucket.Take(kBucketLimitMax, kStart).has_value());
  const base::Instant later = At(absl::Hours(24 * 365 * 200));
  EXPECT_EQ(bucket.Read(later).remaining, kBucketLimitMax);
  EXPECT_FALSE(bucket.Take(kBucketLimitMax, later).has_value());
  EXPECT_TRUE(bucket.Take(1, later).has_value());
}

TEST(BucketTest, TestTakesNothing) {
  Bucket bucket(10, absl::Minutes(1));
  EXPECT_FALSE(bucket.Test(10, kStart).has_value());
  EXPECT_FALSE(bucket.Test(10, kStart).has_value());
  ASSERT_FALSE(bucket.Take(10, kStart).has_value());
  EXPECT_EQ(bucket.Test(1, kStart), absl::Seconds(6));
}

TEST(BucketTest, ReadRoundsWhatIsUsedUp) {
  Bucket bucket(60, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(60, kStart).has_value());
  EXPECT_EQ(bucket.Read(At(absl::Microseconds(999'999))).remaining, 0);
  EXPECT_EQ(bucket.Read(At(absl::Microseconds(1'000'000))).remaining, 1);
}

TEST(BucketTest, ManyThreadsNeverGetMoreThanTheLimit) {
  constexpr int kThreads = 50;
  constexpr int kAmount = 5;
  for (int round = 0; round < 20; ++round) {
    Bucket bucket(100, absl::Minutes(1));
    std::atomic<bool> go = false;
    std::atomic<int> granted = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        go.wait(false);
        if (!bucket.Take(kAmount, kStart)) ++granted;
      });
    }
    go = true;
    go.notify_all();
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(granted, 20);
    ASSERT_EQ(bucket.Read(kStart).remaining, 0);
  }
}

TEST(BucketTest, ManyThreadsLoseNoAdjustment) {
  constexpr int kThreads = 8;
  Bucket bucket(1'000'000, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(500'000, kStart).has_value());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10'000; ++i) bucket.Adjust(t % 2 == 0 ? 3 : -3, kStart);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bucket.Read(kStart).remaining, 500'000);
}

TEST(BucketTest, CountsInTheSmallestTickThatKeepsEverythingExact) {
  struct Case {
    int64_t limit;
    absl::Duration window;
    int64_t tick_us;
  };
  const Case cases[] = {
      {1, absl::Minutes(1), 1},           {18'764'998, absl::Minutes(1), 1},
      {18'764'999, absl::Minutes(1), 10}, {kBucketLimitMax, absl::Minutes(1), 1'000},
      {13'031, absl::Hours(24), 1},       {13'032, absl::Hours(24), 10},
      {1'000'000, absl::Hours(24), 100},  {kBucketLimitMax, absl::Hours(24), 1'000'000},
  };
  for (const Case& c : cases) {
    const BucketRule rule = BucketRule::For(c.limit, c.limit, c.window);
    EXPECT_EQ(rule.tick_us, c.tick_us) << c.limit;
    EXPECT_EQ(rule.window_ticks * rule.tick_us, absl::ToInt64Microseconds(c.window)) << c.limit;
    EXPECT_LT(rule.limit * rule.window_ticks * 4, int64_t{1} << 52) << c.limit;
  }
}

TEST(BucketTest, AWaitInCoarseTicksIsExactToTheMicrosecond) {
  Bucket bucket(kBucketLimitMax, absl::Hours(24));  // 115,740.74 in each second
  const base::Instant now = At(absl::Microseconds(1'250'123));
  ASSERT_FALSE(bucket.Take(kBucketLimitMax, now).has_value());
  EXPECT_EQ(Take(bucket, 115'740, now), absl::Microseconds(749'877));
  EXPECT_EQ(Take(bucket, 115'741, now), absl::Microseconds(1'749'877));
  EXPECT_EQ(Take(bucket, 115'741, now + absl::Microseconds(1'749'876)), absl::Microseconds(1));
  EXPECT_FALSE(bucket.Take(115'741, now + absl::Microseconds(1'749'877)).has_value());
}

TEST(BucketTest, AWaitCountsTheTimeThatTheClockWentBack) {
  Bucket bucket(60, absl::Minutes(1));
  ASSERT_FALSE(bucket.Take(60, At(absl::Seconds(10))).has_value());
  EXPECT_EQ(Take(bucket, 1, At(absl::Seconds(4))), absl::Seconds(7));
  EXPECT_EQ(Take(bucket, 1, At(absl::Seconds(11) - absl::Microseconds(1))), absl::Microseconds(1));
  EXPECT_FALSE(bucket.Take(1, At(absl::Seconds(11))).has_value());
}

TEST(BucketTest, ABurstIsAllThatItHolds) {
  Bucket bucket(600, 20, absl::Minutes(1));
  EXPECT_EQ(bucket.Read(kStart).limit, 600);
  EXPECT_EQ(bucket.Read(kStart).capacity, 20);
  EXPECT_EQ(bucket.Read(kStart).remaining, 20);
  EXPECT_EQ(Take(bucket, 21, kStart), absl::InfiniteDuration());
  ASSERT_FALSE(bucket.Take(20, kStart).has_value());
  EXPECT_EQ(bucket.Read(kStart).full_in, absl::Seconds(2));
  EXPECT_EQ(Take(bucket, 1, kStart), absl::Milliseconds(100));
  EXPECT_EQ(bucket.Read(At(absl::Hours(1))).remaining, 20);
}

TEST(BucketTest, CorrectingOnlyLowers) {
  Bucket bucket(100, absl::Minutes(1));
  bucket.Correct(30, kAtOnce, kStart);
  EXPECT_EQ(bucket.Read(kStart).remaining, 30);
  bucket.Correct(90, kAtOnce, kStart);
  EXPECT_EQ(bucket.Read(kStart).remaining, 30);
  bucket.Correct(-7, kAtOnce, kStart);
  EXPECT_EQ(bucket.Read(kStart).remaining, 0);
  bucket.Adjust(40, kStart);
  bucket.Correct(0, kAtOnce, kStart);
  EXPECT_EQ(bucket.Read(kStart).remaining, -40);
}

TEST(BucketTest, HoldingBackEndsToTheMicrosecond) {
  Bucket bucket(500, absl::Minutes(1));
  bucket.Correct(1, absl::Seconds(20), kStart);
  EXPECT_EQ(Take(bucket, 1, kStart), absl::Seconds(20));
  EXPECT_EQ(Take(bucket, 1, At(absl::Microseconds(19'999'999))), absl::Microseconds(1));
  EXPECT_EQ(bucket.Read(At(absl::Seconds(20))).remaining, 1);
  EXPECT_FALSE(bucket.Take(1, At(absl::Seconds(20))).has_value());
  // A shorter one does not let anybody go earlier.
  bucket.Correct(500, absl::Milliseconds(1), At(absl::Seconds(20)));
  EXPECT_EQ(Take(bucket, 1, At(absl::Seconds(20))), absl::Milliseconds(120));
}

TEST(BucketTest, HoldingBackRoundsUpToTheMicrosecond) {
  Bucket bucket(500, absl::Minutes(1));
  bucket.Correct(1, absl::Nanoseconds(200'000'001), kStart);
  EXPECT_EQ(Take(bucket, 1, kStart), absl::Microseconds(200'001));
}

TEST(BucketTest, HoldingBackNeverOverflows) {
  for (const int64_t limit :
       {int64_t{1}, int64_t{18'764'998}, int64_t{18'764'999}, kBucketLimitMax}) {
    for (const absl::Duration window : {absl::Milliseconds(1), absl::Minutes(1), absl::Hours(24)}) {
      if (window == absl::Milliseconds(1) && limit == kBucketLimitMax) continue;
      Bucket bucket(limit, window);
      bucket.Correct(0, absl::InfiniteDuration(), kStart);
      bucket.Correct(0, absl::InfiniteDuration(), At(absl::Seconds(-5)));
      const absl::Duration wait = Take(bucket, 1, kStart);
      EXPECT_GE(wait, std::min(kNotBeforeMax, 3 * window)) << limit << " per " << window;
      EXPECT_LE(wait, std::max(kNotBeforeMax, window) + absl::Seconds(1)) << limit << " " << window;
      EXPECT_FALSE(bucket.Take(1, kStart + wait).has_value());
    }
  }
}

TEST(BucketTest, AnHeirKeepsWhatIsUsed) {
  Bucket old(100, absl::Minutes(1));
  ASSERT_FALSE(old.Take(70, kStart).has_value());
  Bucket more(1'000, absl::Minutes(1));
  more.Adopt(old, kStart);
  EXPECT_EQ(more.Read(kStart).remaining, 930);
  Bucket less(50, absl::Hours(24));
  less.Adopt(more, kStart);
  EXPECT_EQ(less.Read(kStart).remaining, -20);
  EXPECT_EQ(less.Read(kStart).limit, 50);
}

TEST(BucketTest, WhatIsDoneToItAfterwardsArrivesAtTheHeir) {
  Bucket old(100, absl::Minutes(1));
  ASSERT_FALSE(old.Take(70, kStart).has_value());
  Bucket heir(1'000, absl::Minutes(1));
  heir.Adopt(old, kStart);
  EXPECT_EQ(old.Adjust(-50, kStart), 0);
  EXPECT_EQ(heir.Read(kStart).remaining, 980);
  EXPECT_FALSE(old.Take(900, kStart).has_value());
  EXPECT_EQ(heir.Read(kStart).remaining, 80);
  EXPECT_EQ(old.Read(kStart).remaining, 80);
  EXPECT_EQ(old.Read(kStart).limit, 1'000);
  EXPECT_TRUE(old.Test(81, kStart).has_value());
  old.Correct(10, kAtOnce, kStart);
  EXPECT_EQ(heir.Read(kStart).remaining, 10);
  // Who asks the first one twice removed gets there, too.
  Bucket last(2'000, absl::Minutes(1));
  last.Adopt(old, kStart);
  EXPECT_EQ(old.Adjust(-10, kStart), 0);
  EXPECT_EQ(last.Read(kStart).remaining, 2'000 - 980);
}

TEST(BucketTest, AHeirWithACoarserTickMintsNothing) {
  Bucket old(10, absl::Hours(24));
  const base::Instant now = At(absl::Microseconds(500'000));
  ASSERT_FALSE(old.Take(10, now).has_value());
  Bucket heir(kBucketLimitMax, absl::Hours(24));
  heir.Adopt(old, now);
  EXPECT_EQ(heir.Read(now).remaining, kBucketLimitMax - 10);
  EXPECT_EQ(heir.Read(At(absl::Seconds(1))).remaining, kBucketLimitMax - 10);
  EXPECT_EQ(heir.Read(At(absl::Seconds(2))).remaining, kBucketLimitMax);
}

TEST(BucketTest, NothingIsLostWhileThreadsTakeAndTheLimitChanges) {
  constexpr int kThreads = 4;
  for (int round = 0; round < 20; ++round) {
    Bucket old(1'000, absl::Minutes(1));
    Bucket heir(3'000, absl::Minutes(1));
    std::atomic<bool> go = false;
    std::atomic<int> granted = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        go.wait(false);
        for (int i = 0; i < 1'000; ++i) {
          if (!old.Take(1, kStart)) ++granted;
        }
      });
    }
    go = true;
    go.notify_all();
    heir.Adopt(old, kStart);
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(heir.Read(kStart).remaining, 3'000 - granted);
    ASSERT_LE(granted, 3'000);
    ASSERT_GE(granted, 1'000);
  }
}

TEST(BucketDeathTest, LimitsAndWindowsAreBounded) {
  EXPECT_DEATH(Bucket(0, absl::Minutes(1)), "CHECK failed");
  EXPECT_DEATH(Bucket(kBucketLimitMax + 1, absl::Minutes(1)), "CHECK failed");
  EXPECT_DEATH(Bucket(1, absl::Hours(25)), "CHECK failed");
  EXPECT_DEATH(Bucket(10, 11, absl::Minutes(1)), "CHECK failed");
  EXPECT_DEATH(Bucket(10, 0, absl::Minutes(1)), "CHECK failed");
}

}  // namespace
}  // namespace pingti::quota
