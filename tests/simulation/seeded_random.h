// Bits from a seed of 64 bits (SplitMix64), and draws of all kinds from them. The same on every
// machine. Thread-safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "server/base/random.h"

namespace pingti::simulation {

class SeededRandom final : public base::Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  uint64_t Next() override {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 to n - 1. REQUIRES: n > 0.
  int64_t Below(int64_t n) { return static_cast<int64_t>(Next() % static_cast<uint64_t>(n)); }
  // Both ends included.
  int64_t Between(int64_t low, int64_t high) { return low + Below(high - low + 1); }
  absl::Duration Between(absl::Duration low, absl::Duration high) {
    return absl::Microseconds(
        Between(absl::ToInt64Microseconds(low), absl::ToInt64Microseconds(high)));
  }
  bool Chance(int percent) { return Below(100) < percent; }
  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(Below(static_cast<int64_t>(from.size())))];
  }
  // One whose draws do not depend on how much is drawn here later.
  SeededRandom Fork() { return SeededRandom(Next()); }

 private:
  uint64_t state_;
};

}  // namespace pingti::simulation
