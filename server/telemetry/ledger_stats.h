// What is counted about money, for the whole process. Written by the storage thread only
// (counter.h). Amounts are nano-units of the ledger's currency.
#pragma once

#include <array>
#include <atomic>
#include <string_view>

#include "server/telemetry/buckets.h"
#include "server/telemetry/counter.h"

namespace pingti::telemetry {

// What became of the hold that a call asked for.
enum class HoldResult {
  kHeld,
  kBalanceTooLow,
  kKeyBudgetExhausted,
  kIdInUse,
  kIdOfOther,
  kNoAccount,
  kFailed
};
inline constexpr int kHoldResultCount = 7;
// Label: `held`, `balance_too_low`, `key_budget_exhausted`, `id_in_use`, `id_of_other`,
// `no_account`, `failed`.
std::string_view HoldResultName(HoldResult result);

struct LedgerStats {
  std::atomic<bool> on{false};  // there is a ledger; without one none of this is shown
  std::array<Counter, kHoldResultCount> holds;  // by HoldResult
  Counter holds_grown;                          // while their call streamed
  Counter growth_refused;                       // their call was ended for it
  Counter posts;                                // calls that were charged, 0 included
  Counter voids;                                // calls that were not
  Counter late;                                 // ends of calls that were recovered before
  Counter recovered;                            // calls ended because their process had died
  Counter charged;                              // nano-units that tenants paid
  Counter uncovered;                            // nano-units past a tenant's balance
  Counter bonus_expired;                        // nano-units
  Histogram cost_ratio{kEstimateRatios};        // what a call cost, of what was held for it
  Histogram batch_size{kBatchSizes};            // writes in one commit
  Histogram batch_seconds{kStoreSeconds};       // time of one commit, its writes included
  Counter batches_failed;
  Gauge outbox;          // ends of calls that wait because the database takes no writes
  Gauge writable;        // 1: the database takes writes
  Gauge holds_open;      // as of the last look, every kLookInterval
  Gauge oldest_hold_ms;  // the same: age of the oldest, 0 where there is none
  Gauge balances_low;    // the same: tenants below billing.low_balance
};

}  // namespace pingti::telemetry
