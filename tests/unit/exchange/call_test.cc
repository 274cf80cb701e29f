#include "server/exchange/call.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using ::testing::HasSubstr;
using ::testing::Not;

class CallTest : public CallFixture {
 protected:
  // A call that is refused before anything happens: no exchange, nothing taken, one end.
  Running& ExpectRefused(CallInput input, const std::string& reason) {
    const size_t exchanges = transport_.exchanges().size();
    const int64_t tokens = tokens_left();
    const int64_t requests = requests_left();
    Running& running = Start(std::move(input));
    EXPECT_TRUE(running.ended);
    EXPECT_EQ(ReasonOf(running), reason);
    EXPECT_EQ(transport_.exchanges().size(), exchanges);
    EXPECT_EQ(tokens_left(), tokens);
    EXPECT_EQ(requests_left(), requests);
    EXPECT_EQ(running.sink.header("x-request-id"), running.sink.request_id());
    return running;
  }
};

TEST_F(CallTest, AKeyIsNeeded) {
  CallInput input = Ask();
  input.authorization = "";
  ExpectRefused(std::move(input), "KEY_MISSING");
  input = Ask();
  input.authorization = "Bearer pt_acme_wrong";
  ExpectRefused(std::move(input), "KEY_INVALID");
  ExpectAllQuiet();
}

TEST_F(CallTest, WhatCannotBeReadIsToldAfterAuthentication) {
  CallInput input = Ask();
  input.unreadable = model::InvalidField("spec.model", "is not valid UTF-8");
  Running& running = ExpectRefused(std::move(input), "FIELD_INVALID");
  EXPECT_EQ(running.sink.error()->fields.at(0).field, "spec.model");
  input = Ask();
  input.unreadable = model::InvalidField("spec.model", "is not valid UTF-8");
  input.authorization = "";
  ExpectRefused(std::move(input), "KEY_MISSING");
}

TEST_F(CallTest, BadFieldsAreRefused) {
  CallInput input = Ask();
  input.request.messages.clear();
  Running& running = ExpectRefused(std::move(input), "FIELD_INVALID");
  EXPECT_EQ(running.sink.error()->fields.at(0).field, "spec.messages");
}

TEST_F(CallTest, AnUnknownModelGetsNearNames) {
  CallInput input = Ask();
  input.request.model = "gpt-4";
  Running& running = ExpectRefused(std::move(input), "MODEL_UNKNOWN");
  EXPECT_EQ(Metadata(running, "near"), "gpt-4o");
}

TEST_F(CallTest, AModelThatTheTenantMayNotUseIsRefused) {
  config_.tenants[0].models = {"yi-large"};
  ExpectRefused(Ask(), "MODEL_NOT_ALLOWED");
}

TEST_F(CallTest, AClosedTierHasNoAccess) {
  config_.tiers[0].classes["gpt-4o"].requests_per_minute = 0;
  Running& running = Start(Ask());
  EXPECT_EQ(ReasonOf(running), "MODEL_NOT_ALLOWED");
  EXPECT_EQ(Metadata(running, "model"), "gpt-4o");
  EXPECT_TRUE(transport_.exchanges().empty());
}

TEST_F(CallTest, APromptThatDoesNotFitIsRefused) {
  CallInput input = Ask();
  input.request.sampling.max_output_tokens = 32'768;
  Running& running = ExpectRefused(std::move(input), "CONTEXT_TOO_LONG");
  EXPECT_EQ(Metadata(running, "requested_tokens"), "32775");
}

TEST_F(CallTest, APreferredProviderMustBeTheOneThatServes) {
  CallInput input = Ask();
  input.request.routing.preferred_provider = "openai";
  Running& running = ExpectRefused(std::move(input), "FIELD_INVALID");
  EXPECT_EQ(running.sink.error()->fields.at(0).field, "spec.routing.preferred_provider");
  EXPECT_THAT(running.sink.error()->message, HasSubstr("yi does"));
  input = Ask();
  input.request.routing.preferred_provider = "yi";
  EXPECT_EQ(ReasonOf(Start(std::move(input))), "(running)");
}

TEST_F(CallTest, ADeadlineInThePastIsRefused) {
  CallInput input = Ask();
  input.deadline = clock_.MonotonicNow() + -absl::Hours(1);
  Running& running = ExpectRefused(std::move(input), "DEADLINE");
  EXPECT_EQ(Metadata(running, "stage"), "queued");
  input = Ask();
  input.deadline = clock_.MonotonicNow();
  ExpectRefused(std::move(input), "DEADLINE");
}

TEST_F(CallTest, AnEmptyBucketRefusesWithTheExactWait) {
  TakeTokens(kTokenLimit - 50);
  Running& running = ExpectRefused(Ask(), "QUOTA_EXCEEDED");
  // (9,950 + 107 - 10,000) / 10,000 of a minute.
  EXPECT_EQ(running.sink.error()->retry_delay, absl::Milliseconds(342));
  EXPECT_EQ(Metadata(running, "bucket"), "tenant:acme/class:gpt-4o/tokens_per_minute");
  EXPECT_EQ(Metadata(running, "limit"), "10000");
  EXPECT_EQ(Metadata(running, "remaining"), "50");
  EXPECT_EQ(Metadata(running, "requested"), "107");
  ASSERT_EQ(running.sink.error()->quotas.size(), 1u);
  EXPECT_EQ(running.sink.error()->quotas[0].subject, "tenant:acme/class:gpt-4o");
  EXPECT_EQ(running.sink.header("x-ratelimit-remaining-tokens"), "50");

  clock_.Advance(absl::Milliseconds(342) - absl::Microseconds(1));
  EXPECT_EQ(ReasonOf(Start(Ask())), "QUOTA_EXCEEDED");
  clock_.Advance(absl::Microseconds(1));
  EXPECT_EQ(ReasonOf(Start(Ask())), "(running)");
}

TEST_F(CallTest, RequestsThatAreUsedUpRefuseToo) {
  for (int i = 0; i < kRequestLimit; ++i) EXPECT_EQ(ReasonOf(StartUnary()), "(running)");
  Running& running = ExpectRefused(Ask(), "QUOTA_EXCEEDED");
  EXPECT_EQ(running.sink.error()->retry_delay, absl::Seconds(6));
  EXPECT_EQ(Metadata(running, "bucket"), "tenant:acme/class:gpt-4o/requests_per_minute");
  EXPECT_EQ(series().quota->refused[0].value(), 1);
}

TEST_F(CallTest, ARequestLargerThanItsBucketIsRefusedForGood) {
  config_.tiers[0].policy = config::ReservePolicy::kStrict;
  CallInput input = Ask();
  input.request.sampling.max_output_tokens = 12'000;
  Running& running = ExpectRefused(std::move(input), "EXCEEDS_LIMIT");
  EXPECT_FALSE(running.sink.error()->retry_delay.has_value());
  EXPECT_EQ(Metadata(running, "limit"), "10000");
  EXPECT_EQ(series().quota->too_large.value(), 1);
}

TEST_F(CallTest, WithoutTheFeatureNoQuotaIsTaken) {
  config_.features.quota = false;
  Running& running = StartUnary();
  EXPECT_EQ(ReasonOf(running), "(running)");
  EXPECT_EQ(tokens_left(), kTokenLimit);
  EXPECT_EQ(running.sink.header("x-ratelimit-limit-tokens"), "(none)");
}

TEST_F(CallTest, TheCallersIdIsEchoed) {
  CallInput input = Ask();
  input.request.request_id = "my-id.1";
  Running& running = Start(std::move(input));
  EXPECT_EQ(running.sink.header("x-request-id"), "my-id.1");
  exchange().Answer(200, kJson, WholeAnswer("hi", kUsage30));
  EXPECT_EQ(running.sink.request_id(), "my-id.1");
}

TEST_F(CallTest, AnIdIsMadeWhereNoneWasGiven) {
  Running& a = StartUnary();
  Running& b = StartUnary();
  EXPECT_EQ(a.sink.header("x-request-id").size(), 26u);
  EXPECT_NE(a.sink.header("x-request-id"), b.sink.header("x-request-id"));
}

TEST_F(CallTest, AnErrorCarriesTheCallersIdWhereThatIsValid) {
  CallInput input = Ask();
  input.request.request_id = "my-id.1";
  input.request.sampling.temperature = 9;
  EXPECT_EQ(ExpectRefused(std::move(input), "FIELD_INVALID").sink.request_id(), "my-id.1");
}

TEST_F(CallTest, AnIdThatIsNotValidIsNeverSentBack) {
  CallInput input = Ask();
  input.request.request_id = "a\r\nx-evil: 1";
  Running& running = ExpectRefused(std::move(input), "FIELD_INVALID");
  EXPECT_EQ(running.sink.error()->fields.at(0).field, "spec.request_id");
  EXPECT_EQ(running.sink.request_id().size(), 26u);
}

TEST_F(CallTest, AnAnsweredCallHasItsRateLimitHeaders) {
  Running& running = StartUnary();
  EXPECT_EQ(running.sink.header("x-ratelimit-limit-requests"), "10");
  EXPECT_EQ(running.sink.header("x-ratelimit-remaining-requests"), "9");
  EXPECT_EQ(running.sink.header("x-ratelimit-reset-requests"), "6s");
  EXPECT_EQ(running.sink.header("x-ratelimit-limit-tokens"), "10000");
  EXPECT_EQ(running.sink.header("x-ratelimit-remaining-tokens"), "9893");
  EXPECT_EQ(running.sink.header("x-ratelimit-reset-tokens"), "642ms");
}

TEST_F(CallTest, MoreCallsThanTheGateLetsInAreRefused) {
  config_.server.calls_in_flight_max = 2;
  Running& first = StartUnary();
  StartUnary();
  Running& third = ExpectRefused(Ask(), "OVERLOADED");
  EXPECT_EQ(third.sink.error()->retry_delay, absl::Seconds(1));
  EXPECT_EQ(worker().stats().calls_overloaded.value(), 1);
  EXPECT_EQ(worker().gate().calls(), 2);
  first.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(ReasonOf(StartUnary()), "(running)");
}

TEST_F(CallTest, StoppingTwiceChangesNothing) {
  Running& running = StartUnary();
  running.call->Stop(StopCause::kDeadline);
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(ReasonOf(running), "DEADLINE");
  ExpectAllQuiet();
}

TEST_F(CallTest, StoppingFromTheEndOfTheCallIsFine) {
  Running& running = StartUnary();
  running.sink.set_on_end([&] { running.call->Stop(StopCause::kCallerCancelled); });
  exchange().Answer(200, kJson, WholeAnswer("hi", kUsage30));
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_TRUE(running.ended);
  ExpectAllQuiet();
}

TEST_F(CallTest, ADeadlineIsAnsweredALittleBeforeItPasses) {
  CallInput input = Ask();
  input.deadline = clock_.MonotonicNow() + absl::Seconds(2);
  Running& running = Start(std::move(input));
  After(absl::Milliseconds(1'899));
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Milliseconds(1));
  EXPECT_EQ(ReasonOf(running), "DEADLINE");
}

TEST_F(CallTest, AShortDeadlineKeepsMostOfItsTime) {
  CallInput input = Ask();
  input.deadline = clock_.MonotonicNow() + absl::Milliseconds(100);
  Running& running = Start(std::move(input));
  After(absl::Milliseconds(94));
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(absl::Milliseconds(1));
  EXPECT_EQ(ReasonOf(running), "DEADLINE");
}

TEST_F(CallTest, TimersOfTheLoopWakeTheCall) {
  config_.providers[0].timeouts.first_token = absl::Milliseconds(1);
  Running& running = StartStream();
  // The loop's timer fires before the call's clock says so: it looks, and waits again.
  event_base_loop(loop_.base(), EVLOOP_ONCE);
  EXPECT_EQ(ReasonOf(running), "(running)");
  clock_.Advance(absl::Milliseconds(1));
  event_base_loop(loop_.base(), EVLOOP_ONCE);
  EXPECT_EQ(Metadata(running, "cause"), "first_token_timeout");
  EXPECT_TRUE(exchange().aborted());
}

}  // namespace
}  // namespace pingti::exchange
