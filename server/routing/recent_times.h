// The last 64 times of something, of the last minute: quantiles of what is normal now.
//
// Pure: time comes in as a value. Thread-safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "absl/time/time.h"
#include "server/base/clock.h"

namespace pingti::routing {

class RecentTimes {
 public:
  static constexpr size_t kTimesMax = 64;
  // With fewer there is no quantile: one slow answer is no rule.
  static constexpr size_t kTimesMin = 20;
  static constexpr absl::Duration kAgeMax = absl::Minutes(1);

  void Add(base::Instant now, absl::Duration took) {
    entries_[next_] = {now, took};
    next_ = (next_ + 1) % kTimesMax;
    count_ = std::min(count_ + 1, kTimesMax);
  }

  // The time that a `share` of them stays below, 0 to 1. Nothing: there are too few, or all are too
  // old.
  std::optional<absl::Duration> Quantile(double share, base::Instant now) const {
    std::array<absl::Duration, kTimesMax> times;
    size_t count = 0;
    for (size_t i = 0; i < count_; ++i) {
      if (now - entries_[i].at <= kAgeMax) times[count++] = entries_[i].took;
    }
    if (count < kTimesMin) return std::nullopt;
    const auto rank = std::min(static_cast<size_t>(share * static_cast<double>(count)), count - 1);
    std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(rank),
                     times.begin() + static_cast<ptrdiff_t>(count));
    return times[rank];
  }

 private:
  struct Entry {
    base::Instant at;
    absl::Duration took;
  };
  std::array<Entry, kTimesMax> entries_;
  size_t next_ = 0;
  size_t count_ = 0;
};

}  // namespace pingti::routing
