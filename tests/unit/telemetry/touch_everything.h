// Gives every series of a Registry a value, so that a scrape shows all there is.
#pragma once

#include "server/telemetry/registry.h"

namespace pingti::telemetry {

inline void TouchEverything(Registry& registry) {
  WorkerMetrics& worker = registry.worker(0);
  for (Method method : {Method::kUnary,         Method::kStream,        Method::kCountTokens,
                        Method::kGetQuota,      Method::kListModels,    Method::kCreateEmbedding,
                        Method::kGetBalance,    Method::kTopUp,         Method::kAdjust,
                        Method::kListTransfers, Method::kListUsage,     Method::kVerifyLedger,
                        Method::kCreateTenant,  Method::kSuspendTenant, Method::kResumeTenant,
                        Method::kDeleteTenant,  Method::kSetTier,       Method::kListTenants,
                        Method::kCreateKey,     Method::kRotateKey,     Method::kRevokeKey,
                        Method::kListKeys,      Method::kListPrices,    Method::kSetIdentities}) {
    CallStats& calls = worker.Calls({"acme", "gpt-4o", "yi", "yi-large", method});
    for (int result = 0; result < kResultCount; ++result) calls.RecordEnd(result, 0.25);
    for (auto source : {model::UsageSource::kMeasured, model::UsageSource::kCounted,
                        model::UsageSource::kEstimated}) {
      calls.RecordUsage({.input_tokens = 12, .output_tokens = 34, .source = source});
    }
    calls.RecordCost(base::Money{1'500'000'000, base::Currency::kCny},
                     base::Money{2'500'000'000, base::Currency::kUsd});
    calls.RecordCost(std::nullopt, std::nullopt);
    calls.time_to_first_token.Observe(0.2);
    calls.time_per_output_token.Observe(0.02);
    calls.chunks.Add();
    calls.in_flight.Add();
  }
  AttemptStats& attempts = worker.Attempts({"yi", "yi-large"});
  attempts.attempts.Add();
  for (Counter& failures : attempts.failures) failures.Add();
  attempts.duration.Observe(0.2);
  attempts.bytes_in.Add(1000);
  attempts.estimate_ratio.Observe(1.5);
  attempts.input_factor.Set(1'100);
  attempts.retries.Add();
  attempts.breaker_opened.Add();
  attempts.breaker_open.Set(1);
  ProviderStats& provider = worker.Provider({"yi"});
  provider.keys_benched.Add();
  provider.out.Set(1);
  provider.outs.Add();
  provider.retries_denied.Add();
  registry.ledger().on = true;
  registry.ledger().cost_ratio.Observe(0.5);
  registry.ledger().batch_size.Observe(3);
  registry.ledger().batch_seconds.Observe(0.001);
  QuotaStats& quotas = worker.Quotas({"acme", "", "gpt-4o"});
  quotas.admitted.Add();
  for (Counter& refused : quotas.refused) refused.Add();
  for (Counter& refused : quotas.refused_by_key) refused.Add();
  for (Counter& refused : quotas.shadow_refused) refused.Add();
  for (QuotaLevel& level : quotas.levels) level.Note(60, 60, 12, 0);
  quotas.overrun_tokens.Add(100);
  quotas.waiting.Add();
  quotas.waiting_tokens.Add(500);
  quotas.expected_wait_ms.Set(1'500);
}

}  // namespace pingti::telemetry
