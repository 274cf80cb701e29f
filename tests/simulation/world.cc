#include "tests/simulation/world.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "server/base/check.h"
#include "server/base/strings.h"

namespace pingti::simulation {

class SimulatedTransport final : public transport::HttpTransport {
 public:
  explicit SimulatedTransport(World& world) : world_(world) {}
  std::unique_ptr<transport::HttpTransfer> Start(transport::HttpRequest request,
                                                 base::Signal& wake) override {
    return world_.StartExchange(std::move(request), wake);
  }

 private:
  World& world_;
};

// Tells when the call lets go of it.
class SimulatedTransfer final : public transport::HttpTransfer {
 public:
  SimulatedTransfer(World& world, Exchange& exchange)
      : world_(world), exchange_(exchange), inner_(exchange.wire) {}
  ~SimulatedTransfer() override { world_.OnReleased(exchange_); }
  int status() const override { return inner_.status(); }
  std::string_view header(std::string_view name) const override { return inner_.header(name); }
  std::string_view body() const override { return inner_.body(); }
  void Consume(size_t bytes) override { inner_.Consume(bytes); }
  bool done() const override { return inner_.done(); }
  transport::TransportError error() const override { return inner_.error(); }
  std::string_view error_text() const override { return inner_.error_text(); }
  bool connected() const override { return inner_.connected(); }

 private:
  World& world_;
  Exchange& exchange_;
  fakes::ScriptedTransfer inner_;
};

void SlowSink::SendDelta(model::ContentDelta delta) {
  inner_.SendDelta(std::move(delta));
  SimulatedCall& call = *world_.calls_[call_];
  if (call.plan->fills_after == 0 || inner_.full()) return;
  if (left_ < 0) left_ = call.plan->fills_after;
  if (--left_ > 0) return;
  left_ = -1;
  inner_.set_full(true);
  world_.time_.After(call.plan->drains_after, [this, &call] {
    inner_.set_full(false);
    if (!call.gone) call.call->signal().Notify();
  });
}

void SlowSink::FinishAnswer(exchange::Completed completed, model::Answer answer) {
  inner_.FinishAnswer(completed, std::move(answer));
  world_.OnEnd(call_, &completed, nullptr);
}

void SlowSink::FinishStream(exchange::Completed completed, std::vector<model::ChoiceEnd> ends) {
  inner_.FinishStream(completed, std::move(ends));
  world_.OnEnd(call_, &completed, nullptr);
}

void SlowSink::Fail(const model::CallError& error, std::string_view request_id) {
  inner_.Fail(error, request_id);
  world_.OnEnd(call_, nullptr, &error);
}

std::string SlowSink::reasoning() const {
  std::string all;
  for (const model::ContentDelta& delta : inner_.deltas()) {
    if (const auto* piece = std::get_if<model::ReasoningDelta>(&delta)) all += piece->text;
  }
  return all;
}

std::vector<Exchange*> SimulatedCall::Live() const {
  std::vector<Exchange*> live;
  for (Exchange* exchange : exchanges) {
    if (!exchange->failed && !exchange->succeeded) live.push_back(exchange);
  }
  return live;
}

const Exchange& SimulatedCall::Last() const {
  const Exchange* last = exchanges.front();
  for (const Exchange* exchange : exchanges) {
    if (!exchange->failed) return *exchange;
    if (!exchange->lost && (last->lost || exchange->turn > last->turn)) last = exchange;
  }
  return *last;
}

World::World(const Scenario& scenario)
    : scenario_(scenario),
      chance_(scenario.seed + 1),
      lateness_(scenario.seed + 2),
      decisions_(scenario.seed + 3),
      time_(VirtualLoop::Of(loop_)),
      began_(clock_.MonotonicNow()),
      health_(scenario.config->routing),
      store_([this](const std::string& what) { Violation(what); }),
      transport_(std::make_unique<SimulatedTransport>(*this)) {
  time_.Use(clock_, lateness_);
  auto made = exchange::Runtime::Make(scenario.config, nullptr, began_);
  PINGTI_CHECK(made.ok(), "the keys of a scenario can be sent");
  exchange::WorkerParts parts;
  parts.loop = &loop_;
  parts.clock = &clock_;
  parts.random = &decisions_;
  parts.transport = transport_.get();
  parts.runtime = *std::move(made);
  parts.quota_store = &store_;
  parts.metrics = &registry_.worker(0);
  worker_.emplace(parts);
}

World::~World() = default;

void World::Note(std::string_view what) {
  absl::StrAppendFormat(&trace_, "%11.6f %s\n", absl::ToDoubleSeconds(now() - began_),
                        std::string(what));
}

void World::Violation(const std::string& what) {
  Note("VIOLATION " + what);
  violations_.push_back(what);
}

void World::Run() {
  for (size_t i = 0; i < scenario_.calls.size(); ++i) {
    time_.At(began_ + scenario_.calls[i].at, [this, i] { StartCall(i); });
  }
  if (scenario_.drain < absl::InfiniteDuration()) {
    time_.After(scenario_.drain, [this] { Drain(); });
  }
  constexpr int kStepsMax = 1'000'000;
  int steps = 0;
  while (steps < kStepsMax && time_.RunNext()) ++steps;
  if (steps == kStepsMax) Violation("it never comes to rest");
  CheckAtEnd();
}

void World::StartCall(size_t number) {
  const CallPlan& plan = scenario_.calls[number];
  calls_.push_back(std::make_unique<SimulatedCall>());
  SimulatedCall& call = *calls_.back();
  call.plan = &plan;
  call.sink = std::make_unique<SlowSink>(*this, number);
  call.arrival = now();
  exchange::CallInput input;
  input.request.model = plan.model;
  model::Message& message = input.request.messages.emplace_back();
  message.role = model::Role::kUser;
  std::string prompt;
  for (int w = 0; w < plan.words; ++w) prompt += "hello ";
  message.parts.push_back(model::Text{std::move(prompt)});
  if (plan.output_tokens_max > 0) input.request.sampling.max_output_tokens = plan.output_tokens_max;
  input.request.max_queue_wait = plan.max_queue_wait;
  input.request.routing.no_fallback = plan.no_fallback;
  input.request.routing.preferred_provider = plan.preferred_provider;
  input.stream = plan.stream;
  input.include_reasoning = plan.include_reasoning;
  input.authorization = scenario_.tenant_keys[static_cast<size_t>(plan.tenant)];
  input.arrival = call.arrival;
  if (plan.deadline < absl::InfiniteDuration()) {
    input.deadline = call.arrival + plan.deadline;
    call.limit = input.deadline + -std::min(absl::Milliseconds(100), plan.deadline / 20);
  }
  const routing::Route* route = worker_->runtime().routes().Find(plan.model);
  call.hedges = plan.stream && route->hedge;
  Note(base::StrCat("call ", number, " of t", plan.tenant, " to ", plan.model,
                    plan.stream ? ", streamed" : ""));
  ++counts_.calls;
  call.call.emplace(*worker_, *call.sink, std::move(input));
  call.signal = &call.call->signal();
  base::Detach(RunCall(&call));
  if (plan.cancel < absl::InfiniteDuration()) {
    time_.After(plan.cancel, [this, number] { StopCall(number); });
  }
}

base::Task<> World::RunCall(SimulatedCall* call) {
  co_await call->call->Run();
  call->gone = true;
}

void World::StopCall(size_t number) {
  SimulatedCall& call = *calls_[number];
  if (call.gone) return;
  Note(base::StrCat("call ", number, " is cancelled"));
  call.stopped = true;
  call.call->Stop(exchange::StopCause::kCallerCancelled);
  if (!call.gone) Violation(base::StrCat("call ", number, " goes on after a cancel"));
}

void World::Drain() {
  Note("drain");
  drained_ = true;
  for (const auto& call : calls_) call->stopped = true;
  worker_->StopAll();
  for (const auto& call : calls_) {
    if (!call->gone) Violation("a call goes on after the drain");
  }
}

Place World::PlaceOf(const transport::HttpRequest& request) const {
  Place place;
  constexpr std::string_view kModel = R"("model":")";
  const size_t from = request.body.find(kModel) + kModel.size();
  place.model = request.body.substr(from, request.body.find('"', from) - from);
  for (const config::Provider& provider : worker_->config().providers) {
    if (!request.url.starts_with(provider.base_url + "/")) continue;
    place.provider = provider.name;
    for (const exchange::UpstreamKey& key : worker_->runtime().keys(provider)) {
      if (key.headers == request.headers) place.key = key.key.name;
    }
  }
  return place;
}

std::unique_ptr<transport::HttpTransfer> World::StartExchange(transport::HttpRequest request,
                                                              base::Signal& wake) {
  const auto of_call = std::find_if(calls_.begin(), calls_.end(),
                                    [&](const auto& call) { return call->signal == &wake; });
  SimulatedCall& call = **of_call;
  exchanges_.push_back(std::make_unique<Exchange>());
  Exchange& exchange = *exchanges_.back();
  exchange.number = static_cast<int>(exchanges_.size());
  exchange.call = static_cast<size_t>(of_call - calls_.begin());
  exchange.place = PlaceOf(request);
  exchange.started = now();
  for (const routing::Target* target : TargetsOf(call)) {
    const bool here = target->provider->name == exchange.place.provider;
    if (here && target->upstream_model == exchange.place.model) {
      exchange.timeouts = target->timeouts;
    }
  }
  const auto provider = static_cast<size_t>(exchange.place.provider.at(1) - '0');
  const Mood& mood = scenario_.MoodOf(provider, now() - began_);
  const Fault fault = chance_.Chance(mood.fault_percent) ? chance_.Pick(mood.faults) : Fault::kNone;
  exchange.script = MakeScript(chance_, fault, call.plan->stream, exchange.number);
  exchange.wire = std::make_shared<fakes::ScriptedExchange>(std::move(request), wake);
  Note(base::StrCat("call ", exchange.call, ": attempt ", exchange.number, " at ",
                    exchange.place.provider, "/", exchange.place.key, "/", exchange.place.model,
                    " (", FaultName(fault), ")"));
  CheckAttempt(call, exchange);
  ++counts_.attempts;
  if (!call.exchanges.empty()) ++(call.Live().empty() ? counts_.retries : counts_.hedges);
  call.exchanges.push_back(&exchange);
  exchange.probe = health_.OnStart(exchange.place);
  if (exchange.probe) ++counts_.probes;
  Schedule(exchange);
  return std::make_unique<SimulatedTransfer>(*this, exchange);
}

void World::Schedule(Exchange& exchange) {
  if (exchange.next_step >= exchange.script.steps.size()) return;
  time_.After(exchange.script.steps[exchange.next_step].after, [this, &exchange] {
    if (exchange.wire->held()) Play(exchange);
  });
}

void World::Play(Exchange& exchange) {
  const Step& step = exchange.script.steps[exchange.next_step++];
  exchange.played = exchange.next_step == exchange.script.steps.size();
  Schedule(exchange);
  switch (step.kind) {
    case Step::Kind::kConnect:
      exchange.connected = true;
      return exchange.wire->Connect();
    case Step::Kind::kHeader:
      exchange.has_header = true;
      return exchange.wire->Header(step.status, step.headers);
    case Step::Kind::kBody:
      Note(base::StrCat("attempt ", exchange.number, ": ", step.bytes.size(), " bytes"));
      exchange.delivered += step.bytes.size();
      NoteContent(exchange, exchange.script.At(exchange.delivered, false));
      return exchange.wire->Body(step.bytes);
    case Step::Kind::kEnd:
      Note(base::StrCat("attempt ", exchange.number, ": end"));
      NoteContent(exchange, exchange.script.At(exchange.delivered, true));
      return exchange.wire->End();
    case Step::Kind::kError:
      Note(base::StrCat("attempt ", exchange.number, ": error ", static_cast<int>(step.error)));
      if (step.error != transport::TransportError::kTooLarge) {
        NoteContent(exchange, exchange.script.At(exchange.delivered, true));
      }
      return exchange.wire->Error(step.error);
  }
}

Progress World::SeenOf(const Exchange& exchange) const {
  const Step* last =
      exchange.next_step == 0 ? nullptr : &exchange.script.steps[exchange.next_step - 1];
  const bool ended =
      last != nullptr &&
      (last->kind == Step::Kind::kEnd ||
       (last->kind == Step::Kind::kError && last->error != transport::TransportError::kTooLarge));
  return exchange.script.At(exchange.delivered, ended);
}

bool World::Listens(const Exchange& exchange) const {
  const SimulatedCall& call = *calls_[exchange.call];
  return !call.stopped && now() < call.limit &&
         now() < exchange.started + exchange.timeouts.total &&
         now() < exchange.started + exchange.timeouts.first_token;
}

void World::NoteContent(Exchange& exchange, const Progress& progress) {
  if (exchange.content || !progress.content) return;
  if (!Listens(exchange)) {
    // Two attempts at once are looked at together; whose timer is over may still be in time.
    if (calls_[exchange.call]->hedges) health_is_known_ = false;
    return;
  }
  exchange.content = true;
  health_.OnSuccess(exchange.place, std::exchange(exchange.probe, false), now());
}

std::optional<model::FailureClass> World::NewFailure(const Place& place) {
  const auto& counted = registry_.worker(0).Attempts({place.provider, place.model}).failures;
  auto& seen = failures_seen_[{place.provider, place.model}];
  std::optional<model::FailureClass> found;
  for (int i = 0; i < model::kFailureClassCount; ++i) {
    if (counted[i].value() == seen[i]) continue;
    if (found || counted[i].value() != seen[i] + 1) Violation("failures are counted twice");
    seen[i] = counted[i].value();
    found = static_cast<model::FailureClass>(i);
  }
  return found;
}

void World::OnReleased(Exchange& exchange) {
  exchange.released = now();
  exchange.turn = ++turns_;
  if (exchange.succeeded) return;
  SimulatedCall& call = *calls_[exchange.call];
  exchange.lost = call.Live().size() > 1;
  exchange.failed = NewFailure(exchange.place);
  if (!exchange.failed) return Violation("an attempt is given up and no failure is counted");
  const auto name = std::string(model::FailureClassName(*exchange.failed));
  Note(base::StrCat("attempt ", exchange.number, " has failed: ", name));
  ++counts_.failures[name];
  CheckFailure(call, exchange);
  const bool probe = std::exchange(exchange.probe, false);
  if (*exchange.failed == model::FailureClass::kCancelled) {
    health_.OnNeither(exchange.place, probe);
  } else {
    const bool says = exchange.failed == exchange.script.failure;
    health_.OnFailure(exchange.place, probe, *exchange.failed,
                      says ? exchange.script.retry_after : std::nullopt, now());
  }
}

void World::OnEnd(size_t number, const exchange::Completed* completed,
                  const model::CallError* error) {
  SimulatedCall& call = *calls_[number];
  if (std::exchange(call.ended, true)) return Violation("a call ends twice");
  call.ended_at = now();
  std::string how = "OK";
  if (error != nullptr) how = std::string(model::ErrorReasonName(error->reason));
  Note(base::StrCat("call ", number, " ends: ", how, ", ", call.sink->inner().text().size(),
                    " bytes of text", error != nullptr ? ", " + error->message : ""));
  ++(error == nullptr ? counts_.ok : counts_.errors[how]);
  if (completed != nullptr && !call.exchanges.empty()) {
    const std::vector<Exchange*> live = call.Live();
    if (live.size() != 1) return Violation("OK with two attempts under way, or none");
    Exchange& last = *live.front();
    last.succeeded = true;
    if (!call.plan->stream) {
      health_.OnSuccess(last.place, std::exchange(last.probe, false), now());
    }
  }
  CheckTimes(call);
  CheckText(call);
  if (completed != nullptr) CheckAnswer(call, *completed);
  if (error != nullptr) CheckGaveUp(call, *error);
  CheckSettlement(call, completed, error);
}

}  // namespace pingti::simulation
