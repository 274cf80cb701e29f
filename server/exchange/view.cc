#include "server/exchange/view.h"

#include <limits>
#include <utility>

#include "server/providers/registry.h"

namespace pingti::exchange {

View::View(std::shared_ptr<const Runtime> runtime, telemetry::WorkerMetrics& metrics,
           Learning& learning, routing::HealthBook& health, admission::TenantLoads& loads)
    : runtime_(std::move(runtime)),
      metrics_(metrics),
      learning_(learning),
      health_(health),
      tenant_loads_(loads),
      series_(runtime_->config().tenants.size()),
      loads_(series_.size()),
      available_(series_.size(), std::numeric_limits<int64_t>::max()) {
  for (const config::Provider& provider : config().providers) {
    auto& dialect = dialects_[provider.dialect];
    if (!dialect) dialect = providers::NewDialect(provider.dialect);
  }
}

admission::TenantLoad& View::load(size_t tenant) {
  std::shared_ptr<admission::TenantLoad>& load = loads_[tenant];
  if (!load) load = tenant_loads_.Find(config().tenants[tenant].name);
  return *load;
}

const Series& View::series(size_t tenant, const routing::Route& route) {
  std::vector<Series>& row = series_[tenant];
  if (row.empty()) row.resize(runtime_->routes().routes().size());
  Series& series = row[route.index];
  if (!series.targets.empty()) return series;
  series.quota = &metrics_.Quotas({config().tenants[tenant].name, "", route.model_class});
  series.limits = runtime_->quotas().Find(tenant, route.model_class);
  series.line = runtime_->quotas().Line(tenant, route.model_class);
  series.requested_prices = runtime_->prices().Find(route.name);
  series.targets.reserve(route.targets.size());
  for (const routing::Target& target : route.targets) {
    series.targets.push_back(MakeTarget(tenant, route, target));
  }
  return series;
}

TargetSeries View::MakeTarget(size_t tenant, const routing::Route& route,
                              const routing::Target& target) {
  const std::string& name = config().tenants[tenant].name;
  const std::string& provider = target.provider->name;
  const std::string& model_class = target.model->model_class;
  const quota::QuotaBook& quotas = runtime_->quotas();
  TargetSeries series;
  series.target = &target;
  series.unary = &metrics_.Calls(
      {name, route.name, provider, target.upstream_model, telemetry::Method::kUnary});
  series.stream = &metrics_.Calls(
      {name, route.name, provider, target.upstream_model, telemetry::Method::kStream});
  series.attempts = &metrics_.Attempts({provider, target.upstream_model});
  series.provider = &metrics_.Provider({provider});
  series.provider_health = health_.Provider(provider);
  series.prices = runtime_->prices().Find(target.model->name);
  series.learned = learning_.Find(name, route, target);
  const routing::BreakerOptions breaker = routing::BreakerOptionsOf(config().routing);
  for (const UpstreamKey& key : runtime_->keys(*target.provider)) {
    KeySeries& of_key = series.keys.emplace_back();
    of_key.key = &key;
    of_key.quota = &metrics_.Quotas({"", provider, model_class});
    if (config().features.quota) {
      of_key.limits = quotas.FindProvider(provider, key.key.name, model_class);
      of_key.line = quotas.ProviderLine(provider, key.key.name, model_class);
    }
    of_key.key_health = health_.Key(provider, key.key.name);
    of_key.health = health_.Target(provider, key.key.name, target.upstream_model, breaker);
    series.key_options.push_back({of_key.key_health.get(), of_key.health.get(), key.key.weight});
  }
  return series;
}

}  // namespace pingti::exchange
