// What a call costs its bucket, what is counted, and what is written down.
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "server/telemetry/access_log.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using ::testing::HasSubstr;
using ::testing::Not;
using transport::TransportError;

class SettlementTest : public CallFixture {
 protected:
  int64_t tokens_used() { return kTokenLimit - tokens_left(); }
  int64_t requests_used() { return kRequestLimit - requests_left(); }
  // Where nonsense follows it.
  void ExpectHiddenReasoningIsFree() {
    Running& running = StartStream();
    exchange().Header(200, kEventStream);
    exchange().Body(ReasoningChunk("let me think") + Event("{"));
    EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
    EXPECT_EQ(Metadata(running, "input_tokens"), "(none)");
    EXPECT_EQ(tokens_used(), 0);
    EXPECT_EQ(requests_used(), 1);
  }
};

TEST_F(SettlementTest, TheReservationIsHeldWhileTheCallRuns) {
  StartUnary();
  EXPECT_EQ(tokens_used(), kReserved);
  EXPECT_EQ(requests_used(), 1);
}

TEST_F(SettlementTest, AWholeAnswerCostsItsMeasuredUsage) {
  StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(tokens_used(), 30);
  EXPECT_EQ(requests_used(), 1);
}

TEST_F(SettlementTest, AnAnswerWithoutUsageIsCounted) {
  for (const char* usage : {"", R"(,"usage":{"prompt_tokens":0,"completion_tokens":0})"}) {
    const int64_t before = tokens_used();
    Running& running = StartUnary();
    exchange().Answer(200, kJson, WholeAnswer("Hello there", usage));  // 10 letters: 3 tokens
    const model::Usage& used = running.sink.completed()->usage;
    EXPECT_EQ(used.source, model::UsageSource::kCounted);
    EXPECT_EQ(used.input_tokens, kInputTokens);
    EXPECT_EQ(used.output_tokens, 3);
    EXPECT_FALSE(used.lower_bound);
    EXPECT_EQ(tokens_used() - before, kInputTokens + 3);
  }
}

TEST_F(SettlementTest, AStreamCostsItsMeasuredUsage) {
  Running& running = StartStreaming();
  exchange().Body(kStop + UsageChunk(10, 20) + kDone);
  EXPECT_EQ(running.sink.completed()->usage.source, model::UsageSource::kMeasured);
  EXPECT_EQ(tokens_used(), 30);
}

TEST_F(SettlementTest, AStreamWithoutUsageIsCounted) {
  Running& running = StartStreaming("Hello there");
  exchange().Body(kStop + kDone);
  EXPECT_EQ(running.sink.completed()->usage.source, model::UsageSource::kCounted);
  EXPECT_EQ(tokens_used(), kInputTokens + 3);
}

TEST_F(SettlementTest, ACallThatNeverReachedTheProviderCostsNothing) {
  StartUnary();
  exchange().Error(TransportError::kConnect);
  EXPECT_EQ(tokens_used(), 0);
  EXPECT_EQ(requests_used(), 0);
}

TEST_F(SettlementTest, AFailureBeforeContentCostsTheRequestOnly) {
  StartUnary();
  exchange().Answer(500, kJson, "{}");
  EXPECT_EQ(tokens_used(), 0);
  EXPECT_EQ(requests_used(), 1);
}

TEST_F(SettlementTest, ACancelBetweenTwoAttemptsCostsTheRequestOnly) {
  config_.routing = {};
  Running& running = StartUnary();
  exchange().Answer(503, {{"content-type", "application/json"}, {"retry-after", "3"}}, "");
  EXPECT_EQ(ReasonOf(running), "(running)");
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(Metadata(running, "input_tokens"), "(none)");
  EXPECT_EQ(tokens_used(), 0);
  EXPECT_EQ(requests_used(), 1);
}

TEST_F(SettlementTest, HiddenReasoningOfTheLastAttemptCostsTheRequestOnly) {
  ExpectHiddenReasoningIsFree();
}

TEST_F(SettlementTest, HiddenReasoningWithNowhereElseToGoCostsTheRequestOnly) {
  config_.routing.attempts_max = 2;
  ExpectHiddenReasoningIsFree();
}

TEST_F(SettlementTest, AStreamThatBreaksNeverGivesBack) {
  Running& running = StartStreaming();
  exchange().Error(TransportError::kCut);
  EXPECT_EQ(tokens_used(), kReserved);
  EXPECT_EQ(Metadata(running, "input_tokens"), "7");
  EXPECT_EQ(Metadata(running, "output_tokens"), "1");
}

TEST_F(SettlementTest, AReportBeforeTheBreakIsBetterThanOurCount) {
  Running& running = StartStreaming();
  exchange().Body(UsageChunk(150, 20));
  exchange().Error(TransportError::kCut);
  EXPECT_EQ(Metadata(running, "input_tokens"), "150");
  EXPECT_EQ(Metadata(running, "output_tokens"), "20");
  EXPECT_EQ(Metadata(running, "usage_source"), "counted");
  EXPECT_EQ(tokens_used(), 170);
}

// 200 tokens, where 100 are likely.
std::string LongText() {
  std::string text;
  for (int i = 0; i < 182; ++i) text += "word ";
  return text;
}

TEST_F(SettlementTest, OutputPastTheReservationIsTakenWhileItStreams) {
  Running& running = StartStreaming(LongText());
  EXPECT_EQ(tokens_used(), kInputTokens + 200);
  EXPECT_EQ(ReasonOf(running), "(running)");
  exchange().Body(kStop + UsageChunk(10, 190) + kDone);
  EXPECT_EQ(tokens_used(), 200);
}

TEST_F(SettlementTest, OutputMayPutTheBucketIntoDebt) {
  TakeTokens(kTokenLimit - kReserved);
  StartStreaming(LongText());
  EXPECT_EQ(tokens_left(), -100);
  exchange().Body(kStop + kDone);
  EXPECT_EQ(tokens_left(), -100);
  EXPECT_EQ(ReasonOf(StartUnary()), "QUOTA_EXCEEDED");
}

TEST_F(SettlementTest, TheQuotaIsSettledBeforeTheCallerHears) {
  Running& running = StartUnary();
  int64_t used_at_end = -1;
  running.sink.set_on_end([&] { used_at_end = tokens_used(); });
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(used_at_end, 30);
}

TEST_F(SettlementTest, NothingIsSettledTwice) {
  Running& running = StartStreaming();
  exchange().Body(kStop + UsageChunk(10, 20) + kDone);
  exchange().End();
  running.call->Stop(StopCause::kCallerCancelled);
  running.call.reset();
  EXPECT_EQ(tokens_used(), 30);
  EXPECT_EQ(requests_used(), 1);
  EXPECT_EQ(series().quota->settled_tokens.value(), 30);
}

TEST_F(SettlementTest, QuotaIsCounted) {
  StartUnary();
  // As many input tokens as estimated: nothing is learned that would change the next estimate.
  exchange().Answer(200, kJson,
                    WholeAnswer("Hello", R"(,"usage":{"prompt_tokens":7,"completion_tokens":23})"));
  StartStreaming();
  exchange().Error(TransportError::kCut);
  const telemetry::QuotaStats& stats = *series().quota;
  EXPECT_EQ(stats.admitted.value(), 2);
  EXPECT_EQ(stats.reserved_tokens.value(), 2 * kReserved);
  EXPECT_EQ(stats.settled_tokens.value(), 30 + kReserved);
}

TEST_F(SettlementTest, ACallIsCountedByItsEnd) {
  StartUnary();
  clock_.Advance(absl::Seconds(2));
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  StartUnary();
  exchange().Answer(500, kJson, "{}");
  const telemetry::CallStats& unary = *series().first().unary;
  EXPECT_EQ(unary.calls[telemetry::kResultOk].value(), 1);
  const int unavailable = telemetry::ResultOf(model::ErrorReason::kTargetsUnavailable);
  EXPECT_EQ(unary.calls[unavailable].value(), 1);
  EXPECT_EQ(unary.of_model.request_duration[telemetry::kResultOk].total(), 1);
  EXPECT_DOUBLE_EQ(unary.of_model.request_duration[telemetry::kResultOk].sum(), 2.0);
  const int measured = static_cast<int>(model::UsageSource::kMeasured);
  EXPECT_EQ(unary.input_tokens[measured].value(), 10);
  EXPECT_EQ(unary.output_tokens[measured].value(), 20);
  EXPECT_EQ(series().first().stream->calls[telemetry::kResultOk].value(), 0);
}

TEST_F(SettlementTest, AnAttemptIsCountedByItsClass) {
  StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  StartUnary();
  exchange().Answer(500, kJson, "{}");
  const telemetry::AttemptStats& attempts = *series().first().attempts;
  EXPECT_EQ(attempts.attempts.value(), 2);
  EXPECT_EQ(attempts.failures[static_cast<int>(model::FailureClass::kServerError)].value(), 1);
  EXPECT_EQ(attempts.duration.total(), 2);
  EXPECT_EQ(attempts.bytes_in.value(),
            static_cast<int64_t>(WholeAnswer("Hello", kUsage30).size()) + 2);
}

TEST_F(SettlementTest, AStreamsTimesAreObserved) {
  StartStream();
  exchange().Header(200, kEventStream);
  clock_.Advance(absl::Milliseconds(500));
  exchange().Body(Chunk("Hello"));
  clock_.Advance(absl::Milliseconds(1'900));
  exchange().Body(Chunk("there") + kStop + UsageChunk(10, 20) + kDone);
  const telemetry::CallStats& stream = *series().first().stream;
  EXPECT_DOUBLE_EQ(stream.time_to_first_token.sum(), 0.5);
  EXPECT_DOUBLE_EQ(stream.time_per_output_token.sum(), 0.1);  // 1.9 s for 19 tokens
  EXPECT_EQ(stream.chunks.value(), 2);
}

TEST_F(SettlementTest, ARefusedCallIsCountedWithoutARoute) {
  CallInput input = Ask();
  input.request.model = "no-such-model";
  Start(std::move(input));
  const int unknown = telemetry::ResultOf(model::ErrorReason::kModelUnknown);
  EXPECT_EQ(worker().refused_series("acme", telemetry::Method::kUnary).calls[unknown].value(), 1);
  input = Ask(true);
  input.authorization = "";
  Start(std::move(input));
  const int missing = telemetry::ResultOf(model::ErrorReason::kKeyMissing);
  EXPECT_EQ(worker().refused_series("", telemetry::Method::kStream).calls[missing].value(), 1);
}

TEST_F(SettlementTest, WithoutTheFeatureNothingIsCounted) {
  config_.features.metrics = false;
  StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(series().first().unary->calls[telemetry::kResultOk].value(), 0);
  EXPECT_EQ(tokens_used(), 30);
}

// Calls whose records go through the real log into a pipe.
class AccessRecordTest : public CallFixture {
 protected:
  AccessRecordTest() {
    EXPECT_EQ(pipe(pipe_.data()), 0);
    log_ = std::make_unique<telemetry::AccessLog>(registry_, pipe_[1]);
    access_log_ = log_.get();
  }
  ~AccessRecordTest() override {
    Written();
    close(pipe_[0]);
  }
  // Everything that was written; ends the log.
  const std::string& Written() {
    if (log_ == nullptr) return written_;
    log_.reset();
    close(pipe_[1]);
    std::array<char, 4096> bytes;
    for (ssize_t n; (n = read(pipe_[0], bytes.data(), bytes.size())) > 0;) {
      written_.append(bytes.data(), static_cast<size_t>(n));
    }
    return written_;
  }

 private:
  std::array<int, 2> pipe_{-1, -1};
  std::unique_ptr<telemetry::AccessLog> log_;
  std::string written_;
};

TEST_F(AccessRecordTest, HasEverythingOfACallThatWentWell) {
  CallInput input = Ask(true);
  input.request.request_id = "my-id";
  input.request.labels = {{"team", "search"}};
  Start(std::move(input));
  exchange().Header(200, kEventStream);
  clock_.Advance(absl::Milliseconds(100));
  exchange().Body(Chunk("Hello"));
  clock_.Advance(absl::Milliseconds(150));
  exchange().Body(kStop + UsageChunk(10, 20) + kDone);
  exchange().End();
  const std::string& record = Written();
  for (const char* part : {R"("time":"2027-01-15T08:00:00.250Z")",
                           R"("request_id":"my-id")",
                           R"("tenant":"acme")",
                           R"("key":"acme")",
                           R"("method":"stream")",
                           R"("model":"gpt-4o")",
                           R"("provider":"yi")",
                           R"("upstream_model":"yi-large")",
                           R"("code":"OK")",
                           R"("status":200)",
                           R"("input_tokens":10)",
                           R"("output_tokens":20)",
                           R"("source":"measured")",
                           R"("chunks":1)",
                           R"("bytes_in":77)",
                           R"("bytes_out":5)",
                           R"("total_ms":250)",
                           R"("first_token_ms":100)",
                           R"("peer":"ipv4:127.0.0.1:1")",
                           R"("labels":{"team":"search"})"}) {
    EXPECT_THAT(record, HasSubstr(part));
  }
  EXPECT_EQ(std::count(record.begin(), record.end(), '\n'), 1);
}

TEST_F(AccessRecordTest, NamesTheCauseOfAFailure) {
  StartUnary();
  exchange().Answer(503, kJson, R"({"error":{"message":"secret words of the provider"}})");
  const std::string& record = Written();
  for (const char* part :
       {R"("code":"UNAVAILABLE")", R"("reason":"TARGETS_UNAVAILABLE")", R"("cause":"overloaded")",
        R"("class":"overloaded")", R"("status":503)", R"("method":"unary")"}) {
    EXPECT_THAT(record, HasSubstr(part));
  }
  EXPECT_THAT(record, Not(HasSubstr("usage")));
  EXPECT_THAT(record, Not(HasSubstr("secret words")));
}

TEST_F(AccessRecordTest, HasNeitherPromptNorAnswerNorSecrets) {
  StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("the answer", kUsage30));
  const std::string& record = Written();
  for (const char* part : {"hello", "the answer", "s3cret", "sk-yi", "Bearer"}) {
    EXPECT_THAT(record, Not(HasSubstr(part)));
  }
}

TEST_F(AccessRecordTest, IsWrittenForARefusedCallToo) {
  CallInput input = Ask();
  input.authorization = "Bearer pt_acme_wrong";
  Start(std::move(input));
  const std::string& record = Written();
  EXPECT_THAT(record, HasSubstr(R"("reason":"KEY_INVALID")"));
  EXPECT_THAT(record, HasSubstr(R"("attempts":[])"));
  EXPECT_THAT(record, Not(HasSubstr("tenant")));
}

TEST_F(AccessRecordTest, SaysWhenUsageIsALowerBound) {
  Running& running = StartStreaming();
  running.call->Stop(StopCause::kCallerCancelled);
  const std::string& record = Written();
  EXPECT_THAT(record, HasSubstr(R"("reason":"CANCELLED")"));
  EXPECT_THAT(record, HasSubstr(R"("cause":"cancelled")"));
  EXPECT_THAT(record, HasSubstr(R"("source":"counted","lower_bound":true)"));
}

TEST_F(AccessRecordTest, IsOneForEachCall) {
  for (int i = 0; i < 5; ++i) {
    StartUnary();
    exchange().Answer(200, kJson, WholeAnswer("x", kUsage30));
  }
  const std::string& records = Written();
  EXPECT_EQ(std::count(records.begin(), records.end(), '\n'), 5);
}

}  // namespace
}  // namespace pingti::exchange
