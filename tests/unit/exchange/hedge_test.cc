// A second attempt beside one whose first content is late.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/fakes/fake_ledger.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder

constexpr absl::Duration kUsual = absl::Seconds(1);
const std::string kRole = Event(R"({"choices":[{"index":0,"delta":{"role":"assistant"}}]})");

// `gpt-4o` is served by yi-large at `yi`, whose first token usually comes within a second, else by
// gpt-4o at `openai`.
class HedgeTest : public CallFixture {
 protected:
  HedgeTest() {
    config_.routing = {};
    AddOpenAi();
    config_.aliases = {
        {.name = "gpt-4o", .targets = {{"yi-large", 0}, {"gpt-4o", 1}}, .hedge = true}};
  }
  void LearnWhatIsUsual() {
    for (size_t i = 0; i < routing::RecentTimes::kTimesMin; ++i) {
      health(0).first_token.Add(clock_.MonotonicNow(), kUsual);
    }
  }
  routing::TargetHealth& health(size_t target) { return *series().targets[target].keys[0].health; }
  const telemetry::AttemptStats& stats(size_t target) { return *series().targets[target].attempts; }
  size_t attempts() { return transport_.exchanges().size(); }
  fakes::ScriptedExchange& attempt(size_t i) { return *transport_.exchanges().at(i); }

  // A stream whose first attempt is late: the second one runs beside it.
  Running& StartHedged() {
    LearnWhatIsUsual();
    Running& running = StartStream();
    attempt(0).Header(200, kEventStream);
    After(kUsual);
    EXPECT_EQ(attempts(), 2u);
    return running;
  }
  static void Finish(fakes::ScriptedExchange& exchange, std::string_view text) {
    exchange.Body(Chunk(text) + kStop + UsageChunk(10, 20) + kDone);
    exchange.End();
  }
  void ExpectServedBy(const Running& running, const std::string& provider, std::string_view text) {
    ASSERT_EQ(ReasonOf(running), "OK");
    EXPECT_EQ(running.sink.completed()->served_by.provider, provider);
    EXPECT_EQ(running.sink.started()->provider, provider);
    EXPECT_EQ(running.sink.text(), text);
    // The tenant pays for one of them, whatever the other one cost.
    EXPECT_EQ(tokens_left(), std::min(kTokenLimit, kTokenLimit - 30 + refilled_));
    EXPECT_EQ(worker().stats().reservations_open.value(), 0);
    ExpectAllQuiet();
    for (size_t i : {0, 1}) EXPECT_EQ(health(i).in_flight, 0);
  }
  // The whole bucket refills in a minute.
  int64_t refilled_ = kTokenLimit / 60;
};

TEST_F(HedgeTest, WhoHasContentFirstServes) {
  Running& running = StartHedged();
  EXPECT_TRUE(attempt(0).held());
  attempt(1).Header(200, kEventStream);
  Finish(attempt(1), "second");
  EXPECT_TRUE(attempt(0).aborted());
  ExpectServedBy(running, "openai", "second");
  EXPECT_EQ(running.sink.completed()->served_by.attempts, 2);
  EXPECT_EQ(stats(1).hedges.value(), 1);
  EXPECT_EQ(stats(1).hedges_won.value(), 1);
  EXPECT_EQ(stats(0).lost_tokens.value(), kInputTokens);
}

// A call that is not paid for ends while its attempts still race.
TEST_F(HedgeTest, AHoldThatIsRefusedEndsTheRace) {
  fakes::FakeLedger ledger;
  ledger_ = &ledger;
  Running& running = StartHedged();
  ledger.Refuse(billing::HoldVerdict::kBalanceTooLow);
  EXPECT_EQ(ReasonOf(running), "BALANCE_TOO_LOW");
  EXPECT_TRUE(attempt(0).aborted());
  EXPECT_TRUE(attempt(1).aborted());
  EXPECT_EQ(running.sink.text(), "");
  EXPECT_TRUE(ledger.ends().empty());
  EndCalls();
}

TEST_F(HedgeTest, TheFirstMayStillBeFaster) {
  Running& running = StartHedged();
  attempt(1).Header(200, kEventStream);
  Finish(attempt(0), "first");
  EXPECT_TRUE(attempt(1).aborted());
  ExpectServedBy(running, "yi", "first");
  EXPECT_EQ(stats(1).hedges_won.value(), 0);
  EXPECT_EQ(stats(1).lost_tokens.value(), kInputTokens);
  EXPECT_EQ(stats(0).lost_tokens.value(), 0);
}

TEST_F(HedgeTest, ARoleIsNoContent) {
  Running& running = StartHedged();
  attempt(1).Header(200, kEventStream);
  attempt(1).Body(kRole);
  attempt(0).Body(kRole);
  EXPECT_TRUE(attempt(0).held());
  EXPECT_TRUE(attempt(1).held());
  Finish(attempt(1), "second");
  ExpectServedBy(running, "openai", "second");
}

TEST_F(HedgeTest, WhereTheFirstFailsTheSecondGoesOnAlone) {
  Running& running = StartHedged();
  attempt(0).Error(transport::TransportError::kCut);
  EXPECT_EQ(ReasonOf(running), "(running)");
  attempt(1).Header(200, kEventStream);
  Finish(attempt(1), "second");
  ExpectServedBy(running, "openai", "second");
  EXPECT_EQ(health(0).failures_in_a_row, 1);
  EXPECT_EQ(attempts(), 2u);
}

TEST_F(HedgeTest, WhereTheSecondFailsTheFirstGoesOnAlone) {
  Running& running = StartHedged();
  attempt(1).Answer(500, kJson, "{}");
  EXPECT_EQ(ReasonOf(running), "(running)");
  Finish(attempt(0), "first");
  ExpectServedBy(running, "yi", "first");
  EXPECT_EQ(health(1).failures_in_a_row, 1);
}

TEST_F(HedgeTest, WhereBothFailTheCallFailsAndNamesBoth) {
  config_.routing.attempts_max = 2;
  LearnWhatIsUsual();
  Running& running = StartStream();
  After(kUsual);
  ASSERT_EQ(attempts(), 2u);
  attempt(1).Answer(500, kJson, "{}");
  attempt(0).Error(transport::TransportError::kConnect);
  EXPECT_EQ(ReasonOf(running), "TARGETS_UNAVAILABLE");
  EXPECT_EQ(Metadata(running, "tried"), "openai/gpt-4o server_error; yi/yi-large connect");
  EXPECT_EQ(attempts(), 2u);
  EXPECT_EQ(worker().stats().reservations_open.value(), 0);
  ExpectAllQuiet();
}

TEST_F(HedgeTest, ACancelEndsBoth) {
  Running& running = StartHedged();
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(ReasonOf(running), "CANCELLED");
  EXPECT_TRUE(attempt(0).aborted());
  EXPECT_TRUE(attempt(1).aborted());
  EXPECT_EQ(worker().stats().reservations_open.value(), 0);
  ExpectAllQuiet();
}

TEST_F(HedgeTest, TheFirstTokenTimerOfEachEndsIt) {
  Running& running = StartHedged();
  After(absl::Seconds(9));
  EXPECT_FALSE(attempt(0).held());
  EXPECT_TRUE(attempt(1).held());
  After(absl::Seconds(1));
  EXPECT_EQ(ReasonOf(running), "TARGETS_UNAVAILABLE");
  EXPECT_FALSE(attempt(1).held());
  ExpectAllQuiet();
}

TEST_F(HedgeTest, NothingIsHedgedThatIsInTime) {
  LearnWhatIsUsual();
  StartStream();
  attempt(0).Header(200, kEventStream);
  After(kUsual - absl::Milliseconds(1));
  attempt(0).Body(Chunk("Hello"));
  After(kUsual);
  EXPECT_EQ(attempts(), 1u);
}

TEST_F(HedgeTest, NothingIsHedgedWhileNobodyKnowsWhatIsUsual) {
  StartStream();
  After(absl::Seconds(9));
  EXPECT_EQ(attempts(), 1u);
}

TEST_F(HedgeTest, NothingIsHedgedWhereTheRouteDoesNotSaySo) {
  config_.aliases[0].hedge = false;
  LearnWhatIsUsual();
  StartStream();
  After(absl::Seconds(9));
  EXPECT_EQ(attempts(), 1u);
}

TEST_F(HedgeTest, NothingIsHedgedForWhoWantsNoFallback) {
  LearnWhatIsUsual();
  CallInput input = Ask(/*stream=*/true);
  input.request.routing.no_fallback = true;
  Start(std::move(input));
  After(absl::Seconds(9));
  EXPECT_EQ(attempts(), 1u);
}

TEST_F(HedgeTest, AnswersInOnePieceAreNotHedged) {
  LearnWhatIsUsual();
  StartUnary();
  After(absl::Seconds(9));
  EXPECT_EQ(attempts(), 1u);
}

TEST_F(HedgeTest, TheRetryBudgetBoundsThem) {
  config_.tiers[0].classes["gpt-4o"].requests_per_minute = 1'000;
  config_.tiers[0].classes["gpt-4o"].tokens_per_minute = 1'000'000;
  LearnWhatIsUsual();
  const auto bound = static_cast<size_t>(routing::RetryBudget::kRetriesAtLeast);
  for (size_t i = 0; i < 3 * bound; ++i) StartStream();
  const size_t calls = attempts();
  After(kUsual);
  EXPECT_EQ(attempts(), calls + bound);
  EXPECT_GT(series().targets[1].provider->retries_denied.value(), 0);
}

TEST_F(HedgeTest, AnAttemptsMaximumOfOneAllowsNone) {
  config_.routing.attempts_max = 1;
  LearnWhatIsUsual();
  StartStream();
  After(absl::Seconds(9));
  EXPECT_EQ(attempts(), 1u);
}

}  // namespace
}  // namespace pingti::exchange
