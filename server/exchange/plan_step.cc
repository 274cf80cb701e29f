// The part of a Call that decides where it is served: which targets of its route can serve it,
// which one is tried next, and what is done after a failure.
#include <algorithm>
#include <cmath>
#include <utility>

#include "server/admission/validate.h"
#include "server/base/strings.h"
#include "server/exchange/call.h"
#include "server/exchange/learning.h"
#include "server/exchange/queries.h"
#include "server/routing/backoff.h"

namespace pingti::exchange {
namespace {

// Longer pauses before the same target is tried again are the caller's affair.
constexpr absl::Duration kPauseMax = absl::Seconds(5);
// Targets of the provider that the caller prefers come before all others; those that would drop the
// wanted form of the answer behind all others.
constexpr int kPreferred = -1'000;
constexpr int kLastResort = 1'000;
// Once a provider has failed a call, its other models come after those of other providers: what is
// wrong there is seldom one model.
constexpr int kHasFailed = 10'000;

model::CallError UnpricedError(const std::string& model) {
  model::CallError error;
  error.reason = model::ErrorReason::kModelUnpriced;
  error.message = base::StrCat("model ", model, ", which would serve the call, has no price on ",
                               "this server, and calls without a price are refused");
  error.metadata["model"] = model;
  return error;
}

bool Drops(const routing::Target& target, std::string_view field) {
  for (const auto* fields :
       {&target.model->unsupported_fields, &target.provider->unsupported_fields}) {
    if (std::find(fields->begin(), fields->end(), field) != fields->end()) return true;
  }
  return false;
}

int PriorityFor(const model::CompletionRequest& request, const routing::Target& target) {
  int priority = target.priority;
  if (target.provider->name == request.routing.preferred_provider) priority += kPreferred;
  const bool wants_form = request.response_format.kind != model::ResponseFormatKind::kText;
  if (wants_form && Drops(target, "response_format")) priority += kLastResort;
  return priority;
}

}  // namespace

int64_t Call::InputTokensAt(const TargetSeries& at) const {
  const quota::InputFactor* factor = at.learned.input_factor;
  return static_cast<int64_t>(std::ceil(static_cast<double>(estimate_.ruled_input_tokens) *
                                        (factor == nullptr ? 1.0 : factor->factor())));
}

std::optional<model::CallError> Call::CheckFits(const TargetSeries& at) const {
  if (at.target->unpriced == config::Unpriced::kRefuse &&
      billing::PriceAt(at.prices, began_) == nullptr) {
    return UnpricedError(at.target->model->name);
  }
  return admission::ValidateForModel(input_.request, *at.target->model, InputTokensAt(at));
}

std::optional<model::CallError> Call::PlanTargets() {
  const model::CompletionRequest& request = input_.request;
  if (auto refused = CheckPreferredProvider(request, *route_)) return refused;
  const config::ReservePolicy policy = view_->runtime().quotas().policy(identity_->tenant);
  strict_ = policy == config::ReservePolicy::kStrict;
  const auto estimate_for = [&](const TargetSeries& at) {
    return quota::EstimateRequest(
        request, EstimateContextOf(view_->config(), policy, *at.target, at.learned));
  };
  at_ = &series_->first();
  estimate_ = estimate_for(*at_);
  std::optional<model::CallError> unfit;  // the first reason
  const TargetSeries* best = nullptr;
  int best_priority = 0;
  for (const TargetSeries& at : series_->targets) {
    routing::TargetOption& option = options_.emplace_back();
    option.priority = PriorityFor(request, *at.target);
    option.weight = at.target->weight;
    option.provider = at.provider_health.get();
    option.keys = at.key_options;
    auto why_not = CheckFits(at);
    option.excluded = why_not.has_value();
    if (!unfit) unfit = std::move(why_not);
    const bool is_first = best == nullptr || option.priority < best_priority;
    if (!option.excluded && is_first) {
      best = &at;
      best_priority = option.priority;
    }
    if (request.routing.no_fallback) break;  // the first target of the route or none
  }
  target_ = at_->target;
  if (best == nullptr) return unfit;
  if (best != at_) {
    at_ = best;
    target_ = at_->target;
    estimate_ = estimate_for(*at_);
  }
  return std::nullopt;
}

bool Call::IsTooLate(const TargetSeries& at, const KeySeries& key, base::Instant now) const {
  if (!input_.stream || input_.deadline == base::Instant::InfiniteFuture()) return false;
  const absl::Duration left = input_.deadline - now;
  if (left > at.target->timeouts.first_token) return false;
  const auto usual = key.health->first_token.Quantile(0.5, now);
  return usual && *usual > left;
}

bool Call::PickTarget(absl::Duration* pause) {
  *pause = absl::ZeroDuration();
  const base::Instant now = worker_.clock().MonotonicNow();
  while (true) {
    if (const auto choice = routing::Choose(options_, now, worker_.random())) {
      if (TakeChoice(*choice, now)) return true;
      continue;  // it is excluded now
    }
    if (may_come_back_ != 0) {
      *pause = routing::Backoff(pauses_, asked_to_wait_, worker_.random());
      if (*pause > kPauseMax || now + *pause >= input_.deadline) return false;
      ++pauses_;
    } else if (was_short_ && !waits_at_provider_) {
      waits_at_provider_ = true;
      for (routing::TargetOption& option : options_) option.excluded_keys &= ~option.short_keys;
    } else {
      return false;
    }
    for (size_t t = 0; t < options_.size(); ++t) {
      if ((may_come_back_ >> t & 1) != 0) options_[t].excluded = false;
    }
    may_come_back_ = 0;
  }
}

bool Call::TakeChoice(const routing::Choice& choice, base::Instant now) {
  const TargetSeries& at = series_->targets[choice.target];
  const KeySeries& key = at.keys[choice.key];
  routing::TargetOption& option = options_[choice.target];
  if (IsTooLate(at, key, now)) {
    was_too_late_ = option.excluded = true;
    return false;
  }
  const config::Provider* provider = at.target->provider;
  const bool again = std::find(tried_.begin(), tried_.end(), provider) != tried_.end();
  if (again && !at.provider_health->budget.TakeRetry(now)) {
    at.provider->retries_denied.Add();
    option.excluded = true;
    return false;
  }
  if (!again) {
    at.provider_health->budget.OnCall(now);
    tried_.push_back(provider);
  }
  at_ = &at;
  target_ = at.target;
  key_ = &key;
  return true;
}

routing::Next Call::Judge(const model::Failure& failure) {
  using routing::Next;
  const Next next = routing::VerdictOf(failure.failure_class).next;
  const bool over = stop_ != StopCause::kNone || worker_.stopping() || started_sent_ ||
                    attempts_ >= view_->config().routing.attempts_max;
  if (over || next == Next::kGiveUp) return Next::kGiveUp;
  asked_to_wait_ = failure.retry_after;
  const auto t = static_cast<size_t>(at_ - series_->targets.data());
  routing::TargetOption& option = options_[t];
  if (next == Next::kNextKey) {
    option.excluded_keys |= uint32_t{1} << (key_ - at_->keys.data());
  } else {
    option.excluded = true;
    if (next == Next::kSameTarget) may_come_back_ |= uint32_t{1} << t;
  }
  const bool of_context = failure.failure_class == model::FailureClass::kContextTooLong;
  const bool of_model = of_context || failure.failure_class == model::FailureClass::kModelNotFound;
  for (size_t i = 0; i < options_.size(); ++i) {
    const routing::Target& other = *series_->targets[i].target;
    const bool is_larger = other.model->context_tokens > target_->model->context_tokens;
    if (of_context && !is_larger) options_[i].excluded = true;
    if (!of_model && other.provider == target_->provider) options_[i].priority += kHasFailed;
  }
  return next;
}

model::CallError Call::NoTargetError() const {
  const base::Instant now = worker_.clock().MonotonicNow();
  model::CallError error;
  if (was_too_late_) {
    error.reason = model::ErrorReason::kDeadline;
    error.message = "the deadline is nearer than the first token usually is";
    error.metadata["stage"] = "queued";
    return error;
  }
  routing::FailedAttempt attempt;
  attempt.attempts = attempts_;
  const auto obstacle = routing::FirstObstacle(options_, now);
  const routing::Target& target = *series_->targets[obstacle ? obstacle->target : 0].target;
  attempt.provider = target.provider->name;
  attempt.model = target.model->name;
  attempt.failure.failure_class =
      !obstacle || obstacle->breaker ? model::FailureClass::kServerError : obstacle->cause;
  const absl::Duration wait = obstacle ? obstacle->until - now : absl::ZeroDuration();
  attempt.failure.message =
      base::StrCat("is not used for now: ", !obstacle || obstacle->breaker
                                                ? "its breaker is open"
                                                : model::FailureClassName(obstacle->cause));
  error = routing::ErrorForCaller(attempt);
  if (!obstacle || obstacle->breaker) error.metadata["cause"] = "breaker_open";
  error.retry_delay = std::max(wait, absl::Seconds(1));
  return error;
}

base::Task<void> Call::Pause(absl::Duration pause) {
  const base::Instant until = worker_.clock().MonotonicNow() + pause;
  while (stop_ == StopCause::kNone && worker_.clock().MonotonicNow() < until) {
    ArmTimer(until);
    co_await signal_.Wait();
  }
}

void Call::ForgetAttempt() {
  transfer_.reset();
  first_content_.reset();
  counted_ = {};
  paid_tokens_ = cost_so_far_ = 0;
  bytes_in_ = 0;
  adaptations_.clear();
}

base::Task<std::optional<model::CallError>> Call::Serve(Outcome* outcome) {
  std::optional<model::CallError> error;  // of what failed last
  while (true) {
    absl::Duration pause;
    if (!PickTarget(&pause)) co_return error ? std::move(*error) : NoTargetError();
    if (pause > absl::ZeroDuration()) co_await Pause(pause);
    if (hold_.open() && hold_.stops_call()) Stop(StopCause::kMoney);
    if (stop_ != StopCause::kNone) co_return ErrorOf({}, {});
    if (key_->limits != nullptr) {
      auto refused = co_await ReserveAtProvider();
      if (refused && stop_ != StopCause::kNone) co_return refused;
      if (refused) {
        routing::TargetOption& option = options_[at_ - series_->targets.data()];
        const uint32_t bit = uint32_t{1} << (key_ - at_->keys.data());
        option.excluded_keys |= bit;
        option.short_keys |= bit;
        was_short_ = true;
        if (!error) error = std::move(refused);
        continue;
      }
    }
    // It may have paused or waited: its time may be over, or others may have failed there.
    const base::Instant now = worker_.clock().MonotonicNow();
    if (stop_ == StopCause::kNone && now >= input_.deadline) stop_ = StopCause::kDeadline;
    if (stop_ != StopCause::kNone) {
      GiveBackAtProvider();
      co_return ErrorOf({}, {});
    }
    if (!routing::IsUsable(PlaceOf(), now)) {
      GiveBackAtProvider();
      continue;
    }
    *outcome = co_await Attempt();
    if (!outcome->failure) {
      RecordAttempt(*outcome, "");
      co_return std::nullopt;
    }
    const routing::Next next = Judge(*outcome->failure);
    RecordAttempt(*outcome, routing::NextName(next));
    error = ErrorOf(*outcome, SettledUsage(*outcome));
    if (next == routing::Next::kGiveUp) co_return error;
    if (provider_reservation_.open()) SettleAtProvider({}, worker_.clock().MonotonicNow());
    ForgetAttempt();
  }
}

}  // namespace pingti::exchange
