// A random history of a tenant's limits, run on a store step by step beside an exact model.
//
// A history is a list of numbers: the first ones choose the limits, each further one is an
// operation. Any list is a valid history, so that a failing one can be shrunk. The same list gives
// the same history on every store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/contract/store_harness.h"

namespace pingti::quota {

// What the store answered to one reservation.
struct TraceAnswer {
  bool granted = false;
  int scope = 0;  // that refused
  int dimension = 0;
  absl::Duration wait;
  std::vector<int64_t> remaining;  // of the first scope, by dimension; only limited ones
  friend bool operator==(const TraceAnswer&, const TraceAnswer&) = default;
};

struct TraceResult {
  std::vector<TraceAnswer> answers;
  // Empty: the store did what the model says, and every window is within the bound.
  std::string error;
};

// REQUIRES: the store of `harness` knows no set of `owner` yet.
TraceResult RunTrace(StoreHarness& harness, const std::vector<uint64_t>& history,
                     const std::string& owner);

}  // namespace pingti::quota
