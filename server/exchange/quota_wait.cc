#include "server/exchange/quota_wait.h"

#include <algorithm>

namespace pingti::exchange {
namespace {

// amount / limit of `window`, rounded up to the microsecond.
absl::Duration TimeToRefill(int64_t amount, int64_t limit, absl::Duration window) {
  if (amount <= 0) return absl::ZeroDuration();
  return absl::Ceil(window * amount / limit, absl::Microseconds(1));
}

}  // namespace

quota::Refusal RefusalBehindOthers(const quota::Demand& demand,
                                   const quota::ScopeStates& first_scope, int64_t requests_ahead,
                                   int64_t tokens_ahead) {
  quota::Refusal refusal;
  refusal.scope = demand.scopes[0];
  refusal.requested = 1;
  for (int i = 0; i < quota::kDimensionCount; ++i) {
    if (!first_scope[i]) continue;
    const auto dimension = static_cast<quota::Dimension>(i);
    const quota::Bucket::State& state = *first_scope[i];
    const bool tokens = quota::CountsTokens(dimension);
    const int64_t own = tokens ? demand.tokens : 1;
    const int64_t missing = own + (tokens ? tokens_ahead : requests_ahead) - state.remaining;
    absl::Duration wait = missing > 0 ? quota::kSlotWait : absl::ZeroDuration();
    if (dimension != quota::Dimension::kCallsAtOnce) {
      wait = TimeToRefill(missing, state.limit, quota::WindowOf(dimension));
    }
    if (refusal.state.limit != 0 && wait <= refusal.wait) continue;
    refusal.dimension = dimension;
    refusal.state = state;
    refusal.requested = own;
    refusal.wait = wait;
  }
  return refusal;
}

base::Instant WaitUntil(base::Instant arrival, base::Instant deadline,
                        absl::Duration max_queue_wait, absl::Duration wait_max) {
  return std::min(arrival + std::min(max_queue_wait, wait_max), deadline);
}

}  // namespace pingti::exchange
