// A second attempt beside one whose first content is late: who has content first serves the call,
// the other one is dropped. Streams only: of an answer in one piece nothing is known before its
// end.
//
// The attempt at hand is in the Call's own members, the other one in `rival_`; SwapWithRival()
// makes each the other.
#include <algorithm>
#include <utility>

#include "server/exchange/call.h"
#include "server/exchange/transfer_state.h"

namespace pingti::exchange {
namespace {

using model::FailureClass;

// The share of the times to the first token of the target that are shorter than what is late.
constexpr double kLateQuantile = 0.95;

}  // namespace

std::optional<base::Instant> Call::HedgeAt() const {
  const bool may_hedge = route_->hedge && input_.stream && options_.size() > 1 &&
                         attempts_ < view_->config().routing.attempts_max;
  if (!may_hedge) return std::nullopt;
  const auto usual = key_->health->first_token.Quantile(kLateQuantile, attempt_started_);
  if (!usual) return std::nullopt;
  return attempt_started_ + *usual;
}

void Call::SwapWithRival() {
  std::swap(at_, rival_->at);
  std::swap(target_, rival_->target);
  std::swap(key_, rival_->key);
  std::swap(probe_, rival_->probe);
  std::swap(provider_reservation_, rival_->provider_reservation);
  std::swap(transfer_, rival_->transfer);
  std::swap(timers_, rival_->timers);
  std::swap(attempt_started_, rival_->attempt_started);
  std::swap(adaptations_, rival_->adaptations);
}

bool Call::ChooseRival(base::Instant now) {
  absl::InlinedVector<routing::TargetOption, 2> options = options_;
  options[rival_->at - series_->targets.data()].excluded = true;
  const auto choice = routing::Choose(options, now, worker_.random());
  if (!choice) return false;
  const TargetSeries& at = series_->targets[choice->target];
  const KeySeries& key = at.keys[choice->key];
  if (IsTooLate(at, key, now)) return false;
  if (!at.provider_health->budget.TakeRetry(now)) {
    at.provider->retries_denied.Add();
    return false;
  }
  const config::Provider* provider = at.target->provider;
  if (std::find(tried_.begin(), tried_.end(), provider) == tried_.end()) tried_.push_back(provider);
  at_ = &at;
  target_ = at.target;
  key_ = &key;
  return true;
}

base::Task<void> Call::StartRival() {
  rival_.emplace();
  SwapWithRival();
  bool begun = false;
  if (ChooseRival(worker_.clock().MonotonicNow())) {
    std::optional<model::CallError> refused;
    if (key_->limits != nullptr) refused = co_await ReserveAtProvider();
    begun = !refused && stop_ == StopCause::kNone &&
            routing::IsUsable(PlaceOf(), worker_.clock().MonotonicNow());
    if (begun) {
      BeginAttempt();
      at_->attempts->hedges.Add();
    } else {
      GiveBackAtProvider();
    }
  }
  SwapWithRival();
  if (!begun) rival_.reset();
}

Call::Sign Call::LookForContent(base::Instant now, Outcome* outcome) {
  outcome->failure = timers_->Check(now);
  if (outcome->failure) return Sign::kFailed;
  if (AwaitsHeader(*transfer_)) return Sign::kNothing;
  if (!IsEventStream(*transfer_)) {
    if (AwaitsErrorBody(*transfer_)) return Sign::kNothing;
    outcome->failure = ClassifyAnswer(*transfer_);
    return Sign::kFailed;
  }
  // From the start each time: there is little before the first content.
  auto decoder = NewDecoder();
  model::StreamEvents events;
  const std::string_view body = transfer_->body();
  outcome->failure = decoder->Feed(body, &events);
  if (!outcome->failure && transfer_->done()) {
    outcome->failure = transfer_->error() == transport::TransportError::kTooLarge
                           ? std::make_optional(FailureOf(*transfer_))
                           : decoder->End(&events);
  }
  const bool has_content = !events.empty();
  if (outcome->failure && !has_content) return Sign::kFailed;
  outcome->failure.reset();
  const bool is_full = body.size() >= transport::kBodyBufferBytesMax;
  return has_content || is_full || transfer_->done() ? Sign::kContent : Sign::kNothing;
}

void Call::DropRival(Outcome outcome) {
  if (!outcome.failure) {
    outcome.failure = model::LocalFailure(FailureClass::kCancelled, "another attempt was faster");
  }
  SwapWithRival();
  NoteProviderLimits(*transfer_);
  bytes_in_ = static_cast<int64_t>(transfer_->body().size());
  if (transfer_->connected()) at_->attempts->lost_tokens.Add(estimate_.input_tokens);
  EndAttempt(&outcome);
  RecordAttempt(outcome, "lost");
  if (provider_reservation_.open()) SettleAtProvider({}, attempt_ended_);
  options_[at_ - series_->targets.data()].excluded = true;
  bytes_in_ = 0;
  SwapWithRival();
  rival_.reset();
}

base::Task<void> Call::Race(base::Instant late_at) {
  bool has_hedged = false;
  while (stop_ == StopCause::kNone) {
    const base::Instant now = worker_.clock().MonotonicNow();
    if (hold_.open() && hold_.stops_call()) Stop(StopCause::kMoney);
    if (now >= input_.deadline || stop_ != StopCause::kNone) break;
    Outcome outcome;
    const Sign own = LookForContent(now, &outcome);
    if (own == Sign::kContent || (own == Sign::kFailed && !rival_)) break;
    Sign others = Sign::kNothing;
    Outcome of_rival;
    if (rival_) {
      SwapWithRival();
      others = LookForContent(now, &of_rival);
      SwapWithRival();
    }
    if (own == Sign::kFailed || others == Sign::kContent) {
      SwapWithRival();
      at_->attempts->hedges_won.Add();
      DropRival(std::move(outcome));
      co_return;
    }
    if (others == Sign::kFailed) {
      DropRival(std::move(of_rival));
      co_return;
    }
    if (!has_hedged && now >= late_at) {
      has_hedged = true;
      co_await StartRival();
      continue;
    }
    base::Instant next = std::min(timers_->Next(), input_.deadline);
    next = std::min(next, rival_ ? rival_->timers->Next() : next);
    ArmTimer(has_hedged ? next : std::min(next, late_at));
    co_await signal_.Wait();
  }
  if (rival_) DropRival({});
}

}  // namespace pingti::exchange
