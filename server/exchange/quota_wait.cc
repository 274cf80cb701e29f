#include "server/exchange/quota_wait.h"

#include <algorithm>

namespace pingti::exchange {
namespace {

// amount / limit of `window`, rounded up to the microsecond.
absl::Duration TimeToRefill(int64_t amount, int64_t limit, absl::Duration window) {
  if (amount <= 0) return absl::ZeroDuration();
  return absl::Ceil(window * amount / limit, absl::Microseconds(1));
}

// How long one limit takes until it has room for `own` units after those `ahead`.
absl::Duration WaitOf(quota::Dimension dimension, const quota::Bucket::State& state, int64_t own,
                      int64_t ahead) {
  if (own > state.capacity) return absl::InfiniteDuration();
  const int64_t missing = own + ahead - state.remaining;
  if (dimension != quota::Dimension::kCallsAtOnce) {
    return TimeToRefill(missing, state.limit, quota::WindowOf(dimension));
  }
  return missing > 0 ? quota::kSlotWait : absl::ZeroDuration();
}

}  // namespace

std::optional<quota::Refusal> RefusalBehindOthers(
    const quota::Demand& demand, const std::array<quota::ScopeStates, quota::kScopesMax>& states,
    const AheadByScope& ahead) {
  quota::Refusal longest;
  for (int s = 0; s < demand.scope_count; ++s) {
    for (int d = 0; d < quota::kDimensionCount; ++d) {
      const auto dimension = static_cast<quota::Dimension>(d);
      const auto& limit = demand.scopes[s]->limit(dimension);
      const auto& state = states[s][d];
      if (!state || (limit && limit->shadow)) continue;
      const bool tokens = quota::CountsTokens(dimension);
      const int64_t own = tokens ? demand.tokens : 1;
      const absl::Duration wait =
          WaitOf(dimension, *state, own, tokens ? ahead[s].tokens : ahead[s].calls);
      if (wait <= longest.wait) continue;
      longest.scope = demand.scopes[s];
      longest.dimension = dimension;
      longest.state = *state;
      longest.requested = own;
      longest.wait = wait;
    }
  }
  if (longest.scope == nullptr) return std::nullopt;
  return longest;
}

base::Instant WaitUntil(base::Instant arrival, base::Instant deadline,
                        absl::Duration max_queue_wait, absl::Duration wait_max) {
  return std::min(arrival + std::min(max_queue_wait, wait_max), deadline);
}

}  // namespace pingti::exchange
