// Bits that a test knows: a counter, or a list that is given. Thread-safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "server/base/random.h"

namespace pingti::fakes {

class FakeRandom final : public base::Random {
 public:
  // 1, 2, 3, ...
  FakeRandom() = default;
  // `bits` in turn, over and over. REQUIRES: not empty.
  explicit FakeRandom(std::vector<uint64_t> bits) : bits_(std::move(bits)) {}

  uint64_t Next() override {
    const uint64_t drawn = drawn_++;
    return bits_.empty() ? drawn + 1 : bits_[drawn % bits_.size()];
  }
  uint64_t drawn() const { return drawn_; }

 private:
  const std::vector<uint64_t> bits_;
  uint64_t drawn_ = 0;
};

}  // namespace pingti::fakes
