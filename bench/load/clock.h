// The clock of the benchmark: nanoseconds of CLOCK_MONOTONIC, which every process of one machine
// shares, so that the simulated provider's send times can be compared with our receive times.
#pragma once

#include <time.h>

#include <cstdint>

namespace pingti::bench {

inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

inline int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
}

inline int64_t SecondsToNs(double seconds) {
  return static_cast<int64_t>(seconds * static_cast<double>(kNanosPerSecond));
}

inline timespec ToTimespec(int64_t ns) {
  return {.tv_sec = ns / kNanosPerSecond, .tv_nsec = ns % kNanosPerSecond};
}

}  // namespace pingti::bench
