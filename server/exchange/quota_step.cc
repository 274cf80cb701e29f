// The part of a Call that takes quota: its tenant's before it goes anywhere, and ours at the
// provider before each attempt. Waits where the caller allows it.
#include <algorithm>
#include <utility>

#include "server/base/strings.h"
#include "server/exchange/call.h"
#include "server/exchange/quota_wait.h"
#include "server/exchange/rate_limit_headers.h"
#include "server/routing/failure_table.h"

namespace pingti::exchange {
namespace {

using State = quota::ReserveReply::State;

model::CallError ClosedError(const routing::Route& route) {
  model::CallError error;
  error.reason = model::ErrorReason::kModelNotAllowed;
  error.message = "the tier of the tenant has no access to model " + route.name;
  error.metadata["model"] = route.name;
  return error;
}

bool HelpsToWait(const quota::Refusal& refusal) {
  return !refusal.store_down && refusal.wait < absl::InfiniteDuration();
}

}  // namespace

base::Task<std::optional<model::CallError>> Call::ReserveOfTenant() {
  const config::Config& config = view_->config();
  if (!config.features.quota) co_return std::nullopt;
  const quota::QuotaBook& quotas = view_->runtime().quotas();
  quota::Demand demand;
  demand.tokens = estimate_.reserved_tokens;
  for (quota::BucketSet* set :
       {series_->limits, quotas.FindKey(identity_->tenant, identity_->key_id)}) {
    if (set == nullptr) continue;
    if (set->closed()) co_return ClosedError(*route_);
    demand.scopes[demand.scope_count++] = set;
  }
  telemetry::QuotaStats& stats = *series_->quota;
  Taken taken;
  co_await Take(demand, *series_->line, stats, &taken);
  AddBucketHeaders(taken.reply.first_scope, sink_);
  if (taken.stopped) co_return ErrorOf({}, {});
  if (taken.refusal) {
    CountRefusal(*taken.refusal, stats);
    co_return QuotaError(*taken.refusal, taken.place);
  }
  reservation_ = quota::Reservation(worker_.quota_store(), demand, taken.reply, worker_.clock(),
                                    worker_.stats().reservations_dropped);
  worker_.stats().reservations_open.Add();
  stats.admitted.Add();
  stats.reserved_tokens.Add(demand.tokens);
  co_return std::nullopt;
}

base::Task<std::optional<model::CallError>> Call::ReserveAtProvider() {
  const std::string& provider = route_->provider->name;
  quota::BucketSet* limits = series_->provider_limits;
  if (limits->closed()) {
    routing::FailedAttempt attempt;
    attempt.failure = model::LocalFailure(
        model::FailureClass::kModelNotFound,
        "our tier there, " + route_->provider->tier + ", has no access to the model");
    attempt.provider = provider;
    attempt.attempts = 0;
    co_return routing::ErrorForCaller(attempt);
  }
  quota::Demand demand;
  demand.scopes[demand.scope_count++] = limits;
  demand.tokens = estimate_.reserved_tokens;
  telemetry::QuotaStats& stats = *series_->provider_quota;
  Taken taken;
  co_await Take(demand, *series_->provider_line, stats, &taken);
  if (taken.stopped) co_return ErrorOf({}, {});
  if (taken.refusal) {
    CountRefusal(*taken.refusal, stats);
    if (!HelpsToWait(*taken.refusal) && !taken.refusal->store_down) {
      co_return QuotaError(*taken.refusal, taken.place);
    }
    routing::FailedAttempt attempt;
    attempt.failure = model::LocalFailure(
        model::FailureClass::kRateLimited,
        base::StrCat("our limit there is used up: ", quota::DimensionName(taken.refusal->dimension),
                     ", limit ", taken.refusal->state.limit, ", left ",
                     taken.refusal->state.remaining));
    attempt.failure.retry_after = taken.refusal->wait;
    attempt.provider = provider;
    attempt.attempts = 0;
    co_return routing::ErrorForCaller(attempt);
  }
  provider_reservation_ = quota::Reservation(worker_.quota_store(), demand, taken.reply,
                                             worker_.clock(), worker_.stats().reservations_dropped);
  stats.admitted.Add();
  stats.reserved_tokens.Add(demand.tokens);
  co_return std::nullopt;
}

base::Task<void> Call::Take(const quota::Demand& demand, quota::WaitingLine& line,
                            telemetry::QuotaStats& stats, Taken* taken) {
  if (demand.scope_count == 0) {  // nothing is limited
    taken->reply.state = State::kGranted;
    taken->reply.granted_by = quota::GrantedBy::kNobody;
    co_return;
  }
  const base::Instant started = worker_.clock().MonotonicNow();
  const base::Instant until =
      WaitUntil(input_.arrival, input_.deadline, max_queue_wait_, view_->config().quota.wait_max);
  quota::WaitingLine::Place place;
  bool joined = false;
  // Only who has the turn asks, and it knows when it is worth while to ask again.
  base::Instant next_try = started;
  while (true) {
    const bool may_ask = joined ? place.has_turn() : line.waiting() == 0;
    base::Instant now = worker_.clock().MonotonicNow();
    if (may_ask && now >= next_try) {
      co_await Ask(demand, stats, taken);
      if (!taken->refusal) break;
    } else if (!joined) {
      co_await LookBehind(demand, line, taken);
    }
    now = worker_.clock().MonotonicNow();
    if (!joined || (may_ask && now >= next_try)) next_try = now + taken->refusal->wait;
    if (stop_ == StopCause::kNone && now >= input_.deadline) stop_ = StopCause::kDeadline;
    taken->stopped = stop_ != StopCause::kNone;
    if (taken->stopped || !HelpsToWait(*taken->refusal) || now >= until) break;
    if ((!joined || may_ask) && next_try > until) break;
    if (!joined) {
      joined = line.Join(&place, view_->config().tenants[identity_->tenant].name, demand.tokens,
                         worker_.loop(), signal_);
      if (!joined) break;  // full
      stats.waiting.Add();
    }
    taken->place = place.position();
    if (place.has_turn() && !may_ask) next_try = now;  // just got it
    ArmTimer(place.has_turn() ? std::min(next_try, until) : until);
    co_await signal_.Wait();
  }
  const base::Instant now = worker_.clock().MonotonicNow();
  queued_ += now - started;
  if (!joined) co_return;
  stats.waiting.Sub();
  (taken->refusal || taken->stopped ? stats.waits_refused : stats.waits_served).Add();
  worker_.stats().quota_wait.Observe(absl::ToDoubleSeconds(now - started));
}

base::Task<void> Call::Ask(const quota::Demand& demand, telemetry::QuotaStats& stats,
                           Taken* taken) {
  quota::ReserveReply& reply = taken->reply;
  reply = {};
  const base::Instant now = worker_.clock().MonotonicNow();
  worker_.quota_store().Reserve(demand, now, &reply, &signal_);
  // The store keeps its budget, also when the call is cancelled meanwhile.
  while (reply.state == State::kPending) co_await signal_.Wait();
  taken->refusal = reply.refusal;
  for (int i = 0; i < quota::kDimensionCount; ++i) {
    if (const auto& state = reply.first_scope[i]) {
      stats.levels[i].Note(state->limit, state->capacity, state->remaining, now.micros());
    }
    if ((reply.shadow_refusals & (1 << i)) != 0) stats.shadow_refused[i].Add();
  }
}

base::Task<void> Call::LookBehind(const quota::Demand& demand, const quota::WaitingLine& line,
                                  Taken* taken) {
  quota::ReadReply read;
  worker_.quota_store().Read(demand.all(), worker_.clock().MonotonicNow(), &read, &signal_);
  while (!read.ready) co_await signal_.Wait();
  taken->reply.first_scope = read.states[0];
  const std::string& flow = view_->config().tenants[identity_->tenant].name;
  const auto ahead = line.AheadOfNew(flow, demand.tokens);
  taken->place = ahead.calls + 1;
  taken->refusal = RefusalBehindOthers(demand, read.states[0], ahead.calls, ahead.tokens);
}

void Call::NoteProviderLimits(const transport::HttpTransfer& transfer) {
  quota::BucketSet* limits = series_->provider_limits;
  if (limits == nullptr || transfer.status() == 0) return;
  const base::Instant now = worker_.clock().MonotonicNow();
  for (const ProviderLimit& limit : ReadProviderLimits(transfer, *limits)) {
    worker_.quota_store().Correct(*limits, limit.dimension, limit.remaining, now);
  }
}

}  // namespace pingti::exchange
