#include "server/exchange/learning.h"

#include <cmath>

namespace pingti::exchange {
namespace {

template <typename Key, typename Value>
Value* FindOrAdd(std::map<Key, std::unique_ptr<Value>>& entries, const Key& key) {
  const auto found = entries.find(key);
  if (found != entries.end()) return found->second.get();
  if (entries.size() >= Learning::kEntriesMax) return nullptr;
  return entries.emplace(key, std::make_unique<Value>()).first->second.get();
}

}  // namespace

Learned Learning::Find(const std::string& tenant, const routing::Route& route,
                       const routing::Target& target) {
  base::MutexLock lock(mutex_);
  return {FindOrAdd(factors_, target.provider->name + "/" + target.upstream_model),
          FindOrAdd(outputs_, std::make_pair(tenant, route.name))};
}

quota::EstimateContext EstimateContextOf(const config::Config& config, config::ReservePolicy policy,
                                         const routing::Target& target, const Learned& learned) {
  quota::EstimateContext context;
  context.model_output_max = target.model->output_tokens_max;
  context.context_tokens = target.model->context_tokens;
  context.rules = config.estimation;
  context.policy = policy;
  if (learned.input_factor != nullptr) context.input_factor = learned.input_factor->factor();
  if (learned.outputs != nullptr) context.likely_output = learned.outputs->likely();
  return context;
}

void Learn(const model::Usage& usage, const quota::Estimate& estimate, int choices,
           const Learned& learned, telemetry::AttemptStats& stats) {
  if (learned.input_factor != nullptr) {
    learned.input_factor->Learn(estimate.ruled_input_tokens, usage.input_tokens);
    stats.input_factor.Set(std::lround(learned.input_factor->factor() * 1000));
  }
  if (learned.outputs != nullptr) {
    learned.outputs->Observe((usage.output_tokens + choices - 1) / choices);
  }
  if (const auto ratio = quota::EstimateErrorRatio(estimate.reserved_tokens, usage.total())) {
    stats.estimate_ratio.Observe(*ratio);
  }
}

}  // namespace pingti::exchange
