// What a call is told while it waits for its quota, or instead of it. Pure functions.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/quota/store.h"

namespace pingti::exchange {

// How long a call has to wait that finds others waiting before it: `tokens_ahead` and
// `requests_ahead` are theirs. By the limit that takes longest; exact where nothing else changes.
// REQUIRES: `demand` has a scope, whose states `first_scope` are.
quota::Refusal RefusalBehindOthers(const quota::Demand& demand,
                                   const quota::ScopeStates& first_scope, int64_t requests_ahead,
                                   int64_t tokens_ahead);

// Until when a call may wait: `max_queue_wait` after its arrival, at most `wait_max`, and never
// past its deadline.
base::Instant WaitUntil(base::Instant arrival, base::Instant deadline,
                        absl::Duration max_queue_wait, absl::Duration wait_max);

}  // namespace pingti::exchange
