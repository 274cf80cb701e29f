// Chance, behind an interface so that a simulated run replays from its seed.
#pragma once

#include <cstdint>
#include <memory>

namespace pingti::base {

// Thread-safety: none; each worker owns one.
class Random {
 public:
  virtual ~Random() = default;
  // 64 uniformly distributed bits.
  virtual uint64_t Next() = 0;
};

// Fast bits for ids and jitter, seeded from the kernel. Not for keys.
std::unique_ptr<Random> NewSeededRandom();

}  // namespace pingti::base
