// The time of the simulated provider: CLOCK_MONOTONIC in nanoseconds, the same on the whole
// machine, so that a receiver on it can subtract.
#pragma once

#include <time.h>

#include <cstdint>

namespace pingti::upstream {

inline int64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

inline int64_t NsFromMs(double ms) { return static_cast<int64_t>(ms * 1e6); }

}  // namespace pingti::upstream
