#include "server/quota/dimension.h"

#include "server/telemetry/call_stats.h"

namespace pingti::quota {

static_assert(kDimensionCount == telemetry::kQuotaDimensionCount);

std::string_view DimensionName(Dimension dimension) {
  return telemetry::QuotaDimensionName(static_cast<int>(dimension));
}

bool CountsTokens(Dimension dimension) {
  return dimension == Dimension::kTokensPerMinute || dimension == Dimension::kTokensPerDay;
}

absl::Duration WindowOf(Dimension dimension) {
  const bool day = dimension == Dimension::kRequestsPerDay || dimension == Dimension::kTokensPerDay;
  return day ? absl::Hours(24) : absl::Minutes(1);
}

const std::optional<config::Limit>& LimitOf(const config::ClassLimits& limits,
                                            Dimension dimension) {
  switch (dimension) {
    case Dimension::kRequestsPerMinute:
      return limits.requests_per_minute;
    case Dimension::kTokensPerMinute:
      return limits.tokens_per_minute;
    case Dimension::kRequestsPerDay:
      return limits.requests_per_day;
    case Dimension::kTokensPerDay:
      return limits.tokens_per_day;
    case Dimension::kCallsAtOnce:
      break;
  }
  return limits.calls_at_once;
}

}  // namespace pingti::quota
