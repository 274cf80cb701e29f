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

// Who has the turn in a line asks at least so often: what others give back comes unannounced.
constexpr absl::Duration kAskAgain = absl::Milliseconds(50);

model::CallError ClosedError(const quota::BucketSet& set, const routing::Route& route) {
  model::CallError error;
  error.reason = model::ErrorReason::kModelNotAllowed;
  error.message = base::StrCat("a limit of 0 in ", set.subject(), " closes model ", route.name);
  error.metadata["model"] = route.name;
  return error;
}

bool HelpsToWait(const quota::Refusal& refusal) {
  return !refusal.store_down && refusal.wait < absl::InfiniteDuration();
}

// When a slot comes back nobody knows; that time is no reason to give up before it.
bool WaitIsKnown(const quota::Refusal& refusal) {
  return refusal.dimension != quota::Dimension::kCallsAtOnce;
}

}  // namespace

base::Task<std::optional<model::CallError>> Call::ReserveOfTenant() {
  const config::Config& config = view_->config();
  if (!config.features.quota) co_return std::nullopt;
  const quota::QuotaBook& quotas = view_->runtime().quotas();
  Wanted wanted;
  wanted.stats = series_->quota;
  wanted.Add(series_->limits, series_->line);
  wanted.Add(quotas.FindKey(identity_->tenant, identity_->key_id),
             quotas.KeyLine(identity_->tenant, identity_->key_id));
  for (const quota::BucketSet* set : wanted.demand.all()) {
    if (set->closed()) co_return ClosedError(*set, *route_);
  }
  wanted.demand.tokens = estimate_.reserved_tokens;
  Taken taken;
  co_await Take(wanted, &taken);
  AddBucketHeaders(taken.reply.first_scope, sink_);
  if (taken.stopped) co_return ErrorOf({}, {});
  if (taken.refusal) {
    CountRefusal(*taken.refusal, taken.refusal->scope != series_->limits, *wanted.stats);
    co_return QuotaError(*taken.refusal, taken.place);
  }
  reservation_ = quota::Reservation(worker_.quota_store(), wanted.demand, taken.reply,
                                    worker_.clock(), worker_.stats().reservations_dropped);
  worker_.stats().reservations_open.Add();
  wanted.stats->admitted.Add();
  wanted.stats->reserved_tokens.Add(wanted.demand.tokens);
  co_return std::nullopt;
}

base::Task<std::optional<model::CallError>> Call::ReserveAtProvider() {
  const std::string& provider = target_->provider->name;
  if (key_->limits->closed()) {
    routing::FailedAttempt attempt;
    attempt.failure = model::LocalFailure(
        model::FailureClass::kModelNotFound,
        "our tier there, " + key_->key->key.tier + ", has no access to the model");
    attempt.provider = provider;
    attempt.attempts = attempts_;
    co_return routing::ErrorForCaller(attempt);
  }
  Wanted wanted;
  // As long as another target may have room.
  const bool is_last = waits_at_provider_ || (options_.size() == 1 && at_->keys.size() == 1);
  wanted.may_wait = is_last && !rival_;
  wanted.stats = key_->quota;
  wanted.Add(key_->limits, key_->line);
  wanted.demand.tokens = estimate_.reserved_tokens;
  Taken taken;
  co_await Take(wanted, &taken);
  if (taken.stopped) co_return ErrorOf({}, {});
  if (taken.refusal) {
    CountRefusal(*taken.refusal, /*of_key=*/false, *wanted.stats);
    if (!HelpsToWait(*taken.refusal)) co_return QuotaError(*taken.refusal, taken.place);
    routing::FailedAttempt attempt;
    attempt.failure = model::LocalFailure(
        model::FailureClass::kRateLimited,
        base::StrCat("our limit there is used up: ", quota::DimensionName(taken.refusal->dimension),
                     ", limit ", taken.refusal->state.limit, ", left ",
                     taken.refusal->state.remaining));
    attempt.failure.retry_after = taken.refusal->wait;
    attempt.provider = provider;
    attempt.attempts = attempts_;
    co_return routing::ErrorForCaller(attempt);
  }
  provider_reservation_ = quota::Reservation(worker_.quota_store(), wanted.demand, taken.reply,
                                             worker_.clock(), worker_.stats().reservations_dropped);
  wanted.stats->admitted.Add();
  wanted.stats->reserved_tokens.Add(wanted.demand.tokens);
  co_return std::nullopt;
}

base::Task<void> Call::Take(const Wanted& wanted, Taken* taken) {
  if (wanted.demand.scope_count == 0) {  // nothing is limited
    taken->reply.state = State::kGranted;
    taken->reply.granted_by = quota::GrantedBy::kNobody;
    co_return;
  }
  const base::Instant started = worker_.clock().MonotonicNow();
  const absl::Duration patience = wanted.may_wait ? max_queue_wait_ : absl::ZeroDuration();
  const base::Instant until =
      WaitUntil(input_.arrival, input_.deadline, patience, view_->config().quota.wait_max);
  quota::WaitingLine::Place place;
  base::Instant next_try = started;
  while (true) {
    // Who comes anew asks at once if there is room for it behind those that wait; of these only the
    // one that has the turn asks.
    bool ask = place.has_turn() && worker_.clock().MonotonicNow() >= next_try;
    if (!place.in_line()) {
      co_await LookBehind(wanted, taken);
      ask = !taken->refusal;
    }
    if (ask) co_await Ask(wanted, taken);
    if (ask && !taken->refusal) break;
    const base::Instant now = worker_.clock().MonotonicNow();
    if (stop_ == StopCause::kNone && now >= input_.deadline) stop_ = StopCause::kDeadline;
    taken->stopped = stop_ != StopCause::kNone;
    const quota::Refusal& refusal = *taken->refusal;
    if (taken->stopped || !HelpsToWait(refusal) || now >= until) break;
    const bool is_news = ask || !place.in_line();
    if (is_news && WaitIsKnown(refusal) && now + refusal.wait > until) break;
    if (is_news) next_try = now + std::min(refusal.wait, kAskAgain);
    if (!place.in_line()) {
      const bool joined =
          wanted.LineOf(refusal).Join(&place, view_->config().tenants[identity_->tenant].name,
                                      wanted.demand.tokens, worker_.loop(), signal_);
      if (!joined) break;  // full
      wanted.stats->waiting.Add();
      wanted.stats->waiting_tokens.Add(wanted.demand.tokens);
      in_line_ = true;
    }
    if (is_news) wanted.stats->expected_wait_ms.Set(absl::ToInt64Milliseconds(refusal.wait));
    taken->place = place.position();
    ArmTimer(place.has_turn() ? std::min(next_try, until) : until);
    co_await signal_.Wait();
  }
  const base::Instant now = worker_.clock().MonotonicNow();
  queued_ += now - started;
  in_line_ = false;
  if (!place.in_line()) co_return;
  wanted.stats->waiting.Sub();
  wanted.stats->waiting_tokens.Sub(wanted.demand.tokens);
  const bool served = !taken->refusal && !taken->stopped;
  (served ? wanted.stats->waits_served : wanted.stats->waits_refused).Add();
  worker_.stats().quota_wait.Observe(absl::ToDoubleSeconds(now - started));
}

base::Task<void> Call::Ask(const Wanted& wanted, Taken* taken) {
  quota::ReserveReply& reply = taken->reply;
  reply = {};
  const base::Instant now = worker_.clock().MonotonicNow();
  worker_.quota_store().Reserve(wanted.demand, now, &reply, &signal_);
  // The store keeps its budget, also when the call is cancelled meanwhile.
  while (reply.state == State::kPending) co_await signal_.Wait();
  taken->refusal = reply.refusal;
  for (int i = 0; i < quota::kDimensionCount; ++i) {
    if (const auto& state = reply.first_scope[i]) {
      wanted.stats->levels[i].Note(state->limit, state->capacity, state->remaining, now.micros());
    }
    if ((reply.shadow_refusals & (1 << i)) != 0) wanted.stats->shadow_refused[i].Add();
  }
}

base::Task<void> Call::LookBehind(const Wanted& wanted, Taken* taken) {
  taken->refusal.reset();
  AheadByScope ahead;
  bool anybody = false;
  const std::string& flow = view_->config().tenants[identity_->tenant].name;
  for (int i = 0; i < wanted.demand.scope_count; ++i) {
    if (wanted.lines[i]->waiting() == 0) continue;
    anybody = true;
    ahead[i] = wanted.lines[i]->AheadOfNew(flow, wanted.demand.tokens);
  }
  if (!anybody) co_return;
  quota::ReadReply read;
  worker_.quota_store().Read(wanted.demand.all(), worker_.clock().MonotonicNow(), &read, &signal_);
  while (!read.ready) co_await signal_.Wait();
  if (read.store_down) co_return;  // the tier decides, not who is ahead
  taken->reply.first_scope = read.states[0];
  taken->refusal = RefusalBehindOthers(wanted.demand, read.states, ahead);
  if (!taken->refusal) co_return;
  const bool of_key = taken->refusal->scope != wanted.demand.scopes[0];
  taken->place = ahead[of_key ? 1 : 0].calls + 1;
}

void Call::NoteProviderLimits(const transport::HttpTransfer& transfer) {
  quota::BucketSet* limits = key_->limits;
  if (limits == nullptr || transfer.status() == 0) return;
  const base::Instant now = worker_.clock().MonotonicNow();
  for (const ProviderLimit& limit : ReadProviderLimits(transfer, *limits)) {
    worker_.quota_store().Correct(*limits, limit.dimension, limit.remaining, limit.not_before, now);
  }
}

}  // namespace pingti::exchange
