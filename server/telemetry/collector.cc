#include "server/telemetry/collector.h"

#include <span>
#include <string>

#include "server/telemetry/families.h"
#include "server/telemetry/process_metrics.h"

namespace pingti::telemetry {
namespace {

std::string CodeName(int result) {
  if (result == kResultOk) return absl::StatusCodeToString(absl::StatusCode::kOk);
  return absl::StatusCodeToString(model::ErrorReasonCode(static_cast<model::ErrorReason>(result)));
}

std::string_view ReasonName(int result) {
  return result == kResultOk ? "" : model::ErrorReasonName(static_cast<model::ErrorReason>(result));
}

// The labels of OpenTelemetry's conventions, and one more.
LabelList GenAiLabels(const ModelLabels& l, const char* name, std::string_view value) {
  return MakeLabels({{"gen_ai_operation_name", "chat"},
                     {"gen_ai_provider_name", l.provider},
                     {"gen_ai_request_model", l.model},
                     {"gen_ai_response_model", l.upstream_model},
                     {name, value}});
}

LabelList GenAiLabels(const ModelLabels& l) {
  LabelList labels = GenAiLabels(l, "", "");
  labels.pop_back();
  return labels;
}

}  // namespace

Collector::Collector(const Tables& tables,
                     const std::vector<std::unique_ptr<WorkerMetrics>>& workers,
                     const ProcessStats& process, const LedgerStats& ledger)
    : tables_(tables),
      workers_(workers),
      process_(process),
      ledger_(ledger),
      start_time_(ProcessStartTime()) {}

std::vector<prometheus::MetricFamily> Collector::Collect() const {
  Families out;
  AddCalls(&out);
  AddCosts(&out);
  AddModels(&out);
  AddAttempts(&out);
  AddProviders(&out);
  AddQuotas(&out);
  AddQuotaStore(&out);
  AddLedger(&out);
  AddWorkers(&out);
  AddOverflows(&out);
  AddProcessMetrics(start_time_, &out);
  return out;
}

void Collector::AddCalls(Families* out) const {
  Family calls = CounterFamily("pingti_calls_total", "Calls that ended, by result.");
  Family tokens = CounterFamily("pingti_tokens_total", "Tokens of settled calls, by source.");
  tables_.calls.ForEach([&](const CallLabels& l, std::span<const CallStats* const> stats) {
    for (int result = 0; result < kResultCount; ++result) {
      const double n = Sum(stats, [=](const CallStats& s) -> auto& { return s.calls[result]; });
      if (n == 0 && result != kResultOk) continue;
      calls.Add(MakeLabels({{"tenant", l.tenant},
                            {"model", l.model},
                            {"provider", l.provider},
                            {"upstream_model", l.upstream_model},
                            {"method", MethodName(l.method)},
                            {"code", CodeName(result)},
                            {"reason", ReasonName(result)}}),
                n);
    }
    const auto add_tokens = [&](std::string_view type, int source, double n) {
      if (n == 0) return;
      tokens.Add(MakeLabels({{"tenant", l.tenant},
                             {"model", l.model},
                             {"provider", l.provider},
                             {"upstream_model", l.upstream_model},
                             {"method", MethodName(l.method)},
                             {"type", type},
                             {"source", UsageSourceName(static_cast<model::UsageSource>(source))}}),
                 n);
    };
    for (int source = 0; source < kUsageSourceCount; ++source) {
      add_tokens("input", source,
                 Sum(stats, [=](const CallStats& s) -> auto& { return s.input_tokens[source]; }));
      add_tokens("output", source,
                 Sum(stats, [=](const CallStats& s) -> auto& { return s.output_tokens[source]; }));
    }
  });
  calls.MoveTo(out);
  tokens.MoveTo(out);
}

void Collector::AddCosts(Families* out) const {
  Family charged = CounterFamily("pingti_call_cost_total", "What calls cost their tenants.");
  Family requested =
      CounterFamily("pingti_requested_model_cost_total",
                    "What calls would have cost where the model asked for had served them.");
  Family unpriced = CounterFamily("pingti_calls_unpriced_total",
                                  "Calls served for nothing: the model has no price.");
  tables_.calls.ForEach([&](const CallLabels& l, std::span<const CallStats* const> stats) {
    const LabelList labels = MakeLabels({{"tenant", l.tenant},
                                         {"model", l.model},
                                         {"provider", l.provider},
                                         {"upstream_model", l.upstream_model},
                                         {"method", MethodName(l.method)}});
    const auto add = [&](Family& family, int currency, double nano) {
      if (nano == 0) return;
      LabelList of_currency = labels;
      of_currency.push_back(
          {"currency", std::string(base::CurrencyCode(static_cast<base::Currency>(currency)))});
      family.Add(std::move(of_currency), nano / static_cast<double>(base::kNanoPerUnit));
    };
    for (int i = 0; i < base::kCurrencyCount; ++i) {
      add(charged, i, Sum(stats, [=](const CallStats& s) -> auto& { return s.charged_nano[i]; }));
      add(requested, i,
          Sum(stats, [=](const CallStats& s) -> auto& { return s.requested_model_nano[i]; }));
    }
    const double n = Sum(stats, [](const CallStats& s) -> auto& { return s.unpriced; });
    if (n != 0) unpriced.Add(labels, n);
  });
  for (Family* family : {&charged, &requested, &unpriced}) family->MoveTo(out);
}

void Collector::AddModels(Families* out) const {
  Family duration = HistogramFamily("gen_ai_server_request_duration_seconds",
                                    "Arrival of a call to its end, by error.");
  Family first = HistogramFamily("gen_ai_server_time_to_first_token_seconds",
                                 "Arrival of a stream's call to its first content.");
  Family per_token = HistogramFamily("gen_ai_server_time_per_output_token_seconds",
                                     "Time per output token after the first.");
  Family tokens = HistogramFamily("gen_ai_client_token_usage", "Tokens of a call.");
  Family chunks = CounterFamily("pingti_stream_chunks_total", "Content messages sent on streams.");
  Family in_flight = GaugeFamily("pingti_model_calls_in_flight", "Calls in flight, by model.");

  tables_.models.ForEach([&](const ModelLabels& l, std::span<const ModelStats* const> stats) {
    for (int result = 0; result < kResultCount; ++result) {
      const auto parts =
          Parts(stats, [=](const ModelStats& s) -> auto& { return s.request_duration[result]; });
      int64_t total = 0;
      for (const Histogram* part : parts) total += part->total();
      if (total == 0 && result != kResultOk) continue;
      duration.Add(GenAiLabels(l, "error_type", ReasonName(result)), parts);
    }
    first.Add(GenAiLabels(l),
              Parts(stats, [](const ModelStats& s) -> auto& { return s.time_to_first_token; }));
    per_token.Add(GenAiLabels(l), Parts(stats, [](const ModelStats& s) -> auto& {
                    return s.time_per_output_token;
                  }));
    tokens.Add(GenAiLabels(l, "gen_ai_token_type", "input"),
               Parts(stats, [](const ModelStats& s) -> auto& { return s.input_tokens; }));
    tokens.Add(GenAiLabels(l, "gen_ai_token_type", "output"),
               Parts(stats, [](const ModelStats& s) -> auto& { return s.output_tokens; }));
    const LabelList labels = MakeLabels(
        {{"provider", l.provider}, {"model", l.model}, {"upstream_model", l.upstream_model}});
    chunks.Add(labels, Sum(stats, [](const ModelStats& s) -> auto& { return s.chunks; }));
    in_flight.Add(labels, Sum(stats, [](const ModelStats& s) -> auto& { return s.in_flight; }));
  });
  for (Family* family : {&duration, &first, &per_token, &tokens, &chunks, &in_flight}) {
    family->MoveTo(out);
  }
}

void Collector::AddAttempts(Families* out) const {
  Family attempts = CounterFamily("pingti_upstream_attempts_total", "Attempts at a provider.");
  Family retries = CounterFamily("pingti_upstream_retries_total",
                                 "Attempts that were not the first of their call.");
  Family failures =
      CounterFamily("pingti_upstream_failures_total", "Failed attempts, by class of failure.");
  Family duration = HistogramFamily("pingti_upstream_request_duration_seconds",
                                    "Start of an attempt to its last byte.");
  Family bytes =
      CounterFamily("pingti_upstream_received_bytes_total", "Bytes of providers' answers.");
  Family ratio = HistogramFamily("pingti_quota_estimate_ratio", "Reserved tokens over used ones.");
  Family factor = GaugeFamily("pingti_quota_input_factor",
                              "Measured input tokens over estimated ones, as learned.");
  Family hedges = CounterFamily("pingti_upstream_hedges_total",
                                "Attempts that were begun beside one that was late.");
  Family won = CounterFamily("pingti_upstream_hedges_won_total", "Those that served their call.");
  Family lost = CounterFamily("pingti_upstream_lost_tokens_total",
                              "Estimated input of attempts that another one outran.");
  Family opened =
      CounterFamily("pingti_upstream_breaker_opened_total", "Times that a breaker opened.");
  Family open = GaugeFamily("pingti_upstream_breakers_open", "Workers whose breaker is open.");

  tables_.attempts.ForEach([&](const AttemptLabels& l, std::span<const AttemptStats* const> stats) {
    const LabelList labels =
        MakeLabels({{"provider", l.provider}, {"upstream_model", l.upstream_model}});
    attempts.Add(labels, Sum(stats, [](const AttemptStats& s) -> auto& { return s.attempts; }));
    retries.Add(labels, Sum(stats, [](const AttemptStats& s) -> auto& { return s.retries; }));
    hedges.Add(labels, Sum(stats, [](const AttemptStats& s) -> auto& { return s.hedges; }));
    won.Add(labels, Sum(stats, [](const AttemptStats& s) -> auto& { return s.hedges_won; }));
    lost.Add(labels, Sum(stats, [](const AttemptStats& s) -> auto& { return s.lost_tokens; }));
    opened.Add(labels, Sum(stats, [](const AttemptStats& s) -> auto& { return s.breaker_opened; }));
    open.Add(labels, Sum(stats, [](const AttemptStats& s) -> auto& { return s.breaker_open; }));
    duration.Add(labels, Parts(stats, [](const AttemptStats& s) -> auto& { return s.duration; }));
    bytes.Add(labels, Sum(stats, [](const AttemptStats& s) -> auto& { return s.bytes_in; }));
    ratio.Add(labels,
              Parts(stats, [](const AttemptStats& s) -> auto& { return s.estimate_ratio; }));
    // One factor for all workers, which the one that learned last has noted.
    int64_t thousandths = 0;
    for (const AttemptStats* each : stats) {
      if (each->input_factor.value() != 0) thousandths = each->input_factor.value();
    }
    if (thousandths != 0) factor.Add(labels, static_cast<double>(thousandths) / 1000.0);
    for (int i = 0; i < model::kFailureClassCount; ++i) {
      const double n = Sum(stats, [=](const AttemptStats& s) -> auto& { return s.failures[i]; });
      if (n == 0) continue;
      const std::string_view name = FailureClassName(static_cast<model::FailureClass>(i));
      failures.Add(
          MakeLabels(
              {{"provider", l.provider}, {"upstream_model", l.upstream_model}, {"class", name}}),
          n);
    }
  });
  for (Family* family : {&attempts, &retries, &failures, &duration, &bytes, &ratio, &factor,
                         &hedges, &won, &lost, &opened, &open}) {
    family->MoveTo(out);
  }
}

void Collector::AddProviders(Families* out) const {
  Family benched = GaugeFamily("pingti_provider_keys_benched",
                               "Keys of a provider that are not used for now, by each worker.");
  Family away = GaugeFamily("pingti_provider_out", "Workers that send a provider nothing now.");
  Family outs = CounterFamily("pingti_provider_outs_total", "Times that a provider was put out.");
  Family denied = CounterFamily("pingti_provider_retries_denied_total",
                                "Attempts not made because the retry budget was spent.");

  tables_.providers.ForEach([&](const ProviderLabels& l,
                                std::span<const ProviderStats* const> stats) {
    const LabelList labels = MakeLabels({{"provider", l.provider}});
    benched.Add(labels, Sum(stats, [](const ProviderStats& s) -> auto& { return s.keys_benched; }));
    away.Add(labels, Sum(stats, [](const ProviderStats& s) -> auto& { return s.out; }));
    outs.Add(labels, Sum(stats, [](const ProviderStats& s) -> auto& { return s.outs; }));
    denied.Add(labels,
               Sum(stats, [](const ProviderStats& s) -> auto& { return s.retries_denied; }));
  });
  for (Family* family : {&benched, &away, &outs, &denied}) family->MoveTo(out);
}

void Collector::AddWorkers(Families* out) const {
  std::vector<const WorkerStats*> all;
  Family in_flight = GaugeFamily("pingti_calls_in_flight", "Calls in flight, by worker.");
  Family posts =
      CounterFamily("pingti_loop_posts_total", "Messages that a worker's loop ran, by worker.");
  for (size_t i = 0; i < workers_.size(); ++i) {
    const WorkerStats& stats = std::as_const(*workers_[i]).worker();
    all.push_back(&stats);
    const LabelList labels = MakeLabels({{"worker", std::to_string(i)}});
    in_flight.Add(labels, static_cast<double>(stats.calls_in_flight.value()));
    posts.Add(labels, static_cast<double>(stats.loop_posts.value()));
  }
  in_flight.MoveTo(out);
  posts.MoveTo(out);

  const auto add = [&](Family family, auto read) {
    family.Add({}, Sum(std::span<const WorkerStats* const>(all), read));
    family.MoveTo(out);
  };
  add(CounterFamily("pingti_calls_overloaded_total", "Calls refused: too many in flight."),
      [](const WorkerStats& s) -> auto& { return s.calls_overloaded; });
  add(GaugeFamily("pingti_calls_limit", "Calls in flight that the workers allow now."),
      [](const WorkerStats& s) -> auto& { return s.calls_limit; });
  add(CounterFamily("pingti_calls_shed_total",
                    "Calls ended while they waited: too many in flight."),
      [](const WorkerStats& s) -> auto& { return s.calls_shed; });
  add(CounterFamily("pingti_calls_cancelled_total", "Calls ended by the caller or its deadline."),
      [](const WorkerStats& s) -> auto& { return s.calls_cancelled; });
  add(GaugeFamily("pingti_upstream_transfers_in_flight", "HTTP exchanges with providers."),
      [](const WorkerStats& s) -> auto& { return s.transfers_in_flight; });
  add(GaugeFamily("pingti_upstream_transfers_paused", "Those that wait for a slow caller."),
      [](const WorkerStats& s) -> auto& { return s.transfers_paused; });
  add(CounterFamily("pingti_stream_buffer_full_total", "Times a slow caller stopped a provider."),
      [](const WorkerStats& s) -> auto& { return s.stream_buffer_full; });
  add(CounterFamily("pingti_access_records_total", "Access records given to the writer."),
      [](const WorkerStats& s) -> auto& { return s.access_records; });
  add(CounterFamily("pingti_bugs_total", "Doubtful states that were logged and survived."),
      [](const WorkerStats& s) -> auto& { return s.bugs; });

  Family lost = CounterFamily("pingti_access_records_lost_total", "Access records that got lost.");
  lost.Add(MakeLabels({{"cause", "buffer_full"}}),
           Sum(std::span<const WorkerStats* const>(all),
               [](const WorkerStats& s) -> auto& { return s.access_records_lost; }));
  lost.Add(MakeLabels({{"cause", "unwritten"}}),
           static_cast<double>(process_.access_records_unwritten.value()));
  lost.MoveTo(out);

  Family memory = GaugeFamily("pingti_memory_used_ratio", "Memory used, of what may be used.");
  memory.Add({}, static_cast<double>(process_.memory_used.value()) / 1000.0);
  memory.MoveTo(out);

  Family tenants = GaugeFamily("pingti_tenants", "Tenants that there are.");
  tenants.Add(MakeLabels({{"source", "configuration"}}),
              static_cast<double>(process_.tenants_configured.value()));
  tenants.Add(MakeLabels({{"source", "database"}}),
              static_cast<double>(process_.tenants_stored.value()));
  tenants.MoveTo(out);
  Family changes = CounterFamily("pingti_tenant_changes_total",
                                 "Changes of tenants and keys in the database, in force here.");
  changes.Add({}, static_cast<double>(process_.tenant_changes.value()));
  changes.MoveTo(out);
}

void Collector::AddOverflows(Families* out) const {
  Family family = CounterFamily("pingti_series_overflow_total",
                                "Label sets past the bound, counted under `other`.");
  const auto add = [&](const char* kind, int64_t n) {
    family.Add(MakeLabels({{"kind", kind}}), static_cast<double>(n));
  };
  add("calls", tables_.calls.overflows());
  add("models", tables_.models.overflows());
  add("attempts", tables_.attempts.overflows());
  add("providers", tables_.providers.overflows());
  add("quotas", tables_.quotas.overflows());
  family.MoveTo(out);
}

}  // namespace pingti::telemetry
