// How many calls may be tried again at a provider: 10% of its calls of the last ten seconds, and
// three.
//
// Without it a provider that fails gets several times its load just when it can bear it least. It
// is clocked by calls: who calls little may retry little. Going to a provider that the call has not
// tried yet costs nothing here; that is bounded by the attempts of a call.
//
// Pure: time comes in as a value. Thread-safety: none; each worker has its own for each provider.
#pragma once

#include <cstdint>

#include "server/base/clock.h"
#include "server/routing/recent_counts.h"

namespace pingti::routing {

class RetryBudget {
 public:
  static constexpr int64_t kCallsPerRetry = 10;
  static constexpr int64_t kRetriesAtLeast = 3;

  // A call makes its first attempt at the provider.
  void OnCall(base::Instant now) { counts_.Add(now, 1, 0); }

  // A call would like to try once more there. True: it may, and is counted.
  bool TakeRetry(base::Instant now) {
    const RecentCounts::Sums sums = counts_.Read(now);
    if (sums.second >= kRetriesAtLeast + sums.first / kCallsPerRetry) return false;
    counts_.Add(now, 0, 1);
    return true;
  }

 private:
  RecentCounts counts_;  // first: calls, second: retries
};

}  // namespace pingti::routing
