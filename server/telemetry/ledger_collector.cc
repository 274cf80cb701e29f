// The metrics of the ledger: money, and the database that keeps it.
#include "server/telemetry/collector.h"
#include "server/telemetry/families.h"

namespace pingti::telemetry {
namespace {

// Amounts are shown in units of the ledger's currency: Prometheus' numbers are doubles.
constexpr double kNanoPerUnit = 1e9;

constexpr std::string_view kHoldResults[kHoldResultCount] = {
    "held",       "balance_too_low", "key_budget_exhausted", "id_in_use", "id_of_other",
    "no_account", "failed"};

double Units(const Counter& nano) { return static_cast<double>(nano.value()) / kNanoPerUnit; }

}  // namespace

std::string_view HoldResultName(HoldResult result) {
  return kHoldResults[static_cast<size_t>(result)];
}

void Collector::AddLedger(Families* out) const {
  const LedgerStats& s = ledger_;
  if (!s.on.load(std::memory_order_relaxed)) return;
  Family holds = CounterFamily("pingti_ledger_holds_total", "Holds that calls asked for.");
  for (int i = 0; i < kHoldResultCount; ++i) {
    holds.Add(MakeLabels({{"result", HoldResultName(static_cast<HoldResult>(i))}}),
              static_cast<double>(s.holds[static_cast<size_t>(i)].value()));
  }
  holds.MoveTo(out);
  Family ends = CounterFamily("pingti_ledger_calls_ended_total", "Metered calls that ended.");
  const auto add_end = [&](std::string_view how, const Counter& count) {
    ends.Add(MakeLabels({{"how", how}}), static_cast<double>(count.value()));
  };
  add_end("posted", s.posts);
  add_end("voided", s.voids);
  add_end("late", s.late);
  add_end("recovered", s.recovered);
  ends.MoveTo(out);
  Family growth = CounterFamily("pingti_ledger_hold_growths_total", "Holds made larger.");
  growth.Add(MakeLabels({{"result", "grown"}}), static_cast<double>(s.holds_grown.value()));
  growth.Add(MakeLabels({{"result", "refused"}}), static_cast<double>(s.growth_refused.value()));
  growth.MoveTo(out);
  const auto add = [&](Family family, double value) {
    family.Add({}, value);
    family.MoveTo(out);
  };
  add(CounterFamily("pingti_ledger_charged_total", "What tenants paid for calls."),
      Units(s.charged));
  add(CounterFamily("pingti_ledger_uncovered_total", "Cost of calls past a tenant's balance."),
      Units(s.uncovered));
  add(CounterFamily("pingti_ledger_bonus_expired_total", "Bonus that was not used in time."),
      Units(s.bonus_expired));
  const auto add_histogram = [&](Family family, const Histogram& histogram) {
    const Histogram* const parts[] = {&histogram};
    family.Add({}, parts);
    family.MoveTo(out);
  };
  add_histogram(HistogramFamily("pingti_ledger_cost_ratio", "Cost of a call, of its hold."),
                s.cost_ratio);
  add_histogram(HistogramFamily("pingti_ledger_batch_size", "Writes that shared one commit."),
                s.batch_size);
  add_histogram(HistogramFamily("pingti_ledger_batch_seconds", "Time of the writes of a commit."),
                s.batch_seconds);
  add(CounterFamily("pingti_ledger_batches_failed_total", "Commits that failed."),
      static_cast<double>(s.batches_failed.value()));
  add(GaugeFamily("pingti_ledger_outbox", "Ends of calls that wait for the database."),
      static_cast<double>(s.outbox.value()));
  add(GaugeFamily("pingti_ledger_writable", "1 while the database takes writes."),
      static_cast<double>(s.writable.value()));
  add(GaugeFamily("pingti_ledger_holds_open", "Holds of calls that run, in all replicas."),
      static_cast<double>(s.holds_open.value()));
  add(GaugeFamily("pingti_ledger_oldest_hold_seconds", "Age of the oldest of them."),
      static_cast<double>(s.oldest_hold_ms.value()) / 1000.0);
  add(GaugeFamily("pingti_ledger_low_balances", "Tenants below billing.low_balance."),
      static_cast<double>(s.balances_low.value()));
}

}  // namespace pingti::telemetry
