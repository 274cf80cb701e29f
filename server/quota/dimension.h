// What a limit counts, and over which time.
#pragma once

#include <string_view>

#include "absl/time/time.h"
#include "server/config/config.h"

namespace pingti::quota {

enum class Dimension {
  kRequestsPerMinute,
  kTokensPerMinute,
  kRequestsPerDay,
  kTokensPerDay,
  kCallsAtOnce
};
inline constexpr int kDimensionCount = 5;
// The first four refill with time and are buckets; calls at once are slots.
inline constexpr int kBucketCount = 4;

// `requests_per_minute`, ... as in the configuration: in bucket names, errors and metrics.
std::string_view DimensionName(Dimension dimension);

// Whether a call takes its tokens from it; it takes 1 from every other.
bool CountsTokens(Dimension dimension);

// REQUIRES: not kCallsAtOnce.
absl::Duration WindowOf(Dimension dimension);

const std::optional<config::Limit>& LimitOf(const config::ClassLimits& limits, Dimension dimension);

}  // namespace pingti::quota
