#include "server/telemetry/counter.h"

#include <cmath>
#include <limits>
#include <thread>

#include "gtest/gtest.h"
#include "server/telemetry/buckets.h"

namespace pingti::telemetry {
namespace {

constexpr double kBounds[] = {1, 2, 4};

TEST(Counter, AddsUp) {
  Counter counter;
  EXPECT_EQ(counter.value(), 0);
  counter.Add();
  counter.Add(41);
  EXPECT_EQ(counter.value(), 42);
}

TEST(Gauge, GoesUpAndDown) {
  Gauge gauge;
  gauge.Add(5);
  gauge.Sub();
  EXPECT_EQ(gauge.value(), 4);
  gauge.Sub(6);
  EXPECT_EQ(gauge.value(), -2);
  gauge.Set(7);
  EXPECT_EQ(gauge.value(), 7);
}

TEST(Histogram, BoundsAreInclusive) {
  Histogram histogram(kBounds);
  for (double value : {0.5, 1.0, 1.5, 2.0, 4.0, 4.5, 100.0}) histogram.Observe(value);
  EXPECT_EQ(histogram.count(0), 2);  // 0.5, 1
  EXPECT_EQ(histogram.count(1), 2);  // 1.5, 2
  EXPECT_EQ(histogram.count(2), 1);  // 4
  EXPECT_EQ(histogram.count(3), 2);  // 4.5, 100
  EXPECT_EQ(histogram.total(), 7);
  EXPECT_DOUBLE_EQ(histogram.sum(), 113.5);
}

TEST(Histogram, TakesNonsenseAsZero) {
  Histogram histogram(kBounds);
  histogram.Observe(-1);
  histogram.Observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(histogram.count(0), 2);
  EXPECT_EQ(histogram.sum(), 0);
}

TEST(Histogram, PutsInfinityIntoTheLastBucket) {
  Histogram histogram(kBounds);
  histogram.Observe(std::numeric_limits<double>::infinity());
  EXPECT_EQ(histogram.count(3), 1);
}

// Every bound list that we ship is ascending and fits.
TEST(Buckets, AreAscendingAndFit) {
  for (std::span<const double> bounds :
       {std::span<const double>(kRequestSeconds), std::span<const double>(kFirstTokenSeconds),
        std::span<const double>(kOutputTokenSeconds), std::span<const double>(kTokens)}) {
    ASSERT_LE(bounds.size(), Histogram::kBoundsMax);
    for (size_t i = 1; i < bounds.size(); ++i) EXPECT_LT(bounds[i - 1], bounds[i]);
  }
}

// One writer and one reader at a time: no torn or backward value, nothing lost. (TSan runs this.)
TEST(Counter, IsReadWhileItIsWritten) {
  constexpr int kWrites = 200'000;
  Counter counter;
  Histogram histogram(kBounds);
  std::thread writer([&] {
    for (int i = 0; i < kWrites; ++i) {
      counter.Add();
      histogram.Observe(i % 6);
    }
  });
  int64_t last = 0;
  int64_t last_total = 0;
  while (last < kWrites) {
    const int64_t now = counter.value();
    const int64_t total = histogram.total();
    ASSERT_GE(now, last);
    ASSERT_GE(total, last_total);
    last = now;
    last_total = total;
  }
  writer.join();
  EXPECT_EQ(counter.value(), kWrites);
  EXPECT_EQ(histogram.total(), kWrites);
}

}  // namespace
}  // namespace pingti::telemetry
