// What a call is told while it waits for its quota, or instead of it. Pure functions.
#pragma once

#include <array>
#include <optional>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/quota/store.h"
#include "server/quota/waiting_line.h"

namespace pingti::exchange {

// By scope of a demand.
using AheadByScope = std::array<quota::WaitingLine::Ahead, quota::kScopesMax>;

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
