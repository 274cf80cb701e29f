// The part of a scrape that is about quotas.
#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/telemetry/collector.h"
#include "server/telemetry/families.h"

namespace pingti::telemetry {
namespace {

using QuotaSpan = std::span<const QuotaStats* const>;
using WorkerSpan = std::span<const WorkerStats* const>;

LabelList With(LabelList labels, const char* name, std::string_view value) {
  labels.push_back({name, std::string(value)});
  return labels;
}

// Microseconds in which a limit refills; 0: calls at once, which do not.
int64_t WindowUs(int dimension) {
  constexpr int64_t kMinuteUs = 60'000'000;
  constexpr int64_t kWindows[kQuotaDimensionCount] = {kMinuteUs, kMinuteUs, 1440 * kMinuteUs,
                                                      1440 * kMinuteUs, 0};
  return kWindows[dimension];
}

// What is left of a limit now.
double Remaining(const QuotaLevel& level, int dimension, int64_t now_us) {
  const double remaining = static_cast<double>(level.remaining.value());
  if (WindowUs(dimension) == 0) return remaining;
  const double refilled =
      static_cast<double>(level.limit.value()) *
      static_cast<double>(std::max<int64_t>(0, now_us - level.seen_us.value())) /
      static_cast<double>(WindowUs(dimension));
  return std::min(static_cast<double>(level.capacity.value()), remaining + refilled);
}

// Whose limits refused, of what `refused` counts.
std::string_view ScopeOf(const QuotaLabels& labels) {
  if (labels == QuotaLabels::Other()) return "other";
  return labels.tenant.empty() ? "provider" : "tenant";
}

// Counters with no label of their own.
struct PlainCounter {
  const char* name;
  const char* help;
  Counter QuotaStats::* member;
};
constexpr PlainCounter kCounters[] = {
    {"pingti_quota_admitted_total", "Calls that a quota admitted.", &QuotaStats::admitted},
    {"pingti_quota_too_large_total", "Calls refused for good: larger than the whole bucket.",
     &QuotaStats::too_large},
    {"pingti_quota_store_down_refusals_total", "Calls refused because the shared store was down.",
     &QuotaStats::store_down},
    {"pingti_quota_reserved_tokens_total", "Tokens reserved before calls.",
     &QuotaStats::reserved_tokens},
    {"pingti_quota_settled_tokens_total", "Tokens that settled calls really took.",
     &QuotaStats::settled_tokens},
    {"pingti_quota_overrun_tokens_total", "Tokens taken past the reservations of calls.",
     &QuotaStats::overrun_tokens},
};

// The metrics of QuotaStats while their samples are collected.
class QuotaFamilies {
 public:
  QuotaFamilies() {
    for (const PlainCounter& each : kCounters) {
      counters_.push_back(CounterFamily(each.name, each.help));
    }
  }

  void Add(const QuotaLabels& l, QuotaSpan stats, int64_t now_us) {
    const LabelList labels = MakeLabels(
        {{"tenant", l.tenant}, {"provider", l.provider}, {"model_class", l.model_class}});
    for (size_t i = 0; i < counters_.size(); ++i) {
      const auto member = kCounters[i].member;
      counters_[i].Add(labels, Sum(stats, [=](const QuotaStats& s) -> auto& { return s.*member; }));
    }
    for (int i = 0; i < kQuotaDimensionCount; ++i) {
      AddRefusals(With(labels, "dimension", QuotaDimensionName(i)), ScopeOf(l), stats, i);
      AddLevel(With(labels, "dimension", QuotaDimensionName(i)), stats, i, now_us);
    }
    AddWaits(labels, stats);
  }

  void MoveTo(std::vector<prometheus::MetricFamily>* out) {
    for (Family& family : counters_) family.MoveTo(out);
    for (Family* family : {&refusals_, &shadow_, &limits_, &remaining_, &used_, &debt_, &waiting_,
                           &waiting_tokens_, &expected_wait_, &waits_}) {
      family->MoveTo(out);
    }
  }

 private:
  void AddRefusals(const LabelList& labels, std::string_view scope, QuotaSpan stats, int i) {
    refusals_.Add(With(labels, "scope", scope),
                  Sum(stats, [=](const QuotaStats& s) -> auto& { return s.refused[i]; }));
    const double by_key =
        Sum(stats, [=](const QuotaStats& s) -> auto& { return s.refused_by_key[i]; });
    if (by_key != 0) refusals_.Add(With(labels, "scope", "key"), by_key);
    const double shadow =
        Sum(stats, [=](const QuotaStats& s) -> auto& { return s.shadow_refused[i]; });
    if (shadow != 0) shadow_.Add(labels, shadow);
  }

  void AddLevel(const LabelList& labels, QuotaSpan stats, int i, int64_t now_us) {
    const QuotaLevel* newest = nullptr;
    for (const QuotaStats* each : stats) {
      const QuotaLevel& level = each->levels[i];
      if (level.limit.value() == 0) continue;
      if (newest == nullptr || level.seen_us.value() > newest->seen_us.value()) newest = &level;
    }
    if (newest == nullptr) return;
    const double capacity = static_cast<double>(newest->capacity.value());
    const double left = Remaining(*newest, i, now_us);
    limits_.Add(labels, static_cast<double>(newest->limit.value()));
    remaining_.Add(labels, left);
    used_.Add(labels, (capacity - left) / capacity);
    debt_.Add(labels, std::max(0.0, -left));
  }

  void AddWaits(const LabelList& labels, QuotaSpan stats) {
    // Workers share a line; what each was told last may be of different moments.
    int64_t expected_ms = 0;
    for (const QuotaStats* each : stats) {
      if (each->waiting.value() == 0) continue;
      expected_ms = std::max(expected_ms, each->expected_wait_ms.value());
    }
    waiting_.Add(labels, Sum(stats, [](const QuotaStats& s) -> auto& { return s.waiting; }));
    waiting_tokens_.Add(labels,
                        Sum(stats, [](const QuotaStats& s) -> auto& { return s.waiting_tokens; }));
    expected_wait_.Add(labels, static_cast<double>(expected_ms) / 1000.0);
    waits_.Add(With(labels, "result", "served"),
               Sum(stats, [](const QuotaStats& s) -> auto& { return s.waits_served; }));
    waits_.Add(With(labels, "result", "refused"),
               Sum(stats, [](const QuotaStats& s) -> auto& { return s.waits_refused; }));
  }

  std::vector<Family> counters_;  // as kCounters
  Family refusals_ = CounterFamily("pingti_quota_refusals_total",
                                   "Calls that a quota refused for now, by whose limit it was.");
  Family shadow_ = CounterFamily("pingti_quota_shadow_refusals_total",
                                 "Calls that a limit in shadow mode would have refused.");
  Family limits_ = GaugeFamily("pingti_quota_limit", "Limits, per window or at once.");
  Family remaining_ =
      GaugeFamily("pingti_quota_remaining", "What is left of a limit; below 0: in debt.");
  Family used_ = GaugeFamily("pingti_quota_used_ratio", "Share of a limit that is used up.");
  Family debt_ = GaugeFamily("pingti_quota_debt", "What a limit is below 0; 0: not in debt.");
  Family waiting_ = GaugeFamily("pingti_quota_waiting", "Calls that wait for their quota.");
  Family waiting_tokens_ =
      GaugeFamily("pingti_quota_waiting_tokens", "Tokens that the waiting calls want.");
  Family expected_wait_ = GaugeFamily("pingti_quota_expected_wait_seconds",
                                      "How long the last call to join is going to wait.");
  Family waits_ = CounterFamily("pingti_quota_waits_total", "Waits that ended, by result.");
};

}  // namespace

void Collector::AddQuotas(Families* out) const {
  QuotaFamilies families;
  const int64_t now_us = base::SystemClock().MonotonicNow().micros();
  tables_.quotas.ForEach(
      [&](const QuotaLabels& l, QuotaSpan stats) { families.Add(l, stats, now_us); });
  families.MoveTo(out);
}

void Collector::AddQuotaStore(Families* out) const {
  std::vector<const WorkerStats*> workers;
  workers.reserve(workers_.size());
  for (const auto& worker : workers_) workers.push_back(&std::as_const(*worker).worker());
  const WorkerSpan all(workers);
  const auto add = [&](Family family, auto read) {
    family.Add({}, Sum(all, read));
    family.MoveTo(out);
  };
  add(GaugeFamily("pingti_quota_reservations_open", "Reservations of calls in flight."),
      [](const WorkerStats& s) -> auto& { return s.reservations_open; });
  add(CounterFamily("pingti_quota_reservations_dropped_total", "Never settled: a bug."),
      [](const WorkerStats& s) -> auto& { return s.reservations_dropped; });
  add(CounterFamily("pingti_ledger_holds_dropped_total", "Never ended: a bug."),
      [](const WorkerStats& s) -> auto& { return s.holds_dropped; });
  Family wait = HistogramFamily("pingti_quota_wait_seconds", "How long calls waited for quota.");
  wait.Add({}, Parts(all, [](const WorkerStats& s) -> auto& { return s.quota_wait; }));
  wait.MoveTo(out);

  add(CounterFamily("pingti_quota_store_operations_total", "Operations of the shared store."),
      [](const WorkerStats& s) -> auto& { return s.store.operations; });
  Family failures =
      CounterFamily("pingti_quota_store_failures_total", "Operations that failed, by kind.");
  for (int i = 0; i < kStoreFailureCount; ++i) {
    failures.Add(MakeLabels({{"kind", StoreFailureName(static_cast<StoreFailure>(i))}}),
                 Sum(all, [=](const WorkerStats& s) -> auto& { return s.store.failures[i]; }));
  }
  failures.MoveTo(out);
  Family latency = HistogramFamily("pingti_quota_store_latency_seconds",
                                   "Sending of an operation to its reply.");
  latency.Add({}, Parts(all, [](const WorkerStats& s) -> auto& { return s.store.latency; }));
  latency.MoveTo(out);
  Family without = CounterFamily("pingti_quota_store_down_decisions_total",
                                 "Decisions while the shared store was down, by policy.");
  without.Add(MakeLabels({{"policy", "local"}}),
              Sum(all, [](const WorkerStats& s) -> auto& { return s.store.decided_locally; }));
  without.Add(MakeLabels({{"policy", "deny"}}),
              Sum(all, [](const WorkerStats& s) -> auto& { return s.store.denied; }));
  without.Add(MakeLabels({{"policy", "allow"}}),
              Sum(all, [](const WorkerStats& s) -> auto& { return s.store.allowed; }));
  without.MoveTo(out);
  Family switches =
      CounterFamily("pingti_quota_store_switches_total", "Times the store was lost, or came back.");
  switches.Add(MakeLabels({{"to", "down"}}),
               Sum(all, [](const WorkerStats& s) -> auto& { return s.store.went_down; }));
  switches.Add(MakeLabels({{"to", "up"}}),
               Sum(all, [](const WorkerStats& s) -> auto& { return s.store.came_back; }));
  switches.MoveTo(out);
  add(GaugeFamily("pingti_quota_store_down", "Workers that do without the shared store now."),
      [](const WorkerStats& s) -> auto& { return s.store.down; });
  add(CounterFamily("pingti_quota_store_lost_changes_total", "Settlements that did not arrive."),
      [](const WorkerStats& s) -> auto& { return s.store.lost_changes; });
}

}  // namespace pingti::telemetry
