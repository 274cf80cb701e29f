// All series of the process: workers write theirs, a scrape adds them up.
//
// A worker asks its WorkerMetrics once for the objects of a label set and keeps the references; the
// path of a call then touches nothing but its own counters. A label set has one object per worker,
// each on cache lines of its own; Collect() adds them up without stopping anyone.
//
// Bounds: kSeriesMax label sets per kind (calls, models, attempts, providers, quotas). Past it
// every new label set shares one object whose labels are all `other`, counted in
// pingti_series_overflow_total.
//
// Thread-safety: resolving takes a mutex and may be done from any thread; what it returns has one
// writer, the worker's loop thread. Ownership: the Registry owns everything that it hands out and
// outlives its users, MetricsServer and AccessLog included.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/telemetry/call_stats.h"
#include "server/telemetry/ledger_stats.h"

namespace prometheus {
class Collectable;
}

namespace pingti::telemetry {

inline constexpr int kSeriesMax = 10'000;

class Tables;

// The series of one worker.
class WorkerMetrics {
 public:
  WorkerMetrics(Tables& tables, int index) : tables_(tables), index_(index) {}
  WorkerMetrics(const WorkerMetrics&) = delete;
  WorkerMetrics& operator=(const WorkerMetrics&) = delete;

  // Each takes a mutex: once per label set, not once per call. The references stay valid for as
  // long as the Registry lives.
  CallStats& Calls(const CallLabels& labels);
  AttemptStats& Attempts(const AttemptLabels& labels);
  ProviderStats& Provider(const ProviderLabels& labels);
  QuotaStats& Quotas(const QuotaLabels& labels);

  WorkerStats& worker() { return stats_; }
  const WorkerStats& worker() const { return stats_; }

 private:
  Tables& tables_;
  const int index_;
  alignas(64) WorkerStats stats_;
};

class Registry {
 public:
  // `workers` from 1; `series_max` from 1, smaller than kSeriesMax in tests.
  explicit Registry(int workers, int series_max = kSeriesMax);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  int workers() const { return static_cast<int>(workers_.size()); }
  // `index` from 0 to workers() - 1.
  WorkerMetrics& worker(int index) { return *workers_[index]; }

  ProcessStats& process() { return process_; }
  LedgerStats& ledger() { return ledger_; }

  // What a scrape gets, in Prometheus' text format.
  std::string Text() const;
  // For MetricsServer.
  std::shared_ptr<prometheus::Collectable> collectable() const { return collector_; }

 private:
  std::unique_ptr<Tables> tables_;
  std::vector<std::unique_ptr<WorkerMetrics>> workers_;
  ProcessStats process_;
  LedgerStats ledger_;
  std::shared_ptr<prometheus::Collectable> collector_;
};

}  // namespace pingti::telemetry
