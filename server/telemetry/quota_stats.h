// What is counted about the limits of a tenant, or of our key at a provider.
//
// Each object belongs to one worker and is written by its loop thread only (counter.h). Resolve an
// object once with WorkerMetrics (registry.h); docs/metrics.md says how each member is exposed.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "server/telemetry/counter.h"

namespace pingti::telemetry {

// What a limit counts: same numbers as quota::Dimension.
inline constexpr int kQuotaDimensionCount = 5;
// Label: `requests_per_minute`, ... as in the configuration.
std::string_view QuotaDimensionName(int dimension);

// The limits of one tenant or of one provider's key, for a model class.
struct QuotaLabels {
  std::string tenant;  // empty: a provider's
  std::string provider;
  std::string model_class;
  static QuotaLabels Other() { return {"other", "other", "other"}; }
  friend bool operator==(const QuotaLabels&, const QuotaLabels&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const QuotaLabels& l) {
    return H::combine(std::move(h), l.tenant, l.provider, l.model_class);
  }
};

// A limit as the last decision of this worker left it. A scrape takes that of the worker that saw
// it last, and works out what has been refilled since.
struct QuotaLevel {
  void Note(int64_t limit_now, int64_t capacity_now, int64_t remaining_now, int64_t now_us) {
    limit.Set(limit_now);
    capacity.Set(capacity_now);
    remaining.Set(remaining_now);
    seen_us.Set(now_us);
  }
  Gauge limit;  // 0: not limited
  Gauge capacity;
  Gauge remaining;  // below 0: in debt
  Gauge seen_us;    // on the monotonic clock
};

struct QuotaStats {
  Counter admitted;
  // By the dimension that was short. Refusals by the limits of an API key itself are counted with
  // the tenant and the class that the call asked for, but apart.
  std::array<Counter, kQuotaDimensionCount> refused;
  std::array<Counter, kQuotaDimensionCount> refused_by_key;
  std::array<Counter, kQuotaDimensionCount> shadow_refused;  // would have been, if enforced
  Counter too_large;        // refused for good: larger than the whole bucket
  Counter store_down;       // refused because the shared store was down
  Counter reserved_tokens;  // taken before calls
  Counter settled_tokens;   // what those calls cost the bucket in the end
  Counter overrun_tokens;   // taken past reservations, also into debt: by streams and at the end
  std::array<QuotaLevel, kQuotaDimensionCount> levels;
  Gauge waiting;           // calls that wait now
  Gauge waiting_tokens;    // that they want to reserve
  Gauge expected_wait_ms;  // what the last call to join, or to ask again, has to wait; stale where
                           // nobody waits, and then not shown
  Counter waits_served;    // waits that ended with the quota
  Counter waits_refused;   // ended without: too long a wait, or a full line
};

}  // namespace pingti::telemetry
