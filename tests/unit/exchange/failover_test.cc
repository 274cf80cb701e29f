// What happens after an attempt has failed: another target, another key, the same one again, or the
// end.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "server/routing/backoff.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using ::testing::HasSubstr;
using transport::TransportError;

const std::string kServerError = R"({"error":{"message":"no","code":null,"type":"server_error"}})";
const std::string kRateLimit =
    R"({"error":{"message":"slow down","code":"rate_limit_exceeded","type":"requests"}})";
const std::string kBadKey =
    R"({"error":{"message":"who?","code":"invalid_api_key","type":"invalid_request_error"}})";
const std::string kRegion =
    R"({"error":{"code":"unsupported_country_region_territory","message":"no","param":null,)"
    R"("type":"request_forbidden"}})";

// `gpt-4o` is served by yi-large at `yi`, then by gpt-4o at `openai`, then by qwen at `dashscope`,
// which has two keys.
class FailoverTest : public CallFixture {
 protected:
  FailoverTest() {
    config_.routing = {};
    AddOpenAi();
    config::Provider dashscope = config_.providers[0];
    dashscope.name = "dashscope";
    dashscope.base_url = "http://dashscope.test/v1";
    dashscope.api_key = config::Secret("");
    dashscope.keys = {{"one", config::Secret("sk-one")}, {"two", config::Secret("sk-two")}};
    config_.providers.push_back(dashscope);
    config::Model qwen = config_.models[0];
    qwen.name = qwen.upstream_model = qwen.model_class = "qwen";
    qwen.provider = "dashscope";
    config_.models.push_back(qwen);
    config_.aliases = {
        {.name = "gpt-4o", .targets = {{"yi-large", 0}, {"gpt-4o", 1}, {"qwen", 2}}}};
  }
  // Only one target, with two keys.
  void UseQwenAlone() { config_.aliases[0].targets = {{"qwen"}}; }
  void UseYiAlone() { config_.aliases[0].targets = {{"yi-large"}}; }

  size_t attempts() { return transport_.exchanges().size(); }
  std::string url() { return exchange().request().url; }
  void Succeed() { exchange().Answer(200, kJson, WholeAnswer("hi", kUsage30)); }
  const telemetry::AttemptStats& stats(size_t target) {
    return *series().targets.at(target).attempts;
  }
  // The others share nothing with the first target.
  void ExpectServedBy(const Running& running, const std::string& provider, int after) {
    ASSERT_EQ(ReasonOf(running), "OK");
    EXPECT_EQ(running.sink.completed()->served_by.provider, provider);
    EXPECT_EQ(running.sink.completed()->served_by.attempts, after);
  }
};

TEST_F(FailoverTest, TheNextTargetAnswersWhereTheFirstFails) {
  Running& running = StartUnary();
  EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
  exchange().Answer(500, kJson, kServerError);
  EXPECT_EQ(attempts(), 2u);
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
  EXPECT_THAT(exchange().request().body, HasSubstr(R"("model":"gpt-4o")"));
  EXPECT_THAT(exchange().request().body, HasSubstr("hello"));
  Succeed();
  ExpectServedBy(running, "openai", 2);
  EXPECT_EQ(tokens_left(), kTokenLimit - 30);
  EXPECT_EQ(requests_left(), kRequestLimit - 1);
  EXPECT_EQ(stats(0).attempts.value(), 1);
  EXPECT_EQ(stats(1).retries.value(), 1);
  ExpectAllQuiet();
}

TEST_F(FailoverTest, AnotherProviderComesBeforeAnotherModelOfTheOneThatFailed) {
  config::Model medium = config_.models[0];
  medium.name = medium.upstream_model = "yi-medium";
  config_.models.push_back(medium);
  config_.aliases[0].targets = {{"yi-large", 0}, {"yi-medium", 1}, {"gpt-4o", 2}};
  Running& running = StartUnary();
  exchange().Error(TransportError::kConnect);
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
  exchange().Answer(500, kJson, kServerError);
  EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
  EXPECT_THAT(exchange().request().body, HasSubstr(R"("model":"yi-medium")"));
  Succeed();
  ExpectServedBy(running, "yi", 3);
}

TEST_F(FailoverTest, AModelThatIsNotThereLeadsToTheNextInOrder) {
  config::Model medium = config_.models[0];
  medium.name = medium.upstream_model = "yi-medium";
  config_.models.push_back(medium);
  config_.aliases[0].targets = {{"yi-large", 0}, {"yi-medium", 1}, {"gpt-4o", 2}};
  StartUnary();
  exchange().Answer(404, kJson, R"({"error":{"message":"no","code":"model_not_found"}})");
  EXPECT_THAT(exchange().request().body, HasSubstr(R"("model":"yi-medium")"));
}

TEST_F(FailoverTest, AStreamStartsAgainAsLongAsNothingWasSent) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  exchange().Body(": ping\n\n" +
                  Event(R"({"choices":[{"index":0,"delta":{"role":"assistant"}}]})"));
  exchange().Error(TransportError::kCut);
  EXPECT_FALSE(running.sink.started());
  ASSERT_EQ(attempts(), 2u);
  exchange().Header(200, kEventStream);
  exchange().Body(Chunk("Hello") + kStop + UsageChunk(10, 20) + kDone);
  EXPECT_EQ(running.sink.text(), "Hello");
  EXPECT_EQ(running.sink.started()->provider, "openai");
  exchange().End();
  ExpectServedBy(running, "openai", 2);
}

TEST_F(FailoverTest, NothingIsTriedAgainAfterContent) {
  Running& running = StartStreaming();
  exchange().Error(TransportError::kCut);
  EXPECT_EQ(attempts(), 1u);
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_EQ(Metadata(running, "attempts"), "1");
  EXPECT_EQ(Metadata(running, "output_tokens"), "1");
}

TEST_F(FailoverTest, HiddenReasoningIsNoContent) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  exchange().Body(ReasoningChunk("let me think"));
  exchange().Error(TransportError::kCut);
  ASSERT_EQ(attempts(), 2u);
  exchange().Header(200, kEventStream);
  exchange().Body(Chunk("Hello") + kStop + kDone);
  exchange().End();
  ExpectServedBy(running, "openai", 2);
  // What the first one thought is not charged to the tenant: 7 of prompt and 1 of output.
  EXPECT_EQ(running.sink.completed()->usage.output_tokens, 1);
}

TEST_F(FailoverTest, TheCallersMistakeIsNotTriedElsewhere) {
  Running& running = StartUnary();
  exchange().Answer(400, kJson, R"({"error":{"message":"bad","type":"invalid_request_error"}})");
  EXPECT_EQ(attempts(), 1u);
  EXPECT_EQ(ReasonOf(running), "PROVIDER_REJECTED_REQUEST");
}

TEST_F(FailoverTest, TheLastErrorIsToldWithAllThatWasTried) {
  Running& running = StartUnary();
  exchange().Answer(500, kJson, kServerError);
  exchange().Error(TransportError::kConnect);
  exchange().Answer(503, kJson, "");
  EXPECT_EQ(attempts(), 3u);
  EXPECT_EQ(ReasonOf(running), "TARGETS_UNAVAILABLE");
  EXPECT_EQ(Metadata(running, "attempts"), "3");
  EXPECT_EQ(Metadata(running, "tried"),
            "yi/yi-large server_error; openai/gpt-4o connect; dashscope/qwen overloaded");
  EXPECT_EQ(tokens_left(), kTokenLimit);
  ExpectAllQuiet();
}

TEST_F(FailoverTest, TheFirstTargetAloneWhereTheCallerSaysSo) {
  CallInput input = Ask();
  input.request.routing.no_fallback = true;
  Running& running = Start(std::move(input));
  exchange().Answer(401, kJson, kBadKey);
  EXPECT_EQ(attempts(), 1u);
  EXPECT_EQ(ReasonOf(running), "PROVIDER_REFUSED_KEY");
}

TEST_F(FailoverTest, ThePreferredProviderComesFirst) {
  CallInput input = Ask();
  input.request.routing.preferred_provider = "openai";
  Running& running = Start(std::move(input));
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
  exchange().Answer(500, kJson, kServerError);
  EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
  Succeed();
  ExpectServedBy(running, "yi", 2);
}

TEST_F(FailoverTest, AKeyThatIsRefusedRestsAndTheOtherServes) {
  UseQwenAlone();
  Running& running = StartUnary();
  exchange().Answer(401, kJson, kBadKey);
  ASSERT_EQ(attempts(), 2u);
  Succeed();
  ExpectServedBy(running, "dashscope", 2);
  const auto& good = exchange().request().headers;
  for (int i = 0; i < 4; ++i) {  // the other is not tried any more
    StartUnary();
    EXPECT_EQ(exchange().request().headers, good);
    Succeed();
  }
  EXPECT_EQ(attempts(), 6u);
  EXPECT_EQ(series().first().provider->keys_benched.value(), 1);
}

TEST_F(FailoverTest, ARateLimitedKeyRestsAsLongAsItsProviderSays) {
  UseYiAlone();
  Running& running = StartUnary();
  exchange().Answer(429, {{"content-type", "application/json"}, {"retry-after", "7"}}, kRateLimit);
  EXPECT_EQ(ReasonOf(running), "PROVIDER_RATE_LIMITED");
  EXPECT_EQ(running.sink.error()->retry_delay, absl::Seconds(7));
  clock_.Advance(absl::Seconds(4));
  Running& early = StartUnary();
  EXPECT_EQ(attempts(), 1u);
  EXPECT_EQ(ReasonOf(early), "PROVIDER_RATE_LIMITED");
  EXPECT_EQ(early.sink.error()->retry_delay, absl::Seconds(3));
  clock_.Advance(absl::Seconds(3));
  StartUnary();
  EXPECT_EQ(attempts(), 2u);
}

TEST_F(FailoverTest, ABlockedRegionPutsTheProviderOut) {
  Running& running = StartUnary();
  exchange().Answer(403, kJson, kRegion);
  Succeed();
  ExpectServedBy(running, "openai", 2);
  Running& next = StartUnary();
  EXPECT_EQ(attempts(), 3u);  // at once
  Succeed();
  ExpectServedBy(next, "openai", 1);
  EXPECT_EQ(series().first().provider->outs.value(), 1);
  EXPECT_EQ(series().first().provider->out.value(), 1);
  clock_.Advance(config_.routing.lost_provider_for);
  StartUnary();
  EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
  EXPECT_EQ(series().first().provider->out.value(), 0);
}

TEST_F(FailoverTest, AHostThatIsNotKnownAnyMorePutsTheProviderOut) {
  for (int i = 0; i < routing::kHostUnknownMax; ++i) {
    StartUnary();
    EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
    exchange().Error(TransportError::kHostUnknown);
    Succeed();
  }
  StartUnary();
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
}

TEST_F(FailoverTest, ABreakerOpensAndOneProbeClosesIt) {
  for (int i = 0; i < config_.routing.breaker_failures; ++i) {
    StartUnary();
    EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
    exchange().Answer(500, kJson, kServerError);
    Succeed();
  }
  EXPECT_EQ(stats(0).breaker_opened.value(), 1);
  EXPECT_EQ(stats(0).breaker_open.value(), 1);
  StartUnary();
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
  Succeed();
  clock_.Advance(config_.routing.breaker_open_for);
  StartUnary();
  fakes::ScriptedExchange& probe = exchange();
  EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
  StartUnary();  // beside the probe
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
  probe.Answer(200, kJson, WholeAnswer("hi", kUsage30));
  EXPECT_EQ(stats(0).breaker_open.value(), 0);
  StartUnary();
  EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
}

TEST_F(FailoverTest, TheLastTargetFailsFastAndSaysSo) {
  UseYiAlone();
  config_.routing.attempts_max = 1;
  for (int i = 0; i < config_.routing.breaker_failures; ++i) {
    StartUnary();
    exchange().Answer(500, kJson, kServerError);
  }
  const size_t before = attempts();
  Running& running = StartUnary();
  EXPECT_TRUE(running.ended);
  EXPECT_EQ(attempts(), before);
  EXPECT_EQ(ReasonOf(running), "TARGETS_UNAVAILABLE");
  EXPECT_EQ(Metadata(running, "cause"), "breaker_open");
  EXPECT_EQ(running.sink.error()->retry_delay, config_.routing.breaker_open_for);
  EXPECT_EQ(tokens_left(), kTokenLimit);
  EXPECT_EQ(requests_left(), kRequestLimit - config_.routing.breaker_failures);
}

TEST_F(FailoverTest, BusyNeverOpensABreaker) {
  UseYiAlone();
  config_.routing.attempts_max = 1;
  for (int i = 0; i < 8; ++i) {
    StartUnary();
    exchange().Answer(529, kJson, "");
    clock_.Advance(absl::Seconds(6));  // their requests come back
  }
  EXPECT_EQ(attempts(), 8u);
  EXPECT_EQ(stats(0).breaker_opened.value(), 0);
}

TEST_F(FailoverTest, TheOnlyTargetIsTriedAgainAfterAPause) {
  UseYiAlone();
  Running& running = StartUnary();
  exchange().Answer(503, kJson, "");
  EXPECT_EQ(ReasonOf(running), "(running)");
  After(routing::kBackoffFirst);
  ASSERT_EQ(attempts(), 2u);
  Succeed();
  ExpectServedBy(running, "yi", 2);
}

TEST_F(FailoverTest, ThePauseIsAsLongAsTheProviderAsks) {
  UseYiAlone();
  StartUnary();
  exchange().Answer(503, {{"content-type", "application/json"}, {"retry-after", "3"}}, "");
  After(absl::Milliseconds(2'999));
  EXPECT_EQ(attempts(), 1u);
  After(absl::Milliseconds(1));
  EXPECT_EQ(attempts(), 2u);
}

TEST_F(FailoverTest, NobodyWaitsForAFarRetryAfter) {
  UseYiAlone();
  Running& running = StartUnary();
  exchange().Answer(503, {{"content-type", "application/json"}, {"retry-after", "274579"}}, "");
  EXPECT_EQ(ReasonOf(running), "TARGETS_UNAVAILABLE");
  EXPECT_EQ(attempts(), 1u);
}

TEST_F(FailoverTest, APauseThatPassesTheDeadlineIsNotMade) {
  UseYiAlone();
  CallInput input = Ask();
  input.deadline = clock_.MonotonicNow() + absl::Seconds(2);
  Running& running = Start(std::move(input));
  exchange().Answer(503, {{"content-type", "application/json"}, {"retry-after", "2"}}, "");
  EXPECT_EQ(ReasonOf(running), "TARGETS_UNAVAILABLE");
}

TEST_F(FailoverTest, ACancelEndsAPause) {
  UseYiAlone();
  Running& running = StartUnary();
  exchange().Answer(503, {{"content-type", "application/json"}, {"retry-after", "3"}}, "");
  EXPECT_EQ(attempts(), 1u);
  EXPECT_EQ(ReasonOf(running), "(running)");
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(ReasonOf(running), "CANCELLED");
  ExpectAllQuiet();
}

TEST_F(FailoverTest, ABreakerThatOpensDuringAPauseIsOpenAfterIt) {
  UseYiAlone();
  config_.routing.breaker_failures = 1;
  Running& paused = StartUnary();
  exchange().Answer(503, {{"content-type", "application/json"}, {"retry-after", "1"}}, "");
  StartUnary();
  exchange().Answer(500, kJson, kServerError);
  After(absl::Seconds(1));
  EXPECT_EQ(attempts(), 2u);
  EXPECT_EQ(ReasonOf(paused), "TARGETS_UNAVAILABLE");
  ExpectAllQuiet();
}

TEST_F(FailoverTest, RetriesHaveABudget) {
  UseYiAlone();
  config_.tiers[0].classes["gpt-4o"].requests_per_minute = 1'000;
  config_.tiers[0].classes["gpt-4o"].tokens_per_minute = 10'000'000;
  constexpr int kCalls = 50;
  for (int i = 0; i < kCalls; ++i) {
    const size_t before = attempts();
    Running& running = StartUnary();
    while (!running.ended) {
      exchange().Answer(529, kJson, "");
      if (!running.ended) clock_.Advance(routing::kBackoffFirst), After(absl::ZeroDuration());
      if (attempts() - before > 3) break;
    }
    clock_.Advance(absl::Milliseconds(1));
  }
  // 10% of the calls, and three.
  EXPECT_LE(attempts(), kCalls + kCalls / 10 + 3);
  EXPECT_GE(attempts(), kCalls + 3u);
  EXPECT_GT(series().first().provider->retries_denied.value(), 0);
}

TEST_F(FailoverTest, ATargetThatCannotServeIsLeftOut) {
  config_.models[1].vision = true;  // gpt-4o
  CallInput input = Ask();
  model::Image image;
  image.url = "https://example.org/cat.png";
  input.request.messages[0].parts.push_back(image);
  Running& running = Start(std::move(input));
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
  exchange().Answer(500, kJson, kServerError);
  After(routing::kBackoffFirst);  // it alone takes images
  EXPECT_EQ(attempts(), 2u);
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
  Succeed();
  ExpectServedBy(running, "openai", 2);
}

TEST_F(FailoverTest, ALongPromptGoesWhereItFits) {
  config_.models[0].context_tokens = 1'000;
  CallInput input = Ask();
  input.request.sampling.max_output_tokens = 40'000;
  Start(std::move(input));
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
}

TEST_F(FailoverTest, WhereNoTargetFitsTheFirstReasonIsTold) {
  CallInput input = Ask();
  input.request.sampling.max_output_tokens = 400'000;
  Running& running = Start(std::move(input));
  EXPECT_EQ(ReasonOf(running), "CONTEXT_TOO_LONG");
  EXPECT_EQ(Metadata(running, "model"), "yi-large");
  EXPECT_EQ(attempts(), 0u);
}

TEST_F(FailoverTest, JsonGoesWhereItIsNotDropped) {
  config_.models[0].unsupported_fields = {"response_format"};
  CallInput input = Ask();
  input.request.response_format.kind = model::ResponseFormatKind::kJsonObject;
  Start(std::move(input));
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
}

TEST_F(FailoverTest, WorkThatCannotFinishInTimeIsRefusedEarly) {
  UseYiAlone();
  config_.tiers[0].classes["gpt-4o"].requests_per_minute = 1'000;
  config_.tiers[0].classes["gpt-4o"].tokens_per_minute = 10'000'000;
  for (size_t i = 0; i < routing::RecentTimes::kTimesMin; ++i) {
    StartStream();
    exchange().Header(200, kEventStream);
    clock_.Advance(absl::Seconds(1));
    exchange().Body(Chunk("Hello") + kStop + kDone);
    exchange().End();
  }
  const size_t before = attempts();
  CallInput input = Ask(true);
  input.deadline = clock_.MonotonicNow() + absl::Milliseconds(500);
  Running& running = Start(std::move(input));
  EXPECT_EQ(ReasonOf(running), "DEADLINE");
  EXPECT_EQ(Metadata(running, "stage"), "queued");
  EXPECT_EQ(attempts(), before);
  input = Ask(true);
  input.deadline = clock_.MonotonicNow() + absl::Seconds(2);
  EXPECT_EQ(ReasonOf(Start(std::move(input))), "(running)");
}

TEST_F(FailoverTest, OurOwnLimitAtAProviderSendsCallsElsewhere) {
  config::Tier& tier = config_.tiers.emplace_back();
  tier.name = "Bought";
  tier.other_classes.requests_per_minute = 1;
  config_.providers[0].tier = "Bought";
  StartUnary();
  EXPECT_EQ(url(), "http://yi.test/v1/chat/completions");
  Running& running = StartUnary();
  EXPECT_EQ(url(), "http://openai.test/v1/chat/completions");
  Succeed();
  ExpectServedBy(running, "openai", 1);
}

TEST_F(FailoverTest, TheRecordTellsEveryAttempt) {
  Running& running = StartUnary();
  exchange().Answer(500, kJson, kServerError);
  exchange().Answer(401, kJson, kBadKey);
  Succeed();
  ExpectServedBy(running, "dashscope", 3);
  EXPECT_EQ(stats(0).failures[static_cast<int>(model::FailureClass::kServerError)].value(), 1);
  EXPECT_EQ(stats(1).failures[static_cast<int>(model::FailureClass::kBadKey)].value(), 1);
}

}  // namespace
}  // namespace pingti::exchange
