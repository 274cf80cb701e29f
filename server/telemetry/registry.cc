#include "server/telemetry/registry.h"

#include "prometheus/text_serializer.h"
#include "server/base/check.h"
#include "server/telemetry/collector.h"
#include "server/telemetry/tables.h"

namespace pingti::telemetry {

CallStats& WorkerMetrics::Calls(const CallLabels& labels) {
  ModelStats& model_stats =
      tables_.models.Resolve({labels.provider, labels.model, labels.upstream_model}, index_);
  return tables_.calls.Resolve(labels, index_, model_stats, labels.method);
}

AttemptStats& WorkerMetrics::Attempts(const AttemptLabels& labels) {
  return tables_.attempts.Resolve(labels, index_);
}

ProviderStats& WorkerMetrics::Provider(const ProviderLabels& labels) {
  return tables_.providers.Resolve(labels, index_);
}

QuotaStats& WorkerMetrics::Quotas(const QuotaLabels& labels) {
  return tables_.quotas.Resolve(labels, index_);
}

Registry::Registry(int workers, int series_max)
    : tables_(std::make_unique<Tables>(workers, series_max)) {
  PINGTI_CHECK(workers >= 1 && series_max >= 1, "a registry has workers and series");
  for (int i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<WorkerMetrics>(*tables_, i));
  }
  collector_ = std::make_shared<Collector>(*tables_, workers_, process_, ledger_);
}

Registry::~Registry() = default;

std::string Registry::Text() const {
  return prometheus::TextSerializer().Serialize(collector_->Collect());
}

}  // namespace pingti::telemetry
