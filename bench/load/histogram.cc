#include "bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace pingti::bench {
namespace {

constexpr int kStepBits = 8;                              // 256 buckets per power of two
constexpr int64_t kExactBelow = int64_t{2} << kStepBits;  // below it a value is its bucket
constexpr int64_t kValueMax = (int64_t{1} << 40) - 1;

int Shift(uint64_t value) { return std::bit_width(value) - kStepBits - 1; }

int64_t Bucket(int64_t value) {
  if (value < kExactBelow) return value;
  const int shift = Shift(static_cast<uint64_t>(value));
  return (int64_t{shift} << kStepBits) + (value >> shift);
}

// The middle of a bucket.
int64_t Value(int64_t bucket) {
  if (bucket < kExactBelow) return bucket;
  const int64_t shift = (bucket >> kStepBits) - 1;
  const int64_t low = (bucket - (shift << kStepBits)) << shift;
  return low + (int64_t{1} << shift) / 2;
}

}  // namespace

Histogram::Histogram() : counts_(static_cast<size_t>(Bucket(kValueMax)) + 1) {}

void Histogram::Record(int64_t ns) {
  const int64_t value = std::clamp<int64_t>(ns, 0, kValueMax);
  ++counts_[static_cast<size_t>(Bucket(value))];
  ++count_;
  max_ = std::max(max_, value);
}

int64_t Histogram::Percentile(double share) const {
  if (count_ == 0) return 0;
  const auto rank =
      std::max<int64_t>(1, std::llround(std::ceil(share * static_cast<double>(count_))));
  int64_t seen = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= rank) return std::min(Value(static_cast<int64_t>(bucket)), max_);
  }
  return max_;
}

}  // namespace pingti::bench
