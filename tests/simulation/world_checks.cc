// What must hold in a simulated world.
#include <algorithm>

#include "server/base/strings.h"
#include "server/quota/token_counter.h"
#include "tests/simulation/world.h"

namespace pingti::simulation {
namespace {

using model::FailureClass;

int64_t NumberIn(const model::CallError& error, const std::string& key) {
  const auto it = error.metadata.find(key);
  return it == error.metadata.end() ? -1 : std::stoll(it->second);
}

bool IsOneKey(NextStep next) { return next == NextStep::kNextKey; }

}  // namespace

World::Targets World::TargetsOf(const SimulatedCall& call) const {
  Targets targets;
  const routing::Route* route = worker_->runtime().routes().Find(call.plan->model);
  for (const routing::Target& target : route->targets) {
    targets.push_back(&target);
    if (call.plan->no_fallback) break;
  }
  return targets;
}

int World::PriorityFor(const CallPlan& plan, const routing::Target& target) {
  constexpr int kPreferred = 1'000;
  return target.priority - (target.provider->name == plan.preferred_provider ? kPreferred : 0);
}

bool World::IsUsable(const routing::Target& target) const {
  for (const config::ProviderKey& key : target.provider->keys) {
    const Place place{target.provider->name, key.name, target.upstream_model};
    if (health_.WhyNot(place, now()).empty()) return true;
  }
  return false;
}

void World::CheckAttempt(const SimulatedCall& call, const Exchange& exchange) {
  const auto fail = [&](std::string_view what) {
    Violation(base::StrCat("attempt ", exchange.number, " of call ", exchange.call, ": ", what));
  };
  const std::string why = health_.WhyNot(exchange.place, now());
  if (health_is_known_ && !why.empty()) fail(why);
  if (call.ended) fail("the call has ended");
  if (call.stopped) fail("the call was stopped");
  if (call.sink->inner().started()) fail("content has gone to the caller");
  if (now() >= call.limit) fail("the deadline has passed");
  const config::Config& config = *scenario_.config;
  if (call.exchanges.size() >= static_cast<size_t>(config.routing.attempts_max)) {
    fail("one attempt too many");
  }
  if (store_.OfTenant(call.signal) == nullptr) fail("the tenant has not paid");
  const Targets targets = TargetsOf(call);
  const bool in_route = std::any_of(targets.begin(), targets.end(), [&](const auto* target) {
    return target->provider->name == exchange.place.provider &&
           target->upstream_model == exchange.place.model;
  });
  if (!in_route) fail("the call may not be served there");
  if (call.exchanges.empty()) {
    CheckFirstChoice(call, exchange);
  } else {
    CheckRetry(call, exchange);
  }
  if (!scenario_.has_provider_limits) CheckRetryBudget(call, exchange);
}

void World::CheckFirstChoice(const SimulatedCall& call, const Exchange& exchange) {
  if (!health_is_known_) return;
  // Then targets are left out for other reasons, too.
  if (scenario_.has_provider_limits || call.plan->deadline < absl::InfiniteDuration()) return;
  int chosen = 0;
  int best = 0;
  bool any = false;
  for (const routing::Target* target : TargetsOf(call)) {
    const int priority = PriorityFor(*call.plan, *target);
    const bool here = target->provider->name == exchange.place.provider &&
                      target->upstream_model == exchange.place.model;
    if (here) chosen = priority;
    if (IsUsable(*target) && (!any || priority < best)) best = priority;
    any |= IsUsable(*target);
  }
  if (any && chosen > best) {
    Violation(base::StrCat("attempt ", exchange.number, ": a target of priority ", best,
                           " was usable, and it goes to one of ", chosen));
  }
}

void World::CheckRetry(const SimulatedCall& call, const Exchange& exchange) {
  const auto fail = [&](std::string_view what) {
    Violation(base::StrCat("attempt ", exchange.number, " of call ", exchange.call, ": ", what));
  };
  const std::vector<Exchange*> live = call.Live();
  if (live.size() > (call.hedges ? 1u : 0u)) fail("another one is still under way");
  if (!live.empty()) {
    if (live[0]->content) fail("another one has content");
    const bool same = live[0]->place.provider == exchange.place.provider &&
                      live[0]->place.model == exchange.place.model;
    if (same) fail("another one is under way at that target");
  }
  const Exchange& last = call.Last();
  if (!last.failed) return;
  if (NextStepAfter(*last.failed) == NextStep::kGiveUp) fail("the failure before is final");
  for (const Exchange* before : call.exchanges) {
    const bool same_target = before->place.provider == exchange.place.provider &&
                             before->place.model == exchange.place.model;
    if (before->lost) {
      if (same_target) fail("that target has lost already");
      continue;
    }
    const NextStep next = before->failed ? NextStepAfter(*before->failed) : NextStep::kGiveUp;
    if (same_target && next == NextStep::kNextTarget) fail("that target has failed for good");
    if (before->place == exchange.place && IsOneKey(next)) fail("that key has failed for good");
  }
  const bool came_back = last.place.provider == exchange.place.provider &&
                         last.place.model == exchange.place.model &&
                         NextStepAfter(*last.failed) == NextStep::kSameTarget;
  const bool asked = last.script.retry_after && last.failed == last.script.failure;
  if (came_back && asked && now() < last.released + *last.script.retry_after) {
    fail("it comes back before the provider wants it");
  }
}

void World::CheckRetryBudget(const SimulatedCall& call, const Exchange& exchange) {
  const std::string& provider = exchange.place.provider;
  const bool again =
      std::any_of(call.exchanges.begin(), call.exchanges.end(),
                  [&](const Exchange* before) { return before->place.provider == provider; });
  const bool beside = !call.Live().empty();
  if (!again && !beside) return health_.OnFirst(provider, now(), ++turns_);
  // A retry was decided when the attempt before had failed, or now, where what was chosen then
  // could not be used any more; a second one beside it is decided now.
  const base::Instant decided = beside ? now() : call.Last().released;
  const uint64_t turn = beside ? ++turns_ : call.Last().turn;
  const bool in_budget = health_.MayTryAgain(provider, decided, turn) ||
                         health_.MayTryAgain(provider, now(), turns_ + 1);
  health_.OnAgain(provider, decided, turn);
  if (!in_budget) {
    Violation(base::StrCat("attempt ", exchange.number, " is over the retry budget of ", provider));
  }
}

void World::CheckFailure(const SimulatedCall& call, const Exchange& exchange) {
  const FailureClass failed = *exchange.failed;
  const Script& script = exchange.script;
  const auto over = [&](absl::Duration timer) { return now() >= exchange.started + timer; };
  bool right = false;
  switch (failed) {
    case FailureClass::kCancelled:
      right = call.stopped || now() >= call.limit || exchange.lost;
      break;
    case FailureClass::kFirstTokenTimeout:
      right = script.stream && over(exchange.timeouts.first_token) && !exchange.content;
      break;
    case FailureClass::kStalled:
      // Content that is there when a race ends counts, also where its timer was over.
      right = script.stream && (exchange.content || call.hedges) &&
              over(std::min(exchange.timeouts.silence, exchange.timeouts.content_gap));
      break;
    case FailureClass::kTotalTimeout:
      right = over(exchange.timeouts.total);
      break;
    case FailureClass::kMalformed:
      // Nothing at all is no answer.
      right = script.failure == failed || (script.failure == FailureClass::kCut);
      break;
    default:
      right = script.failure == failed;
  }
  const bool whole = script.stream ? script.failure != failed && SeenOf(exchange).done
                                   : script.whole_sent && exchange.played;
  if (failed != FailureClass::kCancelled && whole && Listens(exchange)) right = false;
  if (right) return;
  Violation(base::StrCat("attempt ", exchange.number, " (", FaultName(script.fault), ") ends as ",
                         model::FailureClassName(failed)));
}

void World::CheckText(const SimulatedCall& call) {
  const fakes::RecordingSink& sink = call.sink->inner();
  if (sink.deltas().empty()) return;
  if (call.exchanges.empty()) return Violation("content out of nowhere");
  const Exchange& last = call.Last();
  const Progress sent = SeenOf(last);
  if (!sent.text.starts_with(sink.text()) || !sent.reasoning.starts_with(call.sink->reasoning())) {
    Violation(
        base::StrCat("call ", last.call, " has got \"", sink.text(), "\" of \"", sent.text, "\""));
  }
  if (!call.plan->include_reasoning && !call.sink->reasoning().empty()) {
    Violation("reasoning that nobody asked for");
  }
}

void World::CheckAnswer(const SimulatedCall& call, const exchange::Completed& completed) {
  if (call.exchanges.empty()) return Violation("an answer without an attempt");
  const Exchange& last = call.Last();
  const Script& script = last.script;
  const auto fail = [&](std::string_view what) {
    Violation(base::StrCat("call ", last.call, ", attempt ", last.number, ": ", what));
  };
  const fakes::RecordingSink& sink = call.sink->inner();
  const Progress seen = SeenOf(last);
  const bool whole = script.stream ? seen.finish : script.whole_sent && last.played;
  if (!whole) fail("OK without a whole answer");
  if (call.stopped) fail("OK after it was stopped");
  const std::string text = script.stream ? sink.text() : sink.answer()->choices[0].text;
  if (text != script.text) fail(base::StrCat("\"", text, "\" instead of \"", script.text, "\""));
  if (script.stream && call.plan->include_reasoning && call.sink->reasoning() != script.reasoning) {
    fail("not all of the reasoning");
  }
  const exchange::ServedBy& by = completed.served_by;
  if (by.provider != last.place.provider || by.upstream_model != last.place.model ||
      by.attempts != static_cast<int>(call.exchanges.size())) {
    fail("served by another one");
  }
  const model::Usage& usage = completed.usage;
  const bool reported = script.reports_usage && (!script.stream || seen.usage);
  if (reported) {
    const bool right = usage.source == model::UsageSource::kMeasured &&
                       usage.input_tokens == script.input_tokens &&
                       usage.output_tokens == script.output_tokens && !usage.lower_bound;
    if (!right) fail("the usage is not what the provider reports");
    return;
  }
  quota::TokenCounter counter;
  counter.Add(script.reasoning);
  counter.Add(script.text);
  if (usage.source != model::UsageSource::kCounted || usage.output_tokens != counter.tokens() ||
      usage.input_tokens < 1) {
    fail(base::StrCat("the usage is not counted right: ", usage.output_tokens, " instead of ",
                      counter.tokens()));
  }
}

void World::CheckSettlement(const SimulatedCall& call, const exchange::Completed* completed,
                            const model::CallError* error) {
  const Held* held = store_.OfTenant(call.signal);
  const auto fail = [&](std::string_view what) {
    Violation(base::StrCat("call at ", absl::ToDoubleSeconds(call.arrival - began_), ": ", what));
  };
  if (held == nullptr) {
    if (completed != nullptr) fail("served for nothing");
    return;
  }
  ++counts_.waits;
  if (held->granted == call.arrival) --counts_.waits;
  if (held->ends != 1 || held->ended != now()) return fail("it ends before it is settled");
  const bool reached = std::any_of(call.exchanges.begin(), call.exchanges.end(),
                                   [](const Exchange* exchange) { return exchange->connected; });
  if (held->end.give_request_back != !reached) fail("its request is not charged right");
  int64_t used = 0;
  bool at_least = false;
  if (completed != nullptr) {
    used = completed->usage.total();
  } else if (NumberIn(*error, "input_tokens") >= 0) {
    used = NumberIn(*error, "input_tokens") + NumberIn(*error, "output_tokens");
    at_least = true;
  } else if (call.sink->inner().started()) {
    fail("content is not charged");
  }
  int64_t expected = used - held->held;
  if (at_least) expected = std::max<int64_t>(0, expected);
  if (held->end.tokens != expected) {
    fail(base::StrCat("it is settled by ", held->end.tokens, " tokens instead of ", expected,
                      " (used ", used, ", held ", held->held, ")"));
  }
}

void World::CheckGaveUp(const SimulatedCall& call, const model::CallError& error) {
  if (call.stopped || now() >= call.limit || drained_ || !health_is_known_) return;
  if (scenario_.has_provider_limits || call.plan->deadline < absl::InfiniteDuration()) return;
  const bool from_provider = NumberIn(error, "attempts") >= 0;
  const size_t attempts = call.exchanges.size();
  if (!from_provider || call.sink->inner().started()) return;
  if (attempts >= static_cast<size_t>(scenario_.config->routing.attempts_max)) return;
  if (attempts > 0 && NextStepAfter(*call.Last().failed) == NextStep::kGiveUp) return;
  for (const routing::Target* target : TargetsOf(call)) {
    const bool tried =
        std::any_of(call.exchanges.begin(), call.exchanges.end(), [&](const Exchange* exchange) {
          return exchange->place.provider == target->provider->name;
        });
    if (tried || !IsUsable(*target)) continue;
    Violation(base::StrCat("a call gives up (", error.message, ") while ", target->model->name,
                           " could serve it"));
    return;
  }
}

void World::CheckTimes(const SimulatedCall& call) {
  // After a pause or a race the timer is armed once more.
  if (call.ended_at > call.limit + 2 * kTimerLateMax) {
    Violation("a call ends after its deadline");
  }
  const Held* held = store_.OfTenant(call.signal);
  if (held == nullptr) return;
  const absl::Duration patience =
      std::min(call.plan->max_queue_wait, scenario_.config->quota.wait_max);
  if (held->granted > call.arrival && held->granted > call.arrival + patience + kTimerLateMax) {
    Violation("a call waits longer for its quota than it wants to");
  }
}

void World::CheckAtEnd() {
  const auto zero = [this](std::string_view what, int64_t value) {
    if (value != 0) Violation(base::StrCat(what, " is ", value, " in the end"));
  };
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (!calls_[i]->gone) Violation(base::StrCat("call ", i, " never ends"));
    if (calls_[i]->sink->inner().ends() != 1) Violation(base::StrCat("call ", i, " has no end"));
  }
  for (const auto& exchange : exchanges_) {
    if (exchange->wire->held()) Violation("a transfer is still held");
    // A race that sees it leaves it to the reading, which sets a timer of its own.
    const absl::Duration most = exchange->timeouts.total + 2 * kTimerLateMax;
    if (exchange->failed && exchange->released > exchange->started + most) {
      Violation(base::StrCat("attempt ", exchange->number, " takes longer than its total"));
    }
  }
  telemetry::WorkerStats& stats = registry_.worker(0).worker();
  zero("calls in the gate", worker_->gate().calls());
  zero("calls_in_flight", stats.calls_in_flight.value());
  zero("transfers_in_flight", stats.transfers_in_flight.value());
  zero("transfers_paused", stats.transfers_paused.value());
  zero("reservations_open", stats.reservations_open.value());
  zero("reservations_dropped", stats.reservations_dropped.value());
  zero("bugs", stats.bugs.value());
  const config::Config& config = *scenario_.config;
  for (size_t t = 0; t < config.tenants.size(); ++t) {
    for (const routing::Route& route : worker_->runtime().routes().routes()) {
      const exchange::Series& series = worker_->view()->series(t, route);
      zero("calls that wait", series.line == nullptr ? 0 : series.line->waiting());
      zero("waiting", series.quota->waiting.value());
      for (const exchange::TargetSeries& target : series.targets) {
        zero("in_flight", target.unary->in_flight.value() + target.stream->in_flight.value());
        for (const exchange::KeySeries& key : target.keys) {
          zero("attempts under way", key.health->in_flight);
          zero("calls that wait at a provider", key.line == nullptr ? 0 : key.line->waiting());
        }
      }
    }
  }
  store_.CheckAtEnd(now());
}

}  // namespace pingti::simulation
