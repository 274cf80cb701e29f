// The arithmetic of a bucket, in exact integers: pure functions, the same for every store.
//
// A bucket of `limit` per `window` refills continuously at limit/window and holds at most
// `capacity`, the law that OpenAI's limiter follows: wait = (used + requested - capacity) / limit x
// window. Time is counted in ticks of the window, and what is used in units of 1/window_ticks of a
// request or token: then one tick gives back exactly `limit` units, and nothing is ever rounded.
//
// All quantities stay below 2^52, so that sums of two are exact in a double, too: the script in
// Redis counts in the very same integers. The tick is the smallest for which that holds: one
// microsecond for limits up to 18,764,998 per minute or 13,031 per day, more for larger ones (one
// second for 10,000,000,000 per day). Refill comes at whole ticks of the clock; so within a window
// that is not a whole number of ticks, one tick's refill more than rate x window may be taken.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "server/base/clock.h"

namespace pingti::quota {

// Largest limit of a bucket.
inline constexpr int64_t kBucketLimitMax = 10'000'000'000;

// Debt ends here: at four times the limit of any bucket or more.
inline constexpr int64_t kBucketUsedMax = (int64_t{1} << 52) - 1;

// Longer times of Corrected() count as this; where the debt for that would pass kBucketUsedMax, as
// the longest that does not, which is three windows or more.
inline constexpr absl::Duration kNotBeforeMax = absl::Hours(1);

// All that changes in a bucket.
struct alignas(16) BucketLevel {
  int64_t used = 0;  // in units of 1/window_ticks; 0 to kBucketUsedMax; above the capacity: debt
  int64_t at = 0;    // the tick up to which the refill is in it
};

struct BucketRule {
  int64_t limit = 1;  // units that one tick gives back
  int64_t capacity = 1;
  int64_t window_ticks = 1;
  int64_t tick_us = 1;

  // REQUIRES: 1 <= capacity <= limit <= kBucketLimitMax, and 1 ms <= window <= 1 day.
  static BucketRule For(int64_t limit, int64_t capacity, absl::Duration window);

  // The tick that `now` is in.
  int64_t TickOf(base::Instant now) const {
    return tick_us == 1 ? now.micros() : now.micros() / tick_us;
  }

  // `level` with the refill up to `tick`. Time that goes back is no time at all, so a clock that is
  // stepped never mints anything.
  BucketLevel Decay(BucketLevel level, int64_t tick) const {
    const int64_t elapsed = tick - level.at;
    if (elapsed <= 0) return level;
    // After a long idle time the product overflows; then the bucket is full anyway.
    int64_t refill;
    const bool full = __builtin_mul_overflow(elapsed, limit, &refill) || refill >= level.used;
    return BucketLevel{.used = full ? 0 : level.used - refill, .at = tick};
  }

  // How much too full a decayed `level` is for `amount`, in units; 0 or less: it fits.
  // REQUIRES: 0 <= amount <= capacity.
  int64_t Over(const BucketLevel& level, int64_t amount) const {
    return level.used + (amount - capacity) * window_ticks;
  }
  bool Fits(const BucketLevel& level, int64_t amount) const {
    return amount <= capacity && Over(level, amount) <= 0;
  }

  // How long until `amount` fits: at `now` plus that it does, a microsecond earlier it does not.
  // InfiniteDuration where it is more than the bucket ever holds. REQUIRES: it does not fit.
  absl::Duration Wait(const BucketLevel& level, int64_t amount, base::Instant now) const;

  // `level` with `amount` more taken. REQUIRES: it fits.
  BucketLevel Taken(const BucketLevel& level, int64_t amount) const {
    return BucketLevel{.used = level.used + amount * window_ticks, .at = level.at};
  }
  // `level` with `delta` more taken, also into debt, or -delta given back, never past full.
  BucketLevel Adjusted(const BucketLevel& level, int64_t delta) const;
  // `level`, decayed to `now`, with at most `remaining` left (0 stands for any that is below), and
  // so far in debt that one unit fits at `now` + `not_before`, or at the first tick after it, and
  // no microsecond earlier; zero or less: that says nothing. Never with more left than `level` has.
  BucketLevel Corrected(const BucketLevel& level, int64_t remaining, absl::Duration not_before,
                        base::Instant now) const;
  // A level of this rule on which as much is used as on `level` of `other`, at the same moment.
  BucketLevel Converted(const BucketLevel& level, const BucketRule& other) const;

  // Whole units left, rounded down, so nobody is promised one that is not there yet; negative:
  // debt.
  int64_t Remaining(const BucketLevel& level) const {
    return capacity - (level.used + window_ticks - 1) / window_ticks;
  }
  int64_t Debt(const BucketLevel& level) const { return std::max<int64_t>(0, -Remaining(level)); }
  // Until it is full if nothing is taken.
  absl::Duration FullIn(const BucketLevel& level, base::Instant now) const {
    return level.used == 0 ? absl::ZeroDuration() : Until(level, level.used, now);
  }

  friend bool operator==(const BucketRule&, const BucketRule&) = default;

  // `not_before` as it counts: from 0 to kNotBeforeMax, rounded up.
  static int64_t NotBeforeMicros(absl::Duration not_before);

 private:
  // From `now` until `units` have come back on `level`.
  absl::Duration Until(const BucketLevel& level, int64_t units, base::Instant now) const {
    const int64_t ticks = (units + limit - 1) / limit;
    return absl::Microseconds((level.at + ticks) * tick_us - now.micros());
  }
};

}  // namespace pingti::quota
