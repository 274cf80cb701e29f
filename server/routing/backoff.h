// How long to wait before the same target is tried again.
//
// Full jitter: anything up to 100 ms, 200 ms, 400 ms, ... at most 2 s, so that calls that failed
// together do not come back together. What the provider asks for itself is the least.
#pragma once

#include <algorithm>
#include <optional>

#include "absl/time/time.h"
#include "server/base/random.h"

namespace pingti::routing {

inline constexpr absl::Duration kBackoffFirst = absl::Milliseconds(100);
inline constexpr absl::Duration kBackoffMax = absl::Seconds(2);

// `retries`: how often this call has tried again before, from 0. `retry_after`: what the provider
// has asked for.
inline absl::Duration Backoff(int retries, std::optional<absl::Duration> retry_after,
                              base::Random& random) {
  constexpr int kDoublingsMax = 10;
  const absl::Duration most =
      std::min(kBackoffFirst * (int64_t{1} << std::min(retries, kDoublingsMax)), kBackoffMax);
  constexpr int kFractionBits = 53;
  const double share = static_cast<double>(random.Next() >> (64 - kFractionBits)) /
                       static_cast<double>(int64_t{1} << kFractionBits);
  return std::max(most * share, retry_after.value_or(absl::ZeroDuration()));
}

}  // namespace pingti::routing
