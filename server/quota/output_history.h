// What the calls of one tenant to one model have produced, to know what the next is likely to.
//
// Counts of output tokens in buckets whose width is a quarter of a power of two: 172 bytes,
// whatever has been seen. When kObservationsMax are in it, all counts are halved, so that the last
// thousand calls matter and older ones fade.
//
// Thread-safe and shared by all workers, by relaxed atomics without a lock. Calls that end at the
// same moment may disturb the counts by a few, never by more.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace pingti::quota {

class OutputHistory {
 public:
  // Fewer tell nothing about the 95th percentile.
  static constexpr uint32_t kObservationsMin = 20;
  static constexpr uint32_t kObservationsMax = 1'024;
  // Larger answers count as this.
  static constexpr int64_t kTokensMax = (1 << 21) - 1;

  // The output tokens of one choice of a call that has ended.
  void Observe(int64_t tokens);

  // The 95th percentile: 19 of 20 choices had no more. Rounded up to the end of its bucket, at most
  // a quarter too high. Absent until kObservationsMin were observed. One load.
  std::optional<int64_t> likely() const {
    const int32_t likely = likely_.load(std::memory_order_relaxed);
    if (likely < 0) return std::nullopt;
    return likely;
  }

 private:
  static constexpr int kBuckets = 80;
  static int BucketOf(int64_t tokens);
  static int64_t LastOf(int bucket);

  void Halve();
  int64_t Percentile95() const;

  std::array<std::atomic<uint16_t>, kBuckets> counts_{};
  std::atomic<uint32_t> observations_ = 0;  // what is in counts_, nearly
  std::atomic<uint32_t> ever_ = 0;          // up to kObservationsMin
  std::atomic<int32_t> likely_ = -1;        // -1: none yet
};

static_assert(sizeof(OutputHistory) <= 200);

}  // namespace pingti::quota
