// One attempt at a target: what is sent, what comes back, and how it breaks.
#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using transport::TransportError;

class AttemptTest : public CallFixture {};

TEST_F(AttemptTest, SendsTheRequestInTheProvidersForm) {
  StartUnary();
  const transport::HttpRequest& sent = exchange().request();
  EXPECT_EQ(sent.url, "http://yi.test/v1/chat/completions");
  EXPECT_EQ(sent.headers, worker().runtime().keys(worker().config().providers[0]).at(0).headers);
  EXPECT_THAT(sent.body, HasSubstr(R"("model":"yi-large")"));
  EXPECT_THAT(sent.body, HasSubstr("hello"));
  EXPECT_THAT(sent.body, HasSubstr(R"("max_tokens":100)"));
  EXPECT_THAT(sent.body, Not(HasSubstr(R"("stream":true)")));
  EXPECT_EQ(sent.connect_timeout, absl::Seconds(5));
  EXPECT_EQ(sent.answer_bytes_max, 100'000u);
  EXPECT_EQ(sent.buffer_bytes_max, 100'000u);  // it is read whole
}

TEST_F(AttemptTest, AStreamIsReadPieceByPiece) {
  StartStream();
  EXPECT_THAT(exchange().request().body, HasSubstr(R"("stream":true)"));
  EXPECT_EQ(exchange().request().buffer_bytes_max, transport::kBodyBufferBytesMax);
}

TEST_F(AttemptTest, AWholeAnswerReachesTheCaller) {
  Running& running = StartUnary();
  clock_.Advance(absl::Milliseconds(250));
  exchange().Connect();
  exchange().Header(200, kJson);
  const std::string body = WholeAnswer("Hello there", kUsage30);
  exchange().Body(body.substr(0, 20));
  EXPECT_EQ(ReasonOf(running), "(running)");
  exchange().Body(body.substr(20));
  EXPECT_EQ(ReasonOf(running), "(running)");
  exchange().End();
  ASSERT_EQ(ReasonOf(running), "OK");
  EXPECT_TRUE(running.ended);
  ASSERT_EQ(running.sink.answer()->choices.size(), 1u);
  EXPECT_EQ(running.sink.answer()->choices[0].text, "Hello there");
  const Completed& completed = *running.sink.completed();
  EXPECT_EQ(completed.model, "gpt-4o");
  EXPECT_EQ(completed.usage.input_tokens, 10);
  EXPECT_EQ(completed.usage.output_tokens, 20);
  EXPECT_EQ(completed.usage.source, model::UsageSource::kMeasured);
  EXPECT_EQ(completed.served_by.provider, "yi");
  EXPECT_EQ(completed.served_by.upstream_model, "yi-large");
  EXPECT_EQ(completed.served_by.reported_model, "yi-large-0613");
  EXPECT_EQ(completed.served_by.upstream_response_id, "c-1");
  EXPECT_EQ(completed.served_by.attempts, 1);
  EXPECT_EQ(completed.timings.total, absl::Milliseconds(250));
  EXPECT_EQ(completed.timings.upstream, absl::Milliseconds(250));
  EXPECT_EQ(completed.timings.first_token, absl::InfiniteDuration());
  EXPECT_FALSE(exchange().aborted());
  ExpectAllQuiet();
}

TEST_F(AttemptTest, AStreamReachesTheCallerAsItArrives) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  EXPECT_FALSE(running.sink.started().has_value());
  clock_.Advance(absl::Milliseconds(100));
  exchange().Body(Chunk("Hel"));
  ASSERT_TRUE(running.sink.started().has_value());
  EXPECT_EQ(running.sink.started()->model, "gpt-4o");
  EXPECT_EQ(running.sink.started()->provider, "yi");
  EXPECT_EQ(running.sink.started()->upstream_model, "yi-large");
  EXPECT_EQ(running.sink.started()->request_id, running.sink.header("x-request-id"));
  EXPECT_EQ(running.sink.text(), "Hel");
  EXPECT_EQ(exchange().unconsumed(), 0u);
  clock_.Advance(absl::Milliseconds(100));
  exchange().Body(Chunk("lo") + kStop + UsageChunk(10, 20));
  EXPECT_EQ(running.sink.text(), "Hello");
  EXPECT_EQ(ReasonOf(running), "(running)");
  exchange().Body(kDone);
  ASSERT_EQ(ReasonOf(running), "OK");
  ASSERT_EQ(running.sink.choice_ends().size(), 1u);
  EXPECT_EQ(running.sink.choice_ends()[0].reason, model::FinishReason::kStop);
  EXPECT_EQ(running.sink.completed()->usage.total(), 30);
  EXPECT_EQ(running.sink.completed()->timings.first_token, absl::Milliseconds(100));
  EXPECT_EQ(running.sink.completed()->timings.total, absl::Milliseconds(200));
  exchange().End();
  EXPECT_TRUE(running.ended);
  EXPECT_FALSE(exchange().aborted());
  ExpectAllQuiet();
}

TEST_F(AttemptTest, AStreamThatComesAllAtOnceIsTheSame) {
  Running& running = StartStream();
  exchange().Answer(200, kEventStream,
                    Chunk("Hel") + Chunk("lo") + kStop + UsageChunk(10, 20) + kDone);
  ASSERT_EQ(ReasonOf(running), "OK");
  EXPECT_EQ(running.sink.text(), "Hello");
  EXPECT_TRUE(running.ended);
  EXPECT_FALSE(exchange().aborted());
}

TEST_F(AttemptTest, AFinishedStreamWaitsALittleForTheEndOfItsConnection) {
  Running& running = StartStreaming();
  exchange().Body(kStop + kDone);
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_FALSE(running.ended);
  After(absl::Milliseconds(249));
  EXPECT_TRUE(exchange().held());
  After(absl::Milliseconds(1));
  EXPECT_TRUE(running.ended);
  EXPECT_TRUE(exchange().aborted());
  ExpectAllQuiet();
}

TEST_F(AttemptTest, WhatComesAfterTheTerminatorIsThrownAway) {
  Running& running = StartStreaming();
  exchange().Body(kStop + kDone);
  exchange().Body("data: garbage");
  EXPECT_EQ(exchange().unconsumed(), 0u);
  exchange().Error(TransportError::kCut);
  EXPECT_TRUE(running.ended);
  EXPECT_EQ(ReasonOf(running), "OK");
}

TEST_F(AttemptTest, ReasoningIsHiddenUnlessAskedFor) {
  Running& hidden = StartStream();
  exchange().Header(200, kEventStream);
  exchange().Body(ReasoningChunk("hm"));
  EXPECT_FALSE(hidden.sink.started().has_value());
  exchange().Body(Chunk("Hello") + kStop + kDone);
  exchange().End();
  EXPECT_EQ(hidden.sink.deltas().size(), 1u);
  EXPECT_EQ(hidden.sink.text(), "Hello");
  // It is paid for either way; as one text, thought and answer are 3 tokens by our count.
  EXPECT_EQ(hidden.sink.completed()->usage.output_tokens, 3);

  CallInput input = Ask(true);
  input.include_reasoning = true;
  Running& shown = Start(std::move(input));
  exchange().Header(200, kEventStream);
  exchange().Body(ReasoningChunk("hm"));
  ASSERT_EQ(shown.sink.deltas().size(), 1u);
  EXPECT_EQ(std::get<model::ReasoningDelta>(shown.sink.deltas()[0]).text, "hm");
}

TEST_F(AttemptTest, ACutBeforeContentIsNeverComplete) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  exchange().Error(TransportError::kCut);
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_EQ(running.sink.error()->code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(running.sink.started().has_value());
  EXPECT_EQ(Metadata(running, "input_tokens"), "(none)");
}

TEST_F(AttemptTest, ACutAfterContentIsNeverComplete) {
  for (const std::string& tail : {std::string(), kStop.substr(0, kStop.size() / 2)}) {
    for (const bool by_error : {true, false}) {
      Running& running = StartStreaming();
      exchange().Body(tail);
      if (by_error) {
        exchange().Error(TransportError::kCut);
      } else {
        exchange().End();  // the body's framing was whole, the dialect's was not
      }
      EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE") << tail << by_error;
      EXPECT_EQ(Metadata(running, "cause"), "cut");
      EXPECT_EQ(Metadata(running, "usage_source"), "counted");
      EXPECT_EQ(Metadata(running, "output_tokens"), "1");
      EXPECT_TRUE(running.ended);
    }
  }
}

TEST_F(AttemptTest, AnAnswerWhoseChoicesHaveEndedIsCompleteWithoutTheTerminator) {
  for (const bool by_error : {true, false}) {
    Running& running = StartStreaming();
    exchange().Body(kStop);
    by_error ? exchange().Error(TransportError::kCut) : exchange().End();
    EXPECT_EQ(ReasonOf(running), "OK") << by_error;
    EXPECT_EQ(running.sink.completed()->usage.source, model::UsageSource::kCounted);
  }
}

TEST_F(AttemptTest, AChoiceThatNeverBeganIsMissing) {
  CallInput input = Ask(true);
  input.request.sampling.n = 2;
  Running& running = Start(std::move(input));
  exchange().Header(200, kEventStream);
  exchange().Body(Chunk("Hello") + kStop);
  exchange().Error(TransportError::kCut);
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_EQ(Metadata(running, "cause"), "cut");
}

TEST_F(AttemptTest, AChoiceThatTheProviderWasNotAskedForIsNotMissed) {
  config_.models[0].unsupported_fields = {"sampling.n"};
  CallInput input = Ask(true);
  input.request.sampling.n = 2;
  Running& running = Start(std::move(input));
  exchange().Header(200, kEventStream);
  exchange().Body(Chunk("Hello") + kStop);
  exchange().End();
  EXPECT_EQ(ReasonOf(running), "OK");
}

TEST_F(AttemptTest, AWholeAnswerThatIsCutIsNeverComplete) {
  Running& running = StartUnary();
  exchange().Header(200, kJson);
  exchange().Body(WholeAnswer("Hello", kUsage30));
  exchange().Error(TransportError::kCut);
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_EQ(Metadata(running, "cause"), "cut");
}

TEST_F(AttemptTest, ErrorsBelowHttpHaveTheirClass) {
  const struct {
    TransportError error;
    const char* cause;
    const char* reason;
  } rows[] = {
      {TransportError::kConnect, "connect", "TARGETS_UNAVAILABLE"},
      {TransportError::kConnectTimeout, "connect", "TARGETS_UNAVAILABLE"},
      {TransportError::kCut, "cut", "ANSWER_INCOMPLETE"},
      {TransportError::kProtocol, "malformed", "ANSWER_INCOMPLETE"},
      {TransportError::kTooLarge, "answer_too_large", "ANSWER_TOO_LARGE"},
  };
  for (const auto& row : rows) {
    for (const bool stream : {false, true}) {
      Running& running = Start(Ask(stream));
      exchange().Error(row.error, "Failed to connect to 10.0.0.1");
      EXPECT_EQ(ReasonOf(running), row.reason);
      EXPECT_EQ(Metadata(running, "cause"), row.cause);
      EXPECT_THAT(running.sink.error()->message, Not(HasSubstr("10.0.0.1")));
      EXPECT_TRUE(running.ended);
    }
    After(absl::Minutes(1));  // the quota is full again
  }
  ExpectAllQuiet();
}

TEST_F(AttemptTest, AnAnswerOverItsLimitWhileStreamingSaysSo) {
  Running& running = StartStreaming();
  exchange().Error(TransportError::kTooLarge);
  EXPECT_EQ(ReasonOf(running), "ANSWER_TOO_LARGE");
  EXPECT_EQ(running.sink.error()->code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Metadata(running, "limit_bytes"), "100000");
}

TEST_F(AttemptTest, APromptThatTheProviderFindsTooLongIsNamedWithItsSizes) {
  CallInput input = Ask();
  input.request.sampling.max_output_tokens = 100;
  Running& running = Start(std::move(input));
  exchange().Header(400, {{"content-type", "application/json"}});
  exchange().Body(R"({"error":{"message":"too long","code":"context_length_exceeded"}})");
  exchange().End();
  EXPECT_EQ(ReasonOf(running), "CONTEXT_TOO_LONG");
  EXPECT_EQ(Metadata(running, "model"), "yi-large");
  EXPECT_EQ(Metadata(running, "context_tokens"), "32768");
  EXPECT_GT(std::stoll(Metadata(running, "requested_tokens")), 100);
}

TEST_F(AttemptTest, AnErrorOfTheProviderIsClassifiedAndItsTextKept) {
  const std::string body = R"({"error":{"message":"slow down, org-secret-123","type":"requests",)"
                           R"("code":"rate_limit_exceeded"}})";
  for (const bool stream : {false, true}) {
    Running& running = Start(Ask(stream));
    exchange().Header(429, {{"content-type", "application/json"}, {"retry-after", "7"}});
    exchange().Body(body);
    EXPECT_EQ(ReasonOf(running), "(running)");
    exchange().End();
    EXPECT_EQ(ReasonOf(running), "PROVIDER_RATE_LIMITED");
    EXPECT_EQ(running.sink.error()->retry_delay, absl::Seconds(7));
    EXPECT_EQ(Metadata(running, "upstream_status"), "429");
    EXPECT_THAT(running.sink.error()->message, Not(HasSubstr("secret")));
    for (const auto& [key, value] : running.sink.error()->metadata) {
      EXPECT_THAT(value, Not(HasSubstr("secret"))) << key;
    }
  }
}

TEST_F(AttemptTest, ARefusedKeyIsOurFault) {
  Running& running = StartUnary();
  exchange().Answer(401, kJson,
                    R"({"error":{"message":"bad key sk-yi","code":"invalid_api_key"}})");
  EXPECT_EQ(ReasonOf(running), "PROVIDER_REFUSED_KEY");
  EXPECT_EQ(running.sink.error()->code(), absl::StatusCode::kInternal);
  EXPECT_THAT(running.sink.error()->message, Not(HasSubstr("sk-yi")));
}

TEST_F(AttemptTest, AnErrorPageWithoutEndIsReadNoFurtherThanTheBuffer) {
  Running& running = StartStream();
  exchange().Header(500, {{"content-type", "text/html"}});
  exchange().Body(std::string(transport::kBodyBufferBytesMax - 1, '<'));
  EXPECT_EQ(ReasonOf(running), "(running)");
  exchange().Body("<");
  EXPECT_EQ(ReasonOf(running), "TARGETS_UNAVAILABLE");
  EXPECT_TRUE(exchange().aborted());
}

TEST_F(AttemptTest, APageInPlaceOfAStreamIsAFailure) {
  Running& running = StartStream();
  exchange().Answer(200, {{"content-type", "text/html"}}, "<html>maintenance</html>");
  EXPECT_EQ(Metadata(running, "cause"), "server_error");
  EXPECT_EQ(Metadata(running, "upstream_status"), "200");
}

TEST_F(AttemptTest, AnAnswerThatIsNoJsonIsMalformed) {
  Running& running = StartUnary();
  exchange().Answer(200, kJson, "{broken");
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_EQ(Metadata(running, "cause"), "malformed");
  EXPECT_EQ(Metadata(running, "upstream_status"), "200");
}

TEST_F(AttemptTest, AnErrorEventInTheStreamEndsIt) {
  Running& running = StartStreaming();
  exchange().Body(Event(R"({"error":{"message":"overloaded","code":"overloaded_error"}})"));
  EXPECT_EQ(Metadata(running, "cause"), "overloaded");
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_TRUE(exchange().aborted());
}

TEST_F(AttemptTest, AFullSinkStopsTheReading) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  running.sink.FillAfter(1);
  exchange().Body(Chunk("one"));
  const std::string next = Chunk("two") + Chunk("three");
  exchange().Body(next);
  EXPECT_EQ(running.sink.text(), "one");
  EXPECT_EQ(exchange().unconsumed(), next.size());
  EXPECT_EQ(worker().stats().stream_buffer_full.value(), 1);
  EXPECT_EQ(worker().stats().transfers_paused.value(), 1);
  running.call->signal().Notify();  // still full
  EXPECT_EQ(exchange().unconsumed(), next.size());
  running.sink.set_full(false);
  running.call->signal().Notify();
  EXPECT_EQ(running.sink.text(), "onetwothree");
  EXPECT_EQ(exchange().unconsumed(), 0u);
  EXPECT_EQ(worker().stats().transfers_paused.value(), 0);
}

TEST_F(AttemptTest, AFullSinkLosesNothingAtTheEnd) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  running.sink.FillAfter(1);
  exchange().Body(Chunk("one"));
  exchange().Body(Chunk("two") + kStop + kDone);
  exchange().End();
  EXPECT_EQ(ReasonOf(running), "(running)");
  running.sink.set_full(false);
  running.call->signal().Notify();
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_EQ(running.sink.text(), "onetwo");
}

TEST_F(AttemptTest, WhileTheCallerDoesNotReadTheProviderIsNotBlamed) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  running.sink.FillAfter(1);
  exchange().Body(Chunk("one"));
  After(absl::Seconds(60));  // longer than silence and gap
  EXPECT_EQ(ReasonOf(running), "(running)");
  running.sink.set_full(false);
  running.call->signal().Notify();
  After(absl::Seconds(19));  // they begin anew
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Seconds(1));
  EXPECT_EQ(Metadata(running, "cause"), "stalled");
}

TEST_F(AttemptTest, ACallerThatNeverReadsMeetsTheTotalTime) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  running.sink.FillAfter(1);
  exchange().Body(Chunk("one"));
  After(absl::Seconds(100));
  EXPECT_EQ(Metadata(running, "cause"), "total_timeout");
  EXPECT_TRUE(exchange().aborted());
  ExpectAllQuiet();
}

TEST_F(AttemptTest, NoFirstTokenInTime) {
  Running& stream = StartStream();
  exchange().Header(200, kEventStream);
  exchange().Body(": keep-alive\n\n");
  After(absl::Seconds(10) - absl::Nanoseconds(1));
  EXPECT_EQ(ReasonOf(stream), "(running)");
  After(absl::Nanoseconds(1));
  EXPECT_EQ(ReasonOf(stream), "TARGETS_UNAVAILABLE");
  EXPECT_EQ(Metadata(stream, "cause"), "first_token_timeout");
  EXPECT_TRUE(exchange().aborted());
}

TEST_F(AttemptTest, AWholeAnswerHasTheTotalTime) {
  // It comes in one piece: nothing before its end says anything about it.
  Running& running = StartUnary();
  After(absl::Seconds(100) - absl::Nanoseconds(1));
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Nanoseconds(1));
  EXPECT_EQ(Metadata(running, "cause"), "total_timeout");
  EXPECT_TRUE(exchange().aborted());
}

TEST_F(AttemptTest, SilenceAfterContent) {
  Running& running = StartStreaming();
  After(absl::Seconds(20) - absl::Nanoseconds(1));
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Nanoseconds(1));
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_EQ(Metadata(running, "cause"), "stalled");
  EXPECT_TRUE(exchange().aborted());
}

TEST_F(AttemptTest, KeepAlivesAreNoContent) {
  Running& running = StartStreaming();
  for (int i = 0; i < 2; ++i) {
    After(absl::Seconds(14));
    exchange().Body(": keep-alive\n\n");
  }
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Seconds(2));  // 30 s without content, 2 s without bytes
  EXPECT_EQ(Metadata(running, "cause"), "stalled");
}

TEST_F(AttemptTest, ContentKeepsTheStreamAliveUpToTheTotalTime) {
  Running& running = StartStreaming();
  for (int i = 0; i < 9; ++i) {
    After(absl::Seconds(11));
    exchange().Body(Chunk("x"));
  }
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Seconds(1));
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_EQ(Metadata(running, "cause"), "total_timeout");
}

TEST_F(AttemptTest, AdaptationsAreToldAtTheStartAndTheEnd) {
  config_.models[0].unsupported_fields = {"sampling.seed"};
  CallInput input = Ask(true);
  input.request.sampling.seed = 7;
  Running& running = Start(std::move(input));
  EXPECT_THAT(exchange().request().body, Not(HasSubstr("seed")));
  exchange().Answer(200, kEventStream, Chunk("x") + kStop + kDone);
  ASSERT_EQ(running.sink.started()->adaptations.size(), 1u);
  EXPECT_EQ(running.sink.started()->adaptations[0].field, "sampling.seed");
  ASSERT_EQ(running.sink.completed()->served_by.adaptations.size(), 1u);
}

}  // namespace
}  // namespace pingti::exchange
