// What a call wants of its quota, what it got, and what it is told while it waits for it, or
// instead of it. Values and pure functions.
#pragma once

#include <array>
#include <optional>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/quota/store.h"
#include "server/quota/waiting_line.h"
#include "server/telemetry/quota_stats.h"

namespace pingti::exchange {

// By scope of a demand.
using AheadByScope = std::array<quota::WaitingLine::Ahead, quota::kScopesMax>;

// What a call asks for.
struct Wanted {
  quota::Demand demand;
  bool may_wait = true;
  std::array<quota::WaitingLine*, quota::kScopesMax> lines{};  // of the demand's scopes
  telemetry::QuotaStats* stats = nullptr;

  // A null `set` limits nothing.
  void Add(quota::BucketSet* set, quota::WaitingLine* line) {
    if (set == nullptr) return;
    lines[demand.scope_count] = line;
    demand.scopes[demand.scope_count++] = set;
  }
  // Where who was refused waits: in the line of what he is short of.
  quota::WaitingLine& LineOf(const quota::Refusal& refusal) const {
    return *lines[refusal.scope == demand.scopes[0] ? 0 : 1];
  }
};

// What it was answered.
struct Taken {
  quota::ReserveReply reply;
  std::optional<quota::Refusal> refusal;
  int place = 0;         // in the line of those that wait; 0: it did not have to
  bool stopped = false;  // the call was ended while it waited
};

// What stops a call that finds others waiting before it, `ahead` in the line of each scope: the
// limit that takes longest, exact where nothing else changes; with InfiniteDuration where the call
// is larger than a whole bucket. Nothing: there is room for all of them and this one. Limits in
// shadow mode stop nobody. `states` are those of the demand's scopes.
std::optional<quota::Refusal> RefusalBehindOthers(
    const quota::Demand& demand, const std::array<quota::ScopeStates, quota::kScopesMax>& states,
    const AheadByScope& ahead);

// Until when a call may wait: `max_queue_wait` after its arrival, at most `wait_max`, and never
// past its deadline.
base::Instant WaitUntil(base::Instant arrival, base::Instant deadline,
                        absl::Duration max_queue_wait, absl::Duration wait_max);

}  // namespace pingti::exchange
