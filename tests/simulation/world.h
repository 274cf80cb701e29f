// A worker in a simulated world: virtual time, chance from a seed, providers that do what their
// scripts say, callers that cancel, wait and stop reading. world.cc lets it run; world_checks.cc
// says what must hold, as each thing happens and in the end.
//
// Thread-safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/event_loop.h"
#include "server/exchange/call.h"
#include "server/exchange/worker.h"
#include "server/telemetry/registry.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/recording_sink.h"
#include "tests/fakes/scripted_transport.h"
#include "tests/simulation/health_model.h"
#include "tests/simulation/model_store.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/script.h"
#include "tests/simulation/seeded_random.h"
#include "tests/simulation/virtual_loop.h"

namespace pingti::simulation {

class World;

// A RecordingSink whose reader stops now and then.
class SlowSink final : public exchange::ResponseSink {
 public:
  SlowSink(World& world, size_t call) : world_(world), call_(call) {}

  void AddHeader(std::string_view name, std::string_view value) override {
    inner_.AddHeader(name, value);
  }
  void SendStarted(std::string_view request_id, std::string_view model,
                   const exchange::ServedBy& served_by) override {
    inner_.SendStarted(request_id, model, served_by);
  }
  void SendDelta(model::ContentDelta delta) override;
  bool full() const override { return inner_.full(); }
  void FinishAnswer(exchange::Completed completed, model::Answer answer) override;
  void FinishStream(exchange::Completed completed, std::vector<model::ChoiceEnd> ends) override;
  void Fail(const model::CallError& error, std::string_view request_id) override;
  int64_t chunks_sent() const override { return inner_.chunks_sent(); }
  int64_t bytes_sent() const override { return inner_.bytes_sent(); }

  const fakes::RecordingSink& inner() const { return inner_; }
  std::string reasoning() const;

 private:
  World& world_;
  const size_t call_;
  int left_ = -1;  // pieces until its reader stops; -1: not counted yet
  fakes::RecordingSink inner_;
};

// One attempt, as its provider sees it.
struct Exchange {
  int number = 0;
  size_t call = 0;
  Place place;
  config::Timeouts timeouts;
  base::Instant started;
  Script script;
  size_t next_step = 0;
  std::shared_ptr<fakes::ScriptedExchange> wire;
  size_t delivered = 0;  // bytes of the body
  bool connected = false;
  bool has_header = false;
  bool played = false;   // to its last step
  bool content = false;  // that the call has seen
  bool probe = false;    // of a breaker, and without a result yet
  bool succeeded = false;
  bool lost = false;  // another one of its call went on
  std::optional<model::FailureClass> failed;
  base::Instant released;
  uint64_t turn = 0;  // of its end, among the decisions of all calls
};

struct SimulatedCall {
  const CallPlan* plan = nullptr;
  std::unique_ptr<SlowSink> sink;
  std::optional<exchange::Call> call;
  const base::Signal* signal = nullptr;  // of it, which tells it from others
  base::Instant arrival;
  base::Instant limit = base::Instant::InfiniteFuture();  // its deadline, less the margin
  std::vector<Exchange*> exchanges;
  bool stopped = false;  // from outside
  bool hedges = false;   // it may have two attempts at once

  // Those under way.
  std::vector<Exchange*> Live() const;
  // The one that serves it or, when all have failed, that was the last to. REQUIRES: one began.
  const Exchange& Last() const;
  bool ended = false;
  bool gone = false;  // its coroutine has ended
  base::Instant ended_at;
};

struct Counts {
  int64_t calls = 0;
  int64_t ok = 0;
  int64_t attempts = 0;
  int64_t retries = 0;
  int64_t waits = 0;
  int64_t probes = 0;
  int64_t hedges = 0;
  std::map<std::string, int64_t> errors;    // calls by reason
  std::map<std::string, int64_t> failures;  // attempts by class
};

class World {
 public:
  explicit World(const Scenario& scenario);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // To the end: nothing is left to happen.
  void Run();

  // Empty: all that must hold did.
  const std::vector<std::string>& violations() const { return violations_; }
  const std::string& trace() const { return trace_; }
  const Counts& counts() const { return counts_; }

 private:
  friend class SlowSink;
  friend class SimulatedTransport;
  friend class SimulatedTransfer;

  void StartCall(size_t number);
  static base::Task<> RunCall(SimulatedCall* call);
  void StopCall(size_t number);
  void Drain();
  std::unique_ptr<transport::HttpTransfer> StartExchange(transport::HttpRequest request,
                                                         base::Signal& wake);
  Place PlaceOf(const transport::HttpRequest& request) const;
  void Schedule(Exchange& exchange);
  void Play(Exchange& exchange);
  // Of a stream: what the call has seen of it.
  Progress SeenOf(const Exchange& exchange) const;
  bool Listens(const Exchange& exchange) const;
  // Before the call sees it: its first content is a success.
  void NoteContent(Exchange& exchange, const Progress& progress);
  void OnReleased(Exchange& exchange);
  void OnEnd(size_t number, const exchange::Completed* completed, const model::CallError* error);
  std::optional<model::FailureClass> NewFailure(const Place& place);

  // world_checks.cc
  using Targets = std::vector<const routing::Target*>;
  void CheckAttempt(const SimulatedCall& call, const Exchange& exchange);
  void CheckRetry(const SimulatedCall& call, const Exchange& exchange);
  void CheckRetryBudget(const SimulatedCall& call, const Exchange& exchange);
  void CheckFirstChoice(const SimulatedCall& call, const Exchange& exchange);
  void CheckFailure(const SimulatedCall& call, const Exchange& exchange);
  void CheckAnswer(const SimulatedCall& call, const exchange::Completed& completed);
  void CheckText(const SimulatedCall& call);
  void CheckSettlement(const SimulatedCall& call, const exchange::Completed* completed,
                       const model::CallError* error);
  void CheckGaveUp(const SimulatedCall& call, const model::CallError& error);
  void CheckTimes(const SimulatedCall& call);
  void CheckAtEnd();
  // The targets that a call may go to, in the order of its route.
  Targets TargetsOf(const SimulatedCall& call) const;
  bool IsUsable(const routing::Target& target) const;
  static int PriorityFor(const CallPlan& plan, const routing::Target& target);

  base::Instant now() const { return clock_.MonotonicNow(); }
  void Note(std::string_view what);
  void Violation(const std::string& what);

  const Scenario& scenario_;
  SeededRandom chance_;     // of the providers
  SeededRandom lateness_;   // of the timers
  SeededRandom decisions_;  // of the server
  fakes::FakeClock clock_;
  base::EventLoop loop_;
  VirtualLoop& time_;
  const base::Instant began_;
  telemetry::Registry registry_{1};
  HealthModel health_;
  ModelStore store_;
  std::unique_ptr<transport::HttpTransport> transport_;
  std::optional<exchange::Worker> worker_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::vector<std::unique_ptr<SimulatedCall>> calls_;
  std::map<std::pair<std::string, std::string>, std::array<int64_t, model::kFailureClassCount>>
      failures_seen_;  // by provider and model
  uint64_t turns_ = 0;
  bool drained_ = false;
  // False: what the server has seen of a provider is not known for sure any more.
  bool health_is_known_ = true;
  Counts counts_;
  std::string trace_;
  std::vector<std::string> violations_;
};

}  // namespace pingti::simulation
