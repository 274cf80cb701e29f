// Turns the series of a Registry into what Prometheus scrapes. Private to this folder.
#pragma once

#include <memory>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "server/telemetry/registry.h"
#include "server/telemetry/tables.h"

namespace pingti::telemetry {

// Thread-safe. Reads the Registry that owns it, in the scraper's thread.
class Collector final : public prometheus::Collectable {
 public:
  Collector(const Tables& tables, const std::vector<std::unique_ptr<WorkerMetrics>>& workers,
            const ProcessStats& process, const LedgerStats& ledger);

  // A sample for every label set that has been resolved; samples by result, failure class and usage
  // source only where they are not 0.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  using Families = std::vector<prometheus::MetricFamily>;
  void AddCalls(Families* out) const;
  void AddCosts(Families* out) const;
  void AddModels(Families* out) const;
  void AddAttempts(Families* out) const;
  void AddProviders(Families* out) const;
  void AddQuotas(Families* out) const;      // quota_collector.cc
  void AddQuotaStore(Families* out) const;  // quota_collector.cc
  void AddLedger(Families* out) const;      // ledger_collector.cc
  void AddWorkers(Families* out) const;
  void AddOverflows(Families* out) const;

  const Tables& tables_;
  const std::vector<std::unique_ptr<WorkerMetrics>>& workers_;
  const ProcessStats& process_;
  const LedgerStats& ledger_;
  const double start_time_;
};

}  // namespace pingti::telemetry
