// What is counted about the store of the quotas that replicas share.
//
// One object per worker, written by its loop thread only (counter.h).
#pragma once

#include <array>
#include <string_view>

#include "server/telemetry/buckets.h"
#include "server/telemetry/counter.h"

namespace pingti::telemetry {

// Why an operation of the store failed.
enum class StoreFailure { kTimeout, kConnection, kReply };
inline constexpr int kStoreFailureCount = 3;
// Label: `timeout`, `connection`, `reply`.
std::string_view StoreFailureName(StoreFailure failure);

struct StoreStats {
  Counter operations;                                // sent to the store
  std::array<Counter, kStoreFailureCount> failures;  // by StoreFailure
  Histogram latency{kStoreSeconds};                  // seconds from sending to the reply
  Counter decided_locally;                           // reservations decided by the local share
  Counter denied;                                    // refused because the store was down
  Counter allowed;                                   // admitted without a limit because of it
  Counter went_down;                                 // switches to the policy of the tier ...
  Counter came_back;                                 // ... and back
  Gauge down;                                        // 1 while this worker does without the store
  Counter lost_changes;                              // settlements that did not reach the store
};

}  // namespace pingti::telemetry
