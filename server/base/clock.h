// The two clocks: wall time to show, monotonic time to measure.
//
// Decision code takes the time as a value; only owners hold a Clock&. Thread-safe.
#pragma once

#include <compare>
#include <cstdint>

#include "absl/time/time.h"

namespace pingti::base {

// A point of the monotonic clock. Only differences mean something, and only within one process.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant FromNanos(int64_t nanos) { return Instant(nanos); }
  static constexpr Instant InfiniteFuture() { return Instant(INT64_MAX); }

  constexpr int64_t nanos() const { return nanos_; }
  constexpr int64_t micros() const { return nanos_ / 1000; }

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend absl::Duration operator-(Instant a, Instant b) {
    return absl::Nanoseconds(a.nanos_ - b.nanos_);
  }
  // Saturates: a point plus an infinite or very long time is InfiniteFuture().
  friend Instant operator+(Instant a, absl::Duration d) {
    const int64_t delta = absl::ToInt64Nanoseconds(d);
    int64_t sum;
    const bool overflow = __builtin_add_overflow(a.nanos_, delta, &sum);
    if (delta > 0 && (overflow || delta == INT64_MAX)) return InfiniteFuture();
    return Instant(overflow ? INT64_MIN : sum);
  }

 private:
  explicit constexpr Instant(int64_t nanos) : nanos_(nanos) {}
  int64_t nanos_ = 0;
};

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time. May jump.
  virtual absl::Time Now() const = 0;
  // Monotonic time. Never goes back.
  virtual Instant MonotonicNow() const = 0;
};

// The system's clocks; one object for the process.
const Clock& SystemClock();

}  // namespace pingti::base
