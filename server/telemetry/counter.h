// The three kinds of series that the path of a call may touch, and what each of them costs: a load,
// an addition and a store. No lock, no `lock` prefix, no hash, no allocation.
//
// Thread-safety: ONE thread writes an object (a worker's loop thread, see registry.h), any thread
// reads it. A second writer is not a data race, but it loses counts. A reader sees each number
// whole; numbers that are read one after the other may belong to different moments.
//
// Not prometheus::Counter and prometheus::Histogram: the first needs a compare-and-swap loop on a
// line that all workers share, the second takes a mutex in Observe().
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "server/base/check.h"

namespace pingti::telemetry {

// Only grows.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  // `n` is 0 or more.
  void Add(int64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_ = 0;
};

// Goes up and down. Those of several workers are added up when they are scraped.
class Gauge {
 public:
  Gauge() = default;
  Gauge(const Gauge&) = delete;
  Gauge& operator=(const Gauge&) = delete;

  void Add(int64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Sub(int64_t n = 1) { Add(-n); }
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_ = 0;
};

// Counts observations in buckets with fixed bounds. The bounds (buckets.h) are static, ascending,
// finite, inclusive, at most kBoundsMax; what is above the last goes to an unbounded one.
class Histogram {
 public:
  static constexpr size_t kBoundsMax = 16;

  explicit Histogram(std::span<const double> bounds) : bounds_(bounds) {
    PINGTI_CHECK(bounds.size() <= kBoundsMax, "static bounds fit");
  }
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  // In the unit of the bounds: seconds for all durations. Values below 0 and NaN count as 0.
  void Observe(double value) {
    if (!(value > 0)) value = 0;
    size_t i = 0;
    while (i < bounds_.size() && value > bounds_[i]) ++i;
    counts_[i].store(counts_[i].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }

  std::span<const double> bounds() const { return bounds_; }
  // Observations in bucket `i` alone; bucket bounds().size() is the unbounded one.
  int64_t count(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  int64_t total() const {
    int64_t total = 0;
    for (size_t i = 0; i <= bounds_.size(); ++i) total += count(i);
    return total;
  }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::span<const double> bounds_;
  std::array<std::atomic<int64_t>, kBoundsMax + 1> counts_ = {};
  std::atomic<double> sum_ = 0;
};

static_assert(std::atomic<int64_t>::is_always_lock_free);
static_assert(std::atomic<double>::is_always_lock_free);

}  // namespace pingti::telemetry
