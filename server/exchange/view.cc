#include "server/exchange/view.h"

#include <utility>

#include "server/providers/registry.h"

namespace pingti::exchange {

View::View(std::shared_ptr<const Runtime> runtime, telemetry::WorkerMetrics& metrics,
           Learning& learning)
    : runtime_(std::move(runtime)),
      metrics_(metrics),
      learning_(learning),
      series_(runtime_->config().tenants.size()) {
  for (const config::Provider& provider : config().providers) {
    auto& dialect = dialects_[provider.dialect];
    if (!dialect) dialect = providers::NewDialect(provider.dialect);
  }
}

const Series& View::series(size_t tenant, const routing::Route& route) {
  std::vector<Series>& row = series_[tenant];
  if (row.empty()) row.resize(runtime_->routes().routes().size());
  Series& series = row[route.index];
  if (series.unary == nullptr) {
    const std::string& name = config().tenants[tenant].name;
    const std::string& provider = route.provider->name;
    series.unary = &metrics_.Calls(
        {name, route.name, provider, route.upstream_model, telemetry::Method::kUnary});
    series.stream = &metrics_.Calls(
        {name, route.name, provider, route.upstream_model, telemetry::Method::kStream});
    series.attempts = &metrics_.Attempts({provider, route.upstream_model});
    series.quota = &metrics_.Quotas({name, "", route.model_class});
    series.provider_quota = &metrics_.Quotas({"", provider, route.model->model_class});
    const quota::QuotaBook& quotas = runtime_->quotas();
    series.limits = quotas.Find(tenant, route.model_class);
    series.line = quotas.Line(tenant, route.model_class);
    if (config().features.quota) {
      series.provider_limits = quotas.FindProvider(provider, route.model->model_class);
      series.provider_line = quotas.ProviderLine(provider, route.model->model_class);
    }
    series.learned = learning_.Find(name, route);
  }
  return series;
}

}  // namespace pingti::exchange
