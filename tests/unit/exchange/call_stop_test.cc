// A call that is ended from outside, in every phase of its life: cancelled, out of time, drained.
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder

// How far the provider has come when the call is ended.
struct Phase {
  const char* name;
  bool stream;
  std::function<void(fakes::ScriptedExchange&, fakes::RecordingSink&)> reach;
  const char* stage;  // as the error says it
  bool content;       // the caller has got some
};

const std::vector<Phase>& Phases() {
  using fakes::RecordingSink;
  using fakes::ScriptedExchange;
  static const std::vector<Phase> kPhases = {
      {"UnaryConnecting", false, [](ScriptedExchange&, RecordingSink&) {}, "connecting", false},
      {"UnaryConnected", false, [](ScriptedExchange& e, RecordingSink&) { e.Connect(); },
       "first_token", false},
      {"UnaryHeader", false, [](ScriptedExchange& e, RecordingSink&) { e.Header(200, kJson); },
       "first_token", false},
      {"UnaryBody", false,
       [](ScriptedExchange& e, RecordingSink&) {
         e.Header(200, kJson);
         e.Body(R"({"choices":)");
       },
       "first_token", false},
      {"StreamConnecting", true, [](ScriptedExchange&, RecordingSink&) {}, "connecting", false},
      {"StreamConnected", true, [](ScriptedExchange& e, RecordingSink&) { e.Connect(); },
       "first_token", false},
      {"StreamHeader", true,
       [](ScriptedExchange& e, RecordingSink&) { e.Header(200, kEventStream); }, "first_token",
       false},
      {"StreamKeepAlive", true,
       [](ScriptedExchange& e, RecordingSink&) {
         e.Header(200, kEventStream);
         e.Body(": ping\n\n");
       },
       "first_token", false},
      {"StreamErrorBody", true,
       [](ScriptedExchange& e, RecordingSink&) {
         e.Header(500, kJson);
         e.Body(R"({"error":)");
       },
       "first_token", false},
      {"StreamContent", true,
       [](ScriptedExchange& e, RecordingSink&) {
         e.Header(200, kEventStream);
         e.Body(Chunk("Hello"));
       },
       "streaming", true},
      {"StreamSinkFull", true,
       [](ScriptedExchange& e, RecordingSink& sink) {
         sink.FillAfter(1);
         e.Header(200, kEventStream);
         e.Body(Chunk("Hello"));
         e.Body(Chunk("more"));
       },
       "streaming", true},
      {"StreamChoiceEnded", true,
       [](ScriptedExchange& e, RecordingSink&) {
         e.Header(200, kEventStream);
         e.Body(Chunk("Hello") + kStop);
       },
       "streaming", true},
  };
  return kPhases;
}

class CallStopTest : public CallFixture, public ::testing::WithParamInterface<size_t> {
 protected:
  const Phase& phase() const { return Phases()[GetParam()]; }
  Running& StartAndReach(CallInput input) {
    input.stream = phase().stream;
    Running& running = Start(std::move(input));
    phase().reach(exchange(), running.sink);
    EXPECT_EQ(ReasonOf(running), "(running)");
    EXPECT_TRUE(exchange().held());
    return running;
  }
  // The end that every reason has in common.
  void ExpectEnded(const Running& running, const std::string& reason) {
    EXPECT_EQ(ReasonOf(running), reason);
    EXPECT_TRUE(running.ended);
    EXPECT_EQ(running.sink.ends(), 1);
    EXPECT_TRUE(exchange().aborted());
    const bool connecting = std::string(phase().stage) == "connecting";
    EXPECT_EQ(requests_left(), connecting ? kRequestLimit : kRequestLimit - 1);
    // Usage that is only counted never gives back. Without content nothing was used, unless it was
    // the caller who ended the call: the provider has read its prompt then.
    const bool used = phase().content || (reason == "CANCELLED" && !connecting);
    EXPECT_EQ(tokens_left(), used ? kTokenLimit - kReserved : kTokenLimit);
    EXPECT_EQ(Metadata(running, "input_tokens"), used ? "7" : "(none)");
    const std::string output = phase().content ? "1" : "0";
    EXPECT_EQ(Metadata(running, "output_tokens"), used ? output : "(none)");
    EXPECT_EQ(Metadata(running, "usage_source"), used ? "counted" : "(none)");
    ExpectAllQuiet();
  }
};

INSTANTIATE_TEST_SUITE_P(EachPhase, CallStopTest, ::testing::Range(size_t{0}, Phases().size()),
                         [](const ::testing::TestParamInfo<size_t>& info) {
                           return Phases()[info.param].name;
                         });

TEST_P(CallStopTest, ACancelAbortsTheProviderBeforeItReturns) {
  Running& running = StartAndReach(Ask());
  running.call->Stop(StopCause::kCallerCancelled);
  ExpectEnded(running, "CANCELLED");
  EXPECT_EQ(Metadata(running, "stage"), phase().stage);
  EXPECT_EQ(running.sink.error()->code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(worker().stats().calls_cancelled.value(), 1);
}

TEST_P(CallStopTest, TheDeadlineAbortsTheProvider) {
  CallInput input = Ask();
  input.deadline = clock_.MonotonicNow() + absl::Milliseconds(20);
  Running& running = StartAndReach(std::move(input));
  After(absl::Milliseconds(18));
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Milliseconds(1));
  EXPECT_EQ(ReasonOf(running), "DEADLINE");
  EXPECT_TRUE(exchange().aborted());
  EXPECT_TRUE(running.ended);
  EXPECT_EQ(Metadata(running, "stage"), phase().stage);
  EXPECT_EQ(running.sink.error()->code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(worker().stats().calls_cancelled.value(), 1);
  const bool connecting = std::string(phase().stage) == "connecting";
  EXPECT_EQ(tokens_left() < kTokenLimit, !connecting);
  ExpectAllQuiet();
}

TEST_P(CallStopTest, ACancelBecauseTheDeadlineHasPassedIsTheDeadline) {
  CallInput input = Ask();
  input.deadline = clock_.MonotonicNow() + absl::Milliseconds(20);
  Running& running = StartAndReach(std::move(input));
  clock_.Advance(absl::Milliseconds(20));
  running.call->Stop(StopCause::kCallerCancelled);  // gRPC's own timer was faster than ours
  EXPECT_EQ(ReasonOf(running), "DEADLINE");
  EXPECT_EQ(Metadata(running, "stage"), phase().stage);
  ExpectAllQuiet();
}

TEST_P(CallStopTest, TheDrainAbortsTheProvider) {
  Running& running = StartAndReach(Ask());
  worker().StopAll();
  ExpectEnded(running, "DRAINING");
  EXPECT_EQ(running.sink.error()->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(running.sink.error()->retry_delay, absl::Seconds(1));
  EXPECT_EQ(worker().stats().calls_cancelled.value(), 0);
}

TEST_P(CallStopTest, TheTotalTimeAbortsTheProvider) {
  config_.providers[0].timeouts.total = absl::Seconds(9);  // before any other
  Running& running = StartAndReach(Ask());
  After(absl::Seconds(9) - absl::Nanoseconds(1));
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Nanoseconds(1));
  EXPECT_EQ(Metadata(running, "cause"), "total_timeout");
  EXPECT_TRUE(exchange().aborted());
  EXPECT_TRUE(running.ended);
  ExpectAllQuiet();
}

class CallLingerTest : public CallFixture {};

TEST_F(CallLingerTest, ACancelAfterTheEndChangesNothingButTheConnection) {
  Running& running = StartStreaming();
  exchange().Body(kStop + UsageChunk(10, 20) + kDone);
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_TRUE(exchange().held());
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_TRUE(exchange().aborted());
  EXPECT_TRUE(running.ended);
  EXPECT_EQ(running.sink.ends(), 1);
  EXPECT_EQ(worker().stats().calls_cancelled.value(), 0);
  EXPECT_EQ(tokens_left(), kTokenLimit - 30);
  ExpectAllQuiet();
}

TEST_F(CallLingerTest, ADrainAfterTheEndChangesNothingButTheConnection) {
  Running& running = StartStreaming();
  exchange().Body(kStop + kDone);
  worker().StopAll();
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_TRUE(running.ended);
  ExpectAllQuiet();
}

class DrainTest : public CallFixture {};

TEST_F(DrainTest, EveryCallEnds) {
  Running& a = StartUnary();
  Running& b = StartStreaming();
  Running& c = StartUnary();
  worker().StopAll();
  for (const Running* running : {&a, &b, &c}) {
    EXPECT_EQ(ReasonOf(*running), "DRAINING");
    EXPECT_TRUE(running->ended);
  }
  ExpectAllQuiet();
}

TEST_F(DrainTest, LaterCallsEndAtOnce) {
  worker().StopAll();
  Running& running = StartUnary();
  EXPECT_EQ(ReasonOf(running), "DRAINING");
  EXPECT_TRUE(transport_.exchanges().empty());
  EXPECT_EQ(tokens_left(), kTokenLimit);
  ExpectAllQuiet();
}

TEST_F(DrainTest, ACallThatWasCancelledBeforeKeepsItsReason) {
  Running& running = StartUnary();
  running.call->Stop(StopCause::kCallerCancelled);
  worker().StopAll();
  EXPECT_EQ(ReasonOf(running), "CANCELLED");
}

}  // namespace
}  // namespace pingti::exchange
