// The end of a Call: what it used, what the caller is told, what is counted and written down.
#include <algorithm>
#include <utility>

#include "server/base/log.h"
#include "server/base/strings.h"
#include "server/exchange/call.h"
#include "server/exchange/learning.h"
#include "server/exchange/rate_limit_headers.h"
#include "server/routing/failure_table.h"

namespace pingti::exchange {

model::Usage Call::SettledUsage(const Outcome& outcome) const {
  const int64_t counted = counted_.tokens();
  if (!outcome.failure && outcome.info.usage.source == model::UsageSource::kMeasured) {
    return outcome.info.usage;
  }
  model::Usage usage;
  // Failed before any content that the caller asked for: the tenant used nothing, unless it was the
  // caller who ended the attempt. The provider has read the prompt then, and a tenant that always
  // cancels would have no limit.
  const bool caller_ended = outcome.failure &&
                            outcome.failure->failure_class == model::FailureClass::kCancelled &&
                            (stop_ == StopCause::kCallerCancelled || stop_ == StopCause::kDeadline);
  if (outcome.failure && !started_sent_ && !(caller_ended && reached_upstream_)) return usage;
  usage.source = model::UsageSource::kCounted;
  usage.input_tokens = estimate_.input_tokens;
  usage.output_tokens = counted;
  // A report that came before the break is better than our count, but the answer went on.
  if (outcome.info.usage.source == model::UsageSource::kMeasured) {
    usage.input_tokens = outcome.info.usage.input_tokens;
    usage.output_tokens = std::max(counted, outcome.info.usage.output_tokens);
  }
  usage.lower_bound = outcome.failure.has_value();
  return usage;
}

std::string_view Call::Stage() const {
  if (!timers_) return "queued";
  if (first_content_) return "streaming";
  return reached_upstream_ ? "first_token" : "connecting";
}

model::CallError Call::ErrorOf(const Outcome& outcome, const model::Usage& usage) const {
  model::CallError error;
  switch (worker_.stopping() && stop_ == StopCause::kNone ? StopCause::kDraining : stop_) {
    case StopCause::kDraining:
      error.reason = model::ErrorReason::kDraining;
      error.message = "the server is shutting down; another one will answer";
      error.retry_delay = absl::Seconds(1);
      break;
    case StopCause::kDeadline:
      error.reason = model::ErrorReason::kDeadline;
      error.message = base::StrCat("the deadline passed at stage ", Stage());
      error.metadata["stage"] = std::string(Stage());
      break;
    case StopCause::kCallerCancelled:
      error.reason = model::ErrorReason::kCancelled;
      error.message = "the caller cancelled";
      error.metadata["stage"] = std::string(Stage());
      break;
    case StopCause::kOverloaded:
      error = admission::OverloadedError();
      break;
    case StopCause::kMoney:
      error = MoneyError();
      break;
    case StopCause::kNone: {
      routing::FailedAttempt attempt;
      attempt.failure = *outcome.failure;
      attempt.provider = target_->provider->name;
      attempt.attempts = attempts_;
      attempt.after_content = first_content_.has_value();
      attempt.usage = usage;
      attempt.model = target_->model->name;
      attempt.context_tokens = target_->model->context_tokens;
      attempt.requested_tokens =
          estimate_.input_tokens + input_.request.sampling.max_output_tokens.value_or(0);
      model::CallError told = routing::ErrorForCaller(attempt);
      if (past_.size() > 1) told.metadata["tried"] = Tried();
      return told;
    }
  }
  if (usage.source != model::UsageSource::kNone) {
    error.metadata["input_tokens"] = base::StrCat(usage.input_tokens);
    error.metadata["output_tokens"] = base::StrCat(usage.output_tokens);
    error.metadata["usage_source"] = std::string(telemetry::UsageSourceName(usage.source));
  }
  return error;
}

std::string Call::Tried() const {
  std::string all;
  for (const telemetry::AccessAttempt& attempt : past_) {
    base::StrAppend(&all, all.empty() ? "" : "; ", attempt.provider, "/", attempt.upstream_model,
                    " ", model::FailureClassName(attempt.failure_class));
  }
  return all;
}

CallCost Call::ChargeOf(const model::Usage& usage) const {
  if (at_ == nullptr) return {};
  return CostOf(at_->prices, series_->requested_prices, usage, began_);
}

void Call::CountCost(const model::Usage& usage, const CallCost& cost, telemetry::CallStats* stats) {
  if (usage.source == model::UsageSource::kNone) return;
  if (cost.price != nullptr && !cost.charged) {
    worker_.stats().bugs.Add();
    base::Log(base::LogLevel::kError, "the charge of a call does not fit; it is not charged",
              {{"request_id", input_.request.request_id}, {"price", cost.price->version}});
  }
  if (view_->config().features.metrics) stats->RecordCost(cost.charged, cost.requested_model);
}

void Call::Settle(const model::Usage& usage, const CallCost& cost, const model::CallError* error) {
  const base::Instant now = worker_.clock().MonotonicNow();
  if (reservation_.open()) {
    CountSettlement(
        estimate_.reserved_tokens,
        usage.lower_bound ? std::max(usage.total(), reservation_.tokens()) : usage.total(),
        *series_->quota);
    reservation_.Settle(usage, reached_upstream_, now);
    worker_.stats().reservations_open.Sub();
  }
  EndHold(usage, cost, error);
  if (provider_reservation_.open()) SettleAtProvider(usage, now);
  if (usage.source == model::UsageSource::kMeasured && !usage.lower_bound) {
    Learn(usage, estimate_, std::max(1, input_.request.sampling.n.value_or(1)), at_->learned,
          *at_->attempts);
  }
  if (stop_ == StopCause::kCallerCancelled || stop_ == StopCause::kDeadline) {
    worker_.stats().calls_cancelled.Add();
  }
  const int result = error ? telemetry::ResultOf(error->reason) : telemetry::kResultOk;
  telemetry::CallStats* stats =
      at_ != nullptr
          ? (input_.stream ? at_->stream : at_->unary)
          : &worker_.refused_series(
                identity_ ? view_->config().tenants[identity_->tenant].name : "", method());
  if (view_->config().features.metrics) {
    stats->RecordEnd(result, absl::ToDoubleSeconds(now - input_.arrival));
    stats->RecordUsage(usage);
    if (input_.stream && first_content_) {
      stats->chunks.Add(sink_.chunks_sent());
      stats->time_to_first_token.Observe(absl::ToDoubleSeconds(*first_content_ - input_.arrival));
      if (!error && usage.output_tokens >= 2) {
        stats->time_per_output_token.Observe(absl::ToDoubleSeconds(now - *first_content_) /
                                             static_cast<double>(usage.output_tokens - 1));
      }
    }
  }
  CountCost(usage, cost, stats);
  if (worker_.records_calls()) WriteRecord(usage, cost, error);
}

void Call::SettleAtProvider(model::Usage usage, base::Instant now) {
  // A provider that failed may have worked all the same.
  if (usage.source != model::UsageSource::kMeasured) usage.lower_bound = reached_upstream_;
  CountSettlement(
      estimate_.reserved_tokens,
      usage.lower_bound ? std::max(usage.total(), provider_reservation_.tokens()) : usage.total(),
      *key_->quota);
  provider_reservation_.Settle(usage, reached_upstream_, now);
}

void Call::GiveBackAtProvider() {
  if (!provider_reservation_.open()) return;
  CountSettlement(estimate_.reserved_tokens, 0, *key_->quota);
  provider_reservation_.Settle({}, /*reached_upstream=*/false, worker_.clock().MonotonicNow());
}

void Call::RecordAttempt(const Outcome& outcome, std::string_view next) {
  telemetry::AccessAttempt attempt;
  attempt.provider = target_->provider->name;
  attempt.upstream_model = target_->upstream_model;
  attempt.key = key_->key->key.name;
  attempt.upstream_status = outcome.status;
  attempt.duration = attempt_ended_ - attempt_started_;
  attempt.bytes_in = bytes_in_;
  attempt.next = next;
  if (outcome.failure) {
    attempt.failed = true;
    attempt.failure_class = outcome.failure->failure_class;
  }
  past_.push_back(std::move(attempt));
}

void Call::WriteRecord(const model::Usage& usage, const CallCost& cost,
                       const model::CallError* error) {
  const base::Instant now = worker_.clock().MonotonicNow();
  telemetry::AccessRecord record;
  record.time = worker_.clock().Now();
  record.request_id = input_.request.request_id;
  if (identity_) {
    record.tenant = view_->config().tenants[identity_->tenant].name;
    record.key_public_id = std::string(identity_->key_id);
  }
  record.method = method();
  record.model = input_.request.model;
  record.result = error ? telemetry::ResultOf(error->reason) : telemetry::kResultOk;
  if (target_ != nullptr) {
    record.provider = target_->provider->name;
    record.upstream_model = target_->upstream_model;
  }
  if (!past_.empty() && past_.back().failed) {
    record.cause = std::string(model::FailureClassName(past_.back().failure_class));
  }
  record.attempts = std::move(past_);
  record.usage = usage;
  if (usage.source != model::UsageSource::kNone) {
    record.charged = cost.charged;
    record.requested_model_cost = cost.requested_model;
    if (cost.price != nullptr) record.price_version = cost.price->version;
  }
  record.chunks = sink_.chunks_sent();
  record.bytes_in = input_.bytes;
  record.bytes_out = sink_.bytes_sent();
  record.total = now - input_.arrival;
  record.queue = queued_;
  if (first_content_) record.first_token = *first_content_ - input_.arrival;
  record.peer = input_.peer;
  record.labels = std::move(input_.request.labels);
  worker_.Record(record);
}

Completed Call::Complete(const model::Usage& usage, const CallCost& cost, const Outcome& outcome) {
  Completed completed;
  completed.request_id = input_.request.request_id;
  completed.model = route_->name;
  completed.usage = usage;
  completed.cost = cost;
  completed.served_by.provider = target_->provider->name;
  completed.served_by.upstream_model = target_->upstream_model;
  completed.served_by.reported_model = outcome.info.reported_model;
  completed.served_by.attempts = attempts_;
  completed.served_by.adaptations = std::move(adaptations_);
  completed.served_by.upstream_response_id = outcome.info.upstream_response_id;
  completed.timings.queued = queued_;
  completed.timings.total = worker_.clock().MonotonicNow() - input_.arrival;
  if (input_.stream && first_content_) {
    completed.timings.first_token = *first_content_ - input_.arrival;
  }
  completed.timings.upstream = attempt_ended_ - attempt_started_;
  return completed;
}

}  // namespace pingti::exchange
