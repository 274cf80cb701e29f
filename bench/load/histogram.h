// Durations in fixed memory: counts in buckets whose width grows with the value.
//
// Below 512 ns every value has its own bucket; above it each power of two is cut into 256, so a
// percentile is off by at most 1/512 of itself. Recording neither allocates nor branches on the
// data, and a run of any length takes 74 KB.
//
// Thread-safety: none.
#pragma once

#include <cstdint>
#include <vector>

namespace pingti::bench {

class Histogram {
 public:
  Histogram();

  // Counts a duration; a negative one (two clock reads that raced) counts as 0, one past 2^40 ns
  // (18 min) as that.
  void Record(int64_t ns);

  int64_t count() const { return count_; }
  int64_t max() const { return max_; }

  // The value below which `share` (0 to 1) of the records lie, in ns; 0 where there are none.
  int64_t Percentile(double share) const;

 private:
  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace pingti::bench
