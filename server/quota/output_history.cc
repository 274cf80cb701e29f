#include "server/quota/output_history.h"

#include <algorithm>
#include <bit>

namespace pingti::quota {

// 0 to 3 have their own; from there on each power of two has four.
int OutputHistory::BucketOf(int64_t tokens) {
  const auto value = static_cast<uint64_t>(std::clamp<int64_t>(tokens, 0, kTokensMax));
  if (value < 4) return static_cast<int>(value);
  const int power = std::bit_width(value) - 1;
  return 4 * (power - 1) + static_cast<int>(value >> (power - 2) & 3);
}

int64_t OutputHistory::LastOf(int bucket) {
  if (bucket < 4) return bucket;
  const int power = bucket / 4 + 1;
  return (int64_t{5} + bucket % 4) * (int64_t{1} << (power - 2)) - 1;
}

void OutputHistory::Observe(int64_t tokens) {
  std::atomic<uint16_t>& count = counts_[BucketOf(tokens)];
  count.fetch_add(1, std::memory_order_relaxed);
  if (observations_.fetch_add(1, std::memory_order_relaxed) + 1 == kObservationsMax) Halve();
  if (ever_.load(std::memory_order_relaxed) < kObservationsMin &&
      ever_.fetch_add(1, std::memory_order_relaxed) + 1 < kObservationsMin) {
    return;
  }
  likely_.store(static_cast<int32_t>(Percentile95()), std::memory_order_relaxed);
}

// By the one thread that added the last observation.
void OutputHistory::Halve() {
  uint32_t taken = 0;
  for (std::atomic<uint16_t>& count : counts_) {
    // The larger half: a single old observation must not stay for ever.
    const auto half = static_cast<uint16_t>((count.load(std::memory_order_relaxed) + 1) / 2);
    count.fetch_sub(half, std::memory_order_relaxed);
    taken += half;
  }
  observations_.fetch_sub(taken, std::memory_order_relaxed);
}

int64_t OutputHistory::Percentile95() const {
  std::array<uint16_t, kBuckets> counts;
  uint32_t total = 0;
  for (int i = 0; i < kBuckets; ++i) {
    counts[i] = counts_[i].load(std::memory_order_relaxed);
    total += counts[i];
  }
  uint32_t left = total - total / 20;  // how many of the smallest are 19 of 20, rounded up
  for (int i = 0; i < kBuckets; ++i) {
    if (left <= counts[i]) return LastOf(i);
    left -= counts[i];
  }
  return kTokensMax;
}

}  // namespace pingti::quota
