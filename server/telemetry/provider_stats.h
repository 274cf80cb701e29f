// What is counted about providers: each attempt at one of their models, and a provider as a whole.
//
// Each object belongs to one worker and is written by its loop thread only (counter.h). Resolve an
// object once with WorkerMetrics (registry.h); docs/metrics.md says how each member is exposed.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "server/model/failure.h"
#include "server/telemetry/buckets.h"
#include "server/telemetry/counter.h"

namespace pingti::telemetry {

// One provider x upstream model.
struct AttemptLabels {
  std::string provider;
  std::string upstream_model;
  static AttemptLabels Other() { return {"other", "other"}; }
  friend bool operator==(const AttemptLabels&, const AttemptLabels&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const AttemptLabels& l) {
    return H::combine(std::move(h), l.provider, l.upstream_model);
  }
};

struct AttemptStats {
  Counter attempts;  // requests sent, or tried to be sent, to the provider
  Counter retries;   // those that were not their call's first, whoever failed before
  std::array<Counter, model::kFailureClassCount> failures;
  // Seconds from the start of an attempt to its last byte, failed ones included.
  Histogram duration{kRequestSeconds};
  Counter bytes_in;  // bodies, as received
  // Reserved tokens over used ones, of calls whose usage was measured.
  Histogram estimate_ratio{kEstimateRatios};
  // What estimates of input tokens are multiplied with, in thousandths; 0: nothing learned yet.
  Gauge input_factor;
  Counter hedges;          // those that were begun beside one that was late
  Counter hedges_won;      // and served the call
  Counter lost_tokens;     // estimated input of attempts that another one of their call outran
  Counter breaker_opened;  // times that this worker's breaker opened
  Gauge breaker_open;      // 1 while it is open, probes included
};

// One provider.
struct ProviderLabels {
  std::string provider;
  static ProviderLabels Other() { return {"other"}; }
  friend bool operator==(const ProviderLabels&, const ProviderLabels&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ProviderLabels& l) {
    return H::combine(std::move(h), l.provider);
  }
};

struct ProviderStats {
  Gauge keys_benched;      // keys that this worker does not use for now
  Gauge out;               // 1 while this worker sends the provider nothing
  Counter outs;            // times that it was put out
  Counter retries_denied;  // attempts at it that were not made because the retry budget was spent
};

}  // namespace pingti::telemetry
