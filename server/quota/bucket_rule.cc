#include "server/quota/bucket_rule.h"

#include "server/base/check.h"

namespace pingti::quota {
namespace {

constexpr int64_t kUnitsMax = int64_t{1} << 52;
constexpr int64_t kTickUsMax = 1'000'000;

__extension__ using Wide = __int128;

// At most kBucketUsedMax. `amount` is 0 or more.
int64_t Units(int64_t amount, int64_t window_ticks) {
  return amount > kBucketUsedMax / window_ticks ? kBucketUsedMax : amount * window_ticks;
}

}  // namespace

BucketRule BucketRule::For(int64_t limit, int64_t capacity, absl::Duration window) {
  PINGTI_CHECK(limit >= 1 && limit <= kBucketLimitMax, "the configuration checks limits");
  PINGTI_CHECK(capacity >= 1 && capacity <= limit, "the configuration checks bursts");
  PINGTI_CHECK(window >= absl::Milliseconds(1) && window <= absl::Hours(24), "windows are ours");
  const int64_t window_us = absl::ToInt64Microseconds(window);
  int64_t tick_us = 1;
  // Divisions, because the products do not fit.
  while (limit >= (kUnitsMax / 4 + window_us / tick_us - 1) / (window_us / tick_us)) {
    tick_us *= 10;
    PINGTI_CHECK(tick_us <= kTickUsMax && window_us % tick_us == 0, "a day of any limit fits");
  }
  return BucketRule{.limit = limit,
                    .capacity = capacity,
                    .window_ticks = window_us / tick_us,
                    .tick_us = tick_us};
}

absl::Duration BucketRule::Wait(const BucketLevel& level, int64_t amount, base::Instant now) const {
  if (amount > capacity) return absl::InfiniteDuration();
  return Until(level, Over(level, amount), now);
}

BucketLevel BucketRule::Adjusted(const BucketLevel& level, int64_t delta) const {
  // -INT64_MIN does not exist; a unit less than that is as good.
  const int64_t units = Units(delta < 0 ? -std::max(delta, -INT64_MAX) : delta, window_ticks);
  return BucketLevel{.used = delta < 0 ? std::max<int64_t>(0, level.used - units)
                                       : std::min(kBucketUsedMax, level.used + units),
                     .at = level.at};
}

int64_t BucketRule::NotBeforeMicros(absl::Duration not_before) {
  const absl::Duration bounded = std::clamp(not_before, absl::ZeroDuration(), kNotBeforeMax);
  return absl::ToInt64Microseconds(absl::Ceil(bounded, absl::Microseconds(1)));
}

BucketLevel BucketRule::Corrected(const BucketLevel& level, int64_t remaining,
                                  absl::Duration not_before, base::Instant now) const {
  int64_t used = (capacity - std::clamp<int64_t>(remaining, 0, capacity)) * window_ticks;
  if (const int64_t us = NotBeforeMicros(not_before); us > 0) {
    const int64_t all_but_one = (capacity - 1) * window_ticks;
    // At least one: a level may be ahead of a clock that was stepped back.
    const int64_t ticks =
        std::max<int64_t>(1, (now.micros() + us + tick_us - 1) / tick_us - level.at);
    const int64_t ticks_max = (kBucketUsedMax - all_but_one) / limit;
    used = std::max(used, all_but_one + std::min(ticks, ticks_max) * limit);
  }
  return BucketLevel{.used = std::max(level.used, used), .at = level.at};
}

BucketLevel BucketRule::Converted(const BucketLevel& level, const BucketRule& other) const {
  // Below 2^52 x 2^37 (a day in microseconds).
  const Wide units = static_cast<Wide>(level.used) * window_ticks;
  const Wide used = (units + other.window_ticks - 1) / other.window_ticks;
  // The next tick where it is between two: what is given back late is never given twice.
  return BucketLevel{.used = used > kBucketUsedMax ? kBucketUsedMax : static_cast<int64_t>(used),
                     .at = (level.at * other.tick_us + tick_us - 1) / tick_us};
}

}  // namespace pingti::quota
