// A worker with one provider, a scripted transport and a clock that stands still, and calls on it.
//
// One tenant `acme` on tier Tier1; `gpt-4o` is an alias of `yi-large` at provider `yi`. A plain
// call (Ask()) reserves kReserved tokens: 7 of prompt and 100 of output. Tests change `config_`
// before the first call. Timers of calls are real ones of the loop, but decide by the fake clock:
// After() moves it and wakes the calls, as an expired timer would.
#pragma once

#include <event2/event.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "server/exchange/runtime.h"
#include "server/exchange/worker.h"
#include "server/quota/memory_store.h"
#include "server/telemetry/registry.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_random.h"
#include "tests/fakes/recording_sink.h"
#include "tests/fakes/scripted_transport.h"
#include "tests/unit/exchange/provider_bytes.h"

namespace pingti::exchange::testing {

inline constexpr char kKey[] = "pt_acme_s3cret";
inline constexpr char kAuthorization[] = "Bearer pt_acme_s3cret";
inline constexpr int64_t kRequestLimit = 10;
inline constexpr int64_t kTokenLimit = 10'000;
inline constexpr int64_t kInputTokens = 7;
inline constexpr int64_t kReserved = 107;

// One call and where its answer goes.
struct Running {
  fakes::RecordingSink sink;
  std::optional<Call> call;
  bool ended = false;
};

class CallFixture : public ::testing::Test {
 protected:
  CallFixture() {
    config::Provider& provider = config_.providers.emplace_back();
    provider.name = "yi";
    provider.dialect = "openai";
    provider.base_url = "http://yi.test/v1";
    provider.api_key = config::Secret("sk-yi");
    provider.timeouts.connect = absl::Seconds(5);
    provider.timeouts.first_token = absl::Seconds(10);
    provider.timeouts.silence = absl::Seconds(20);
    provider.timeouts.content_gap = absl::Seconds(30);
    provider.timeouts.total = absl::Seconds(100);
    config::Model& yi = config_.models.emplace_back();
    yi.name = "yi-large";
    yi.provider = "yi";
    yi.upstream_model = "yi-large";
    yi.model_class = "yi-large";
    yi.context_tokens = 32'768;
    config::Model& gpt = config_.models.emplace_back();
    gpt.name = "gpt-4o";
    gpt.provider = "openai";  // which is off
    gpt.upstream_model = "gpt-4o";
    gpt.model_class = "gpt-4o";
    gpt.context_tokens = 128'000;
    config_.aliases.push_back({"gpt-4o", "yi-large"});
    config::Tier& tier = config_.tiers.emplace_back();
    tier.name = "Tier1";
    tier.classes["gpt-4o"].requests_per_minute = kRequestLimit;
    tier.classes["gpt-4o"].tokens_per_minute = kTokenLimit;
    config::Tenant& tenant = config_.tenants.emplace_back();
    tenant.name = "acme";
    tenant.tier = "Tier1";
    const tenancy::KeyHash hash = tenancy::HashKey(kKey);
    tenant.keys.push_back({"acme", std::string(hash.begin(), hash.end())});
    config_.server.calls_in_flight_max = 100;
    // What is tried again, and what rests after a failure, has tests of its own.
    config_.routing = {.attempts_max = 1,
                       .refused_key_for = {},
                       .lost_provider_for = {},
                       .rate_limited_for_max = {},
                       .breaker_failures = 1'000};
    config_.limits.answer_bytes_max = 100'000;
  }

  ~CallFixture() override { EndCalls(); }

  void EndCalls() {
    // A detached call ends by itself only.
    for (const auto& running : calls_) {
      if (!running->ended) running->call->Stop(StopCause::kCallerCancelled);
      EXPECT_TRUE(running->ended);
    }
  }

  // A second provider, which has gpt-4o itself.
  void AddOpenAi() {
    config::Provider openai = config_.providers[0];
    openai.name = "openai";
    openai.base_url = "http://openai.test/v1";
    config_.providers.push_back(openai);
  }

  // The worker, made from `config_` when it is first asked for.
  Worker& worker() {
    if (!worker_) {
      auto made = Runtime::Make(std::make_shared<const config::Config>(config_), nullptr,
                                clock_.MonotonicNow());
      EXPECT_TRUE(made.ok()) << made.status();
      WorkerParts parts;
      parts.loop = &loop_;
      parts.clock = &clock_;
      parts.random = &random_;
      parts.transport = &transport_;
      parts.runtime = *std::move(made);
      parts.quota_store = &quota_store_;
      parts.metrics = &registry_.worker(0);
      parts.access_log = access_log_;
      parts.ledger = ledger_;
      parts.memory_used = &registry_.process().memory_used;
      worker_.emplace(parts);
    }
    return *worker_;
  }

  // A call that is right: "hello" to gpt-4o, at most 100 tokens of answer.
  CallInput Ask(bool stream = false) {
    CallInput input;
    input.request.model = "gpt-4o";
    model::Message& message = input.request.messages.emplace_back();
    message.role = model::Role::kUser;
    message.parts.push_back(model::Text{"hello"});
    input.request.sampling.max_output_tokens = 100;
    input.stream = stream;
    input.authorization = kAuthorization;
    input.arrival = clock_.MonotonicNow();
    input.bytes = 77;
    input.peer = "ipv4:127.0.0.1:1";
    return input;
  }

  // Starts a call; it runs up to its first wait.
  Running& Start(CallInput input) {
    calls_.push_back(std::make_unique<Running>());
    Running* running = calls_.back().get();
    running->call.emplace(worker(), running->sink, std::move(input));
    base::Detach(Run(running));
    return *running;
  }
  Running& StartUnary() { return Start(Ask(false)); }
  Running& StartStream() { return Start(Ask(true)); }
  // A stream that has delivered `text`.
  Running& StartStreaming(std::string_view text = "Hello") {
    Running& running = StartStream();
    exchange().Header(200, kEventStream);
    exchange().Body(Chunk(text));
    EXPECT_EQ(running.sink.text(), text);
    return running;
  }

  // The exchange with the provider that was started last.
  fakes::ScriptedExchange& exchange() {
    EXPECT_FALSE(transport_.exchanges().empty()) << "nothing was sent to the provider";
    return *transport_.exchanges().back();
  }

  // `time` passes.
  void After(absl::Duration time) {
    clock_.Advance(time);
    for (size_t i = 0; i < calls_.size(); ++i) {
      if (!calls_[i]->ended) calls_[i]->call->signal().Notify();
    }
  }

  quota::BucketSet& buckets() { return *worker().runtime().quotas().Find(0, "gpt-4o"); }
  // Others use up `tokens` with one request.
  void TakeTokens(int64_t tokens) {
    uint8_t shadow = 0;
    EXPECT_FALSE(buckets().Take(tokens, clock_.MonotonicNow(), &shadow));
  }
  int64_t tokens_left() {
    return buckets().Read(quota::Dimension::kTokensPerMinute, clock_.MonotonicNow())->remaining;
  }
  int64_t requests_left() {
    return buckets().Read(quota::Dimension::kRequestsPerMinute, clock_.MonotonicNow())->remaining;
  }
  const Series& series() {
    return worker().view()->series(0, *worker().runtime().routes().Find("gpt-4o"));
  }
  // Nothing is left running or held.
  void ExpectAllQuiet() {
    EXPECT_EQ(worker().gate().calls(), 0);
    EXPECT_EQ(worker().stats().calls_in_flight.value(), 0);
    EXPECT_EQ(worker().stats().transfers_in_flight.value(), 0);
    EXPECT_EQ(worker().stats().transfers_paused.value(), 0);
    EXPECT_EQ(series().first().unary->in_flight.value(), 0);
    EXPECT_EQ(series().first().stream->in_flight.value(), 0);
    for (const auto& started : transport_.exchanges()) EXPECT_FALSE(started->held());
  }
  static std::string ReasonOf(const Running& running) {
    if (!running.sink.error()) return running.sink.ends() > 0 ? "OK" : "(running)";
    return std::string(model::ErrorReasonName(running.sink.error()->reason));
  }
  static std::string Metadata(const Running& running, const std::string& key) {
    if (!running.sink.error()) return "(no error)";
    const auto& metadata = running.sink.error()->metadata;
    const auto it = metadata.find(key);
    return it == metadata.end() ? "(none)" : it->second;
  }

  config::Config config_;
  base::EventLoop loop_;
  fakes::FakeClock clock_;
  fakes::FakeRandom random_;
  fakes::ScriptedTransport transport_;
  telemetry::Registry registry_{1};
  telemetry::AccessLog* access_log_ = nullptr;
  billing::LedgerStore* ledger_ = nullptr;
  quota::MemoryStore quota_store_;

 private:
  static base::Task<> Run(Running* running) {
    co_await running->call->Run();
    running->ended = true;
  }

  std::optional<Worker> worker_;
  std::vector<std::unique_ptr<Running>> calls_;
};

}  // namespace pingti::exchange::testing
