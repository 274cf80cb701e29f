// Two counts over the last ten seconds, in steps of one second.
//
// Pure: time comes in as a value. Thread-safety: none.
#pragma once

#include <array>
#include <cstdint>

#include "server/base/clock.h"

namespace pingti::routing {

class RecentCounts {
 public:
  static constexpr int kSeconds = 10;

  struct Sums {
    int64_t first = 0;
    int64_t second = 0;
  };

  void Add(base::Instant now, int64_t first, int64_t second) {
    const int64_t at = SecondOf(now);
    Slot& slot = slots_[static_cast<size_t>(at % kSeconds)];
    if (slot.at != at) slot = {at, {}};
    slot.sums.first += first;
    slot.sums.second += second;
  }

  Sums Read(base::Instant now) const {
    const int64_t oldest = SecondOf(now) - kSeconds + 1;
    Sums all;
    for (const Slot& slot : slots_) {
      if (slot.at < oldest) continue;
      all.first += slot.sums.first;
      all.second += slot.sums.second;
    }
    return all;
  }

 private:
  struct Slot {
    int64_t at = -kSeconds;  // second that it counts
    Sums sums;
  };
  static int64_t SecondOf(base::Instant now) { return now.nanos() / 1'000'000'000; }

  std::array<Slot, kSeconds> slots_;
};

}  // namespace pingti::routing
