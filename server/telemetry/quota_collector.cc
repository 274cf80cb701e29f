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

void AddLevels(const LabelList& labels, QuotaSpan stats, int64_t now_us, Family* limits,
               Family* remaining, Family* used) {
  for (int i = 0; i < kQuotaDimensionCount; ++i) {
    const QuotaLevel* newest = nullptr;
    for (const QuotaStats* each : stats) {
      const QuotaLevel& level = each->levels[i];
      if (level.limit.value() == 0) continue;
      if (newest == nullptr || level.seen_us.value() > newest->seen_us.value()) newest = &level;
    }
    if (newest == nullptr) continue;
    const double capacity = static_cast<double>(newest->capacity.value());
    const double left = Remaining(*newest, i, now_us);
    const std::string_view name = QuotaDimensionName(i);
    limits->Add(With(labels, "dimension", name), static_cast<double>(newest->limit.value()));
    remaining->Add(With(labels, "dimension", name), left);
    used->Add(With(labels, "dimension", name), (capacity - left) / capacity);
  }
}

}  // namespace

void Collector::AddQuotas(Families* out) const {
  Family admitted = CounterFamily("pingti_quota_admitted_total", "Calls that a quota admitted.");
  Family refusals =
      CounterFamily("pingti_quota_refusals_total", "Calls that a quota refused for now.");
  Family shadow = CounterFamily("pingti_quota_shadow_refusals_total",
                                "Calls that a limit in shadow mode would have refused.");
  Family too_large = CounterFamily("pingti_quota_too_large_total",
                                   "Calls refused for good: larger than the whole bucket.");
  Family store_down = CounterFamily("pingti_quota_store_down_refusals_total",
                                    "Calls refused because the shared store was down.");
  Family reserved =
      CounterFamily("pingti_quota_reserved_tokens_total", "Tokens reserved before calls.");
  Family settled =
      CounterFamily("pingti_quota_settled_tokens_total", "Tokens that settled calls really took.");
  Family limits = GaugeFamily("pingti_quota_limit", "Limits, per window or at once.");
  Family remaining =
      GaugeFamily("pingti_quota_remaining", "What is left of a limit; below 0: in debt.");
  Family used = GaugeFamily("pingti_quota_used_ratio", "Share of a limit that is used up.");
  Family waiting = GaugeFamily("pingti_quota_waiting", "Calls that wait for their quota.");
  Family waits = CounterFamily("pingti_quota_waits_total", "Waits that ended, by result.");

  const int64_t now_us = base::SystemClock().MonotonicNow().micros();
  tables_.quotas.ForEach([&](const QuotaLabels& l, QuotaSpan stats) {
    const LabelList labels = MakeLabels(
        {{"tenant", l.tenant}, {"provider", l.provider}, {"model_class", l.model_class}});
    admitted.Add(labels, Sum(stats, [](const QuotaStats& s) -> auto& { return s.admitted; }));
    for (int i = 0; i < kQuotaDimensionCount; ++i) {
      const std::string_view name = QuotaDimensionName(i);
      refusals.Add(With(labels, "dimension", name),
                   Sum(stats, [=](const QuotaStats& s) -> auto& { return s.refused[i]; }));
      const double n =
          Sum(stats, [=](const QuotaStats& s) -> auto& { return s.shadow_refused[i]; });
      if (n != 0) shadow.Add(With(labels, "dimension", name), n);
    }
    too_large.Add(labels, Sum(stats, [](const QuotaStats& s) -> auto& { return s.too_large; }));
    store_down.Add(labels, Sum(stats, [](const QuotaStats& s) -> auto& { return s.store_down; }));
    reserved.Add(labels,
                 Sum(stats, [](const QuotaStats& s) -> auto& { return s.reserved_tokens; }));
    settled.Add(labels, Sum(stats, [](const QuotaStats& s) -> auto& { return s.settled_tokens; }));
    AddLevels(labels, stats, now_us, &limits, &remaining, &used);
    waiting.Add(labels, Sum(stats, [](const QuotaStats& s) -> auto& { return s.waiting; }));
    waits.Add(With(labels, "result", "served"),
              Sum(stats, [](const QuotaStats& s) -> auto& { return s.waits_served; }));
    waits.Add(With(labels, "result", "refused"),
              Sum(stats, [](const QuotaStats& s) -> auto& { return s.waits_refused; }));
  });
  for (Family* family : {&admitted, &refusals, &shadow, &too_large, &store_down, &reserved,
                         &settled, &limits, &remaining, &used, &waiting, &waits}) {
    family->MoveTo(out);
  }
}

void Collector::AddQuotaStore(Families* out) const {
  std::vector<const WorkerStats*> workers;
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
