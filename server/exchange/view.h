// The configuration as one call sees it, from its start to its end.
//
// A worker has one View at a time and gets a new one with each reload; a call pins the one that it
// began with by its shared_ptr, so its tenant, route and limits stay what they were. Belongs to the
// worker's loop thread; only the Runtime in it is shared with the other workers.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/admission/gate.h"
#include "server/billing/price_book.h"
#include "server/exchange/learning.h"
#include "server/exchange/runtime.h"
#include "server/providers/dialect.h"
#include "server/routing/choose.h"
#include "server/routing/health.h"
#include "server/routing/route_table.h"
#include "server/telemetry/registry.h"

namespace pingti::exchange {

// What is looked up once, when a tenant first uses a route.

// One of our keys at a target.
struct KeySeries {
  const UpstreamKey* key = nullptr;
  telemetry::QuotaStats* quota = nullptr;
  quota::BucketSet* limits = nullptr;  // ours there; null: none known, or quotas are off
  quota::WaitingLine* line = nullptr;
  std::shared_ptr<routing::KeyHealth> key_health;
  std::shared_ptr<routing::TargetHealth> health;
};

// One target of a route.
struct TargetSeries {
  const routing::Target* target = nullptr;
  telemetry::CallStats* unary = nullptr;
  telemetry::CallStats* stream = nullptr;
  telemetry::AttemptStats* attempts = nullptr;
  telemetry::ProviderStats* provider = nullptr;
  std::shared_ptr<routing::ProviderHealth> provider_health;
  std::vector<KeySeries> keys;                  // at least one
  std::vector<routing::KeyOption> key_options;  // the same
  Learned learned;
  const billing::ModelPrices* prices = nullptr;  // of the model; null: it has none
};

// A tenant and a route.
struct Series {
  telemetry::QuotaStats* quota = nullptr;  // of the tenant and the class that it names
  quota::BucketSet* limits = nullptr;
  quota::WaitingLine* line = nullptr;
  // Of the model that the caller names; null: there is no such model, or it has none.
  const billing::ModelPrices* requested_prices = nullptr;
  std::vector<TargetSeries> targets;  // as in the route; empty: not looked up yet

  const TargetSeries& first() const { return targets.front(); }
};

class View {
 public:
  // The others outlive it.
  View(std::shared_ptr<const Runtime> runtime, telemetry::WorkerMetrics& metrics,
       Learning& learning, routing::HealthBook& health, admission::TenantLoads& loads);
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const Runtime& runtime() const { return *runtime_; }
  const config::Config& config() const { return runtime_->config(); }

  // REQUIRES: the provider is on.
  providers::Dialect& dialect(const config::Provider& provider) const {
    return *dialects_.at(provider.dialect);
  }

  // Of the tenant number `tenant`; stays valid as long as the View.
  admission::TenantLoad& load(size_t tenant);
  // What that tenant had left when a call of this worker last heard of it; more than anything
  // before.
  int64_t& available(size_t tenant) { return available_[tenant]; }
  // What was left of the budget of a key of this runtime, likewise.
  int64_t& budget_left(std::string_view key_id) {
    return budgets_left_.try_emplace(key_id, std::numeric_limits<int64_t>::max()).first->second;
  }
  // Of the tenant number `tenant` and a route of this runtime; stays valid as long as the View.
  const Series& series(size_t tenant, const routing::Route& route);

 private:
  TargetSeries MakeTarget(size_t tenant, const routing::Route& route,
                          const routing::Target& target);
  const std::shared_ptr<const Runtime> runtime_;
  telemetry::WorkerMetrics& metrics_;
  Learning& learning_;
  routing::HealthBook& health_;
  admission::TenantLoads& tenant_loads_;
  std::map<std::string, std::unique_ptr<providers::Dialect>> dialects_;
  // By tenant, by route. A row is made when its tenant first calls: a reload of ten thousand
  // tenants costs little.
  std::vector<std::vector<Series>> series_;
  std::vector<std::shared_ptr<admission::TenantLoad>> loads_;  // the same
  std::vector<int64_t> available_;                             // by tenant
  // By public id, of keys with a budget that were used.
  std::unordered_map<std::string_view, int64_t> budgets_left_;
};

}  // namespace pingti::exchange
