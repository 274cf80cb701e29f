// What was learned of the calls that ended, and how the next estimate uses it.
//
// Shared by all workers and thread-safe; survives a reload of the configuration.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/config/config.h"
#include "server/model/usage.h"
#include "server/quota/estimator.h"
#include "server/quota/input_factor.h"
#include "server/quota/output_history.h"
#include "server/routing/route_table.h"
#include "server/telemetry/call_stats.h"

namespace pingti::exchange {

// What is known of the calls of one tenant to one target of a route. Null members: too many are
// known already.
struct Learned {
  quota::InputFactor* input_factor = nullptr;  // of the serving model, from all tenants
  quota::OutputHistory* outputs = nullptr;     // of this tenant and the model that it names
};

class Learning {
 public:
  // Entries of each kind that are kept; who comes later is estimated without history.
  static constexpr size_t kEntriesMax = 10'000;

  // Stays valid as long as this. Takes a mutex: once per tenant and route, not once per call.
  Learned Find(const std::string& tenant, const routing::Route& route,
               const routing::Target& target);

 private:
  base::Mutex mutex_;
  std::map<std::string, std::unique_ptr<quota::InputFactor>> factors_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, std::unique_ptr<quota::OutputHistory>> outputs_
      ABSL_GUARDED_BY(mutex_);
};

// What an estimate for a call to `target` goes by; `policy` is that of the tenant's tier.
quota::EstimateContext EstimateContextOf(const config::Config& config, config::ReservePolicy policy,
                                         const routing::Target& target, const Learned& learned);

// A call has ended with measured usage: for the next estimates, and for the metrics.
void Learn(const model::Usage& usage, const quota::Estimate& estimate, int choices,
           const Learned& learned, telemetry::AttemptStats& stats);

}  // namespace pingti::exchange
