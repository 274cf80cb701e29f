// What a call holds, when it waits for that, and how it pays, for every way in which it ends. The
// ledger answers when the test says so.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/fakes/fake_ledger.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using billing::HoldVerdict;
using ::testing::HasSubstr;

constexpr int64_t kPico = 20'000'000;  // 20 CNY per million tokens
constexpr int64_t kNano = 20'000;      // of one token

class MoneyTest : public CallFixture {
 protected:
  MoneyTest() {
    config::PriceVersion price;
    price.since = absl::CivilDay(2020, 1, 1);
    price.input_pico = price.cached_input_pico = price.output_pico = kPico;
    config_.models[0].prices = {price};
    ledger_ = &fake_;
  }

  ~MoneyTest() override { EndCalls(); }  // while the ledger is there

  // The one end of the call that ended last.
  const billing::CallEnd& end() const {
    EXPECT_FALSE(fake_.ends().empty());
    return fake_.ends().back();
  }
  // The wall clock says so.
  void StepTo(absl::CivilSecond time) {
    clock_.StepWall(absl::FromCivil(time, absl::UTCTimeZone()) - clock_.Now());
  }
  static std::string HundredWords() {
    std::string words;
    for (int i = 0; i < 100; ++i) words += " word";
    return words;
  }
  void ExpectEnds(size_t count) const { EXPECT_EQ(fake_.ends().size(), count); }

  fakes::FakeLedger fake_;
};

TEST_F(MoneyTest, TheHoldIsWhatTheCallIsLikelyToCost) {
  StartUnary();
  EXPECT_EQ(fake_.asked().tenant, "acme");
  EXPECT_EQ(fake_.asked().key_id, "acme");
  EXPECT_EQ(fake_.asked().model, "gpt-4o");
  EXPECT_EQ(fake_.asked().owner, "this process");
  EXPECT_EQ(fake_.asked().nano, kReserved * kNano);
  EXPECT_EQ(fake_.asked().fingerprint, "");  // the id is ours
}

TEST_F(MoneyTest, AnAnswerGoesOutOnceItsHoldIsDurable) {
  Running& running = StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_FALSE(running.ended);
  fake_.Hold();
  EXPECT_EQ(ReasonOf(running), "OK");
  ExpectEnds(1);
  EXPECT_TRUE(end().post);
  EXPECT_EQ(end().cost, 30 * kNano);
  EXPECT_EQ(end().usage.total(), 30);
  EXPECT_EQ(end().price, "yi-large@2020-01-01");
  EXPECT_EQ(end().result, "OK");
  EXPECT_EQ(end().provider, "yi");
  EXPECT_EQ(end().request_id, fake_.asked().request_id);
  EXPECT_EQ(end().token, fake_.asked().token);
  ExpectAllQuiet();
}

TEST_F(MoneyTest, AStreamBeginsOnceItsHoldIsDurable) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  exchange().Body(Chunk("Hello"));
  EXPECT_EQ(running.sink.text(), "");
  After(absl::Seconds(15));  // its timers do not count the wait
  EXPECT_EQ(running.sink.text(), "");
  fake_.Hold();
  EXPECT_EQ(running.sink.text(), "Hello");
  exchange().Body(kStop + UsageChunk(10, 20) + kDone);
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_EQ(end().cost, 30 * kNano);
}

TEST_F(MoneyTest, WithoutMoneyNothingComesOutAndTheProviderIsLeft) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  fake_.Refuse(HoldVerdict::kBalanceTooLow, 5 * kNano);
  EXPECT_EQ(ReasonOf(running), "BALANCE_TOO_LOW");
  EXPECT_EQ(Metadata(running, "balance"), "0.0001 CNY");
  EXPECT_EQ(Metadata(running, "price"), "0.00214 CNY");
  EXPECT_TRUE(exchange().aborted());
  ExpectEnds(0);
  EXPECT_EQ(tokens_left(), kTokenLimit);
  ExpectAllQuiet();
}

TEST_F(MoneyTest, ContentThatCameBeforeTheRefusalIsNotShown) {
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  exchange().Body(Chunk("Hello"));
  fake_.Refuse(HoldVerdict::kBalanceTooLow);
  EXPECT_EQ(ReasonOf(running), "BALANCE_TOO_LOW");
  EXPECT_EQ(running.sink.text(), "");
  Running& whole = StartUnary();  // the tenant is known to have nothing
  fake_.Refuse(HoldVerdict::kBalanceTooLow);
  EXPECT_EQ(ReasonOf(whole), "BALANCE_TOO_LOW");
}

TEST_F(MoneyTest, ATenantThatHadTooLittleSendsNothingUntilItIsKnown) {
  Running& first = StartUnary();
  fake_.Refuse(HoldVerdict::kBalanceTooLow);
  EXPECT_EQ(ReasonOf(first), "BALANCE_TOO_LOW");
  EXPECT_EQ(transport_.exchanges().size(), 1u);
  Running& second = StartUnary();
  EXPECT_EQ(transport_.exchanges().size(), 1u);
  fake_.Hold();  // it was topped up
  EXPECT_EQ(transport_.exchanges().size(), 2u);
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(ReasonOf(second), "OK");
  Running& third = StartUnary();
  EXPECT_EQ(transport_.exchanges().size(), 3u);
  fake_.Hold();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(ReasonOf(third), "OK");
}

TEST_F(MoneyTest, ACallThatWaitsForItsHoldCanBeEnded) {
  Running& first = StartUnary();
  fake_.Refuse(HoldVerdict::kBalanceTooLow);
  EXPECT_TRUE(first.ended);
  Running& running = StartUnary();
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(ReasonOf(running), "CANCELLED");
  fake_.Hold();  // too late: nobody listens
  ExpectEnds(1);
  EXPECT_FALSE(end().post);
}

TEST_F(MoneyTest, ARequestIdIsServedOnce) {
  CallInput named = Ask();
  named.request.request_id = "my-id";
  Running& running = Start(std::move(named));
  EXPECT_EQ(fake_.asked().request_id, "my-id");
  EXPECT_EQ(fake_.asked().fingerprint.size(), 64u);
  fake_.Refuse(HoldVerdict::kIdInUse, 100, /*charged=*/7'000'000);
  EXPECT_EQ(ReasonOf(running), "REQUEST_ID_IN_USE");
  EXPECT_EQ(Metadata(running, "cause"), "charged");
  EXPECT_EQ(Metadata(running, "charged"), "0.007 CNY");
  CallInput other = Ask();
  other.request.request_id = "my-id";
  Running& another = Start(std::move(other));
  fake_.Refuse(HoldVerdict::kIdOfOther, 100);
  EXPECT_EQ(Metadata(another, "cause"), "other_body");
}

TEST_F(MoneyTest, FailedBeforeContentCostsNothing) {
  Running& running = StartUnary();
  fake_.Hold();
  exchange().Answer(500, kJson, "{}");
  EXPECT_NE(ReasonOf(running), "OK");
  ExpectEnds(1);
  EXPECT_FALSE(end().post);
  EXPECT_EQ(end().cost, 0);
  EXPECT_EQ(end().result, ReasonOf(running));
}

TEST_F(MoneyTest, CancelledMidwayCostsTheInputAndTheOutputReceived) {
  fake_.answers_at_once_ = true;
  Running& running = StartStreaming("Hello");
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(ReasonOf(running), "CANCELLED");
  EXPECT_TRUE(end().post);
  EXPECT_EQ(end().usage.source, model::UsageSource::kCounted);
  EXPECT_EQ(end().cost, (kInputTokens + end().usage.output_tokens) * kNano);
  EXPECT_GT(end().usage.output_tokens, 0);
}

TEST_F(MoneyTest, CutMidwayCostsWhatWasDelivered) {
  fake_.answers_at_once_ = true;
  Running& running = StartStreaming("Hello");
  exchange().Error(transport::TransportError::kCut);
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_TRUE(end().post);
  EXPECT_TRUE(end().usage.lower_bound);
  EXPECT_GT(end().cost, kInputTokens * kNano);
}

TEST_F(MoneyTest, ALongAnswerTopsItsHoldUpAndEndsWithTheMoney) {
  fake_.answers_at_once_ = true;
  Running& running = StartStreaming("Hello");
  exchange().Body(Chunk(HundredWords()));
  ASSERT_FALSE(fake_.growths().empty());
  EXPECT_GT(fake_.growths().back(), kReserved * kNano);
  EXPECT_FALSE(running.ended);
  fake_.RefuseGrowth();
  EXPECT_EQ(ReasonOf(running), "BALANCE_TOO_LOW");
  EXPECT_THAT(running.sink.error()->message, HasSubstr("has run out"));
  EXPECT_NE(Metadata(running, "output_tokens"), "(none)");
  ExpectEnds(1);
  EXPECT_TRUE(end().post);
  EXPECT_GT(end().cost, 100 * kNano);
  EXPECT_TRUE(exchange().aborted());
}

TEST_F(MoneyTest, ALongAnswerGoesNoFurtherThanTheLedgerHasGranted) {
  fake_.answers_at_once_ = true;
  Running& running = StartStreaming("Hello");
  exchange().Body(Chunk(HundredWords()));
  ASSERT_EQ(fake_.growths().size(), 1u);
  const std::string before = running.sink.text();
  exchange().Body(Chunk(" and more"));
  EXPECT_EQ(running.sink.text(), before);
  After(absl::Seconds(9));
  EXPECT_EQ(running.sink.text(), before);
  fake_.GrantGrowth();
  EXPECT_EQ(running.sink.text(), before + " and more");
  EXPECT_FALSE(running.ended);
}

TEST_F(MoneyTest, ALedgerThatDoesNotAnswerHoldsNoStreamUpForEver) {
  fake_.answers_at_once_ = true;
  Running& running = StartStreaming("Hello");
  exchange().Body(Chunk(HundredWords()));
  ASSERT_EQ(fake_.growths().size(), 1u);
  const std::string before = running.sink.text();
  exchange().Body(Chunk(" and more"));
  After(absl::Seconds(11));
  EXPECT_EQ(running.sink.text(), before + " and more");
  EXPECT_FALSE(running.ended);
}

TEST_F(MoneyTest, AnAnswerThatIsThereAsksForNothingMore) {
  fake_.answers_at_once_ = true;
  Running& running = StartStreaming("Hello");
  exchange().Body(Chunk(HundredWords()) + kStop + kDone);
  EXPECT_EQ(ReasonOf(running), "OK");
  ExpectEnds(1);
  EXPECT_TRUE(end().post);
}

// The commit may have been the last thing that the ledger did before it was lost.
TEST_F(MoneyTest, WhatMayBeHeldIsGivenBack) {
  Running& running = StartUnary();
  fake_.LoseTouch();
  EXPECT_EQ(ReasonOf(running), "LEDGER_UNAVAILABLE");
  ExpectEnds(1);
  EXPECT_FALSE(end().post);
}

TEST_F(MoneyTest, TheEndOfALongCallBringsNoOldNews) {
  fake_.answers_at_once_ = true;
  Running& running = StartStreaming("Hello");
  fakes::ScriptedExchange& first = exchange();
  // Another call of the tenant learns that nothing is left.
  fake_.answers_at_once_ = false;
  Running& second = StartUnary();
  fake_.Refuse(HoldVerdict::kBalanceTooLow);
  EXPECT_EQ(ReasonOf(second), "BALANCE_TOO_LOW");
  first.Body(kStop + kDone);
  EXPECT_EQ(ReasonOf(running), "OK");
  const size_t sent = transport_.exchanges().size();
  StartUnary();
  EXPECT_EQ(transport_.exchanges().size(), sent);
  fake_.Hold();
  EXPECT_EQ(transport_.exchanges().size(), sent + 1);
}

TEST_F(MoneyTest, ACallBelongsToThePeriodInWhichItBegan) {
  config_.tenants[0].keys[0].budget = config::KeyBudget{5 * kNano, config::BudgetPeriod::kMonth};
  StepTo(absl::CivilSecond(2024, 6, 30, 23, 59, 59));
  Running& running = StartUnary();
  EXPECT_EQ(fake_.asked().budget.nano, 5 * kNano);
  EXPECT_EQ(fake_.asked().budget.period, "2024-06");
  After(absl::Seconds(2));
  fake_.HoldWithinBudget({.spent = 0, .held = 5 * kNano});
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_EQ(end().hold->key_id, "acme");
  EXPECT_EQ(end().hold->budget.period, "2024-06");
  EXPECT_EQ(end().cost, 30 * kNano);
}

TEST_F(MoneyTest, AKeyWithoutABudgetIsNotAsked) {
  StartUnary();
  EXPECT_EQ(fake_.asked().budget.period, "");
  fake_.Hold();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(end().hold->budget.period, "");
}

TEST_F(MoneyTest, PastItsBudgetAKeyIsRefusedAndToldUntilWhen) {
  config_.tenants[0].keys[0].budget = config::KeyBudget{150 * kNano, config::BudgetPeriod::kDay};
  StepTo(absl::CivilSecond(2024, 6, 27, 8, 0, 0));
  Running& running = StartUnary();
  fake_.RefuseForBudget({.spent = 100 * kNano, .held = 20 * kNano});
  EXPECT_EQ(ReasonOf(running), "KEY_BUDGET_EXHAUSTED");
  EXPECT_EQ(Metadata(running, "price"), "0.00214 CNY");
  EXPECT_EQ(Metadata(running, "budget"), "0.003 CNY");
  EXPECT_EQ(Metadata(running, "spent"), "0.002 CNY");
  EXPECT_EQ(Metadata(running, "held"), "0.0004 CNY");
  EXPECT_EQ(Metadata(running, "period"), "day");
  EXPECT_EQ(Metadata(running, "resets_at"), "2024-06-28T00:00:00Z");
  EXPECT_TRUE(exchange().aborted());
  ExpectEnds(0);
  ExpectAllQuiet();
  // From now on nothing is sent for the key before it is known that there is room.
  EXPECT_EQ(transport_.exchanges().size(), 1u);
  Running& second = StartUnary();
  EXPECT_EQ(transport_.exchanges().size(), 1u);
  fake_.HoldWithinBudget({.spent = 0, .held = 10 * kNano});
  EXPECT_EQ(transport_.exchanges().size(), 2u);
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(ReasonOf(second), "OK");
  Running& third = StartUnary();
  EXPECT_EQ(transport_.exchanges().size(), 3u);
  fake_.HoldWithinBudget({.spent = 30 * kNano, .held = 10 * kNano});
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(ReasonOf(third), "OK");
}

TEST_F(MoneyTest, ALongAnswerEndsWithTheBudgetOfItsKey) {
  config_.tenants[0].keys[0].budget = config::KeyBudget{200 * kNano, config::BudgetPeriod::kDay};
  Running& running = StartStream();
  exchange().Header(200, kEventStream);
  fake_.HoldWithinBudget({.spent = 0, .held = 107 * kNano});
  exchange().Body(Chunk(HundredWords()));
  ASSERT_FALSE(fake_.growths().empty());
  fake_.RefuseGrowth({.verdict = HoldVerdict::kKeyBudgetExhausted,
                      .balance = {.cash = 1'000'000'000},
                      .budget = billing::BudgetUse{.spent = 0, .held = 107 * kNano}});
  EXPECT_EQ(ReasonOf(running), "KEY_BUDGET_EXHAUSTED");
  EXPECT_EQ(Metadata(running, "held"), "0.00214 CNY");
  EXPECT_NE(Metadata(running, "output_tokens"), "(none)");
  EXPECT_NE(Metadata(running, "cost"), "(none)");
  ExpectEnds(1);
  EXPECT_TRUE(end().post);
  EXPECT_GT(end().cost, 100 * kNano);
  EXPECT_TRUE(exchange().aborted());
}

TEST_F(MoneyTest, WhatALongStreamHasDeliveredIsNotedNowAndThen) {
  fake_.answers_at_once_ = true;
  StartStreaming("Hello");
  EXPECT_TRUE(fake_.notes().empty());
  After(absl::Seconds(1));
  exchange().Body(Chunk("more"));
  ASSERT_EQ(fake_.notes().size(), 1u);
  EXPECT_GT(fake_.notes()[0].cost, kInputTokens * kNano);
  After(absl::Seconds(4));
  exchange().Body(Chunk("more"));
  EXPECT_EQ(fake_.notes().size(), 1u);
  After(absl::Seconds(1));
  exchange().Body(Chunk("more"));
  EXPECT_EQ(fake_.notes().size(), 2u);
}

TEST_F(MoneyTest, WithoutAWritableLedgerNothingIsBegun) {
  fake_.writable_ = false;
  Running& running = StartUnary();
  EXPECT_EQ(ReasonOf(running), "LEDGER_UNAVAILABLE");
  EXPECT_TRUE(running.sink.error()->retry_delay.has_value());
  EXPECT_TRUE(transport_.exchanges().empty());
  fake_.writable_ = true;
  Running& second = StartUnary();
  fake_.Fail();
  EXPECT_EQ(ReasonOf(second), "LEDGER_UNAVAILABLE");
  ExpectEnds(0);
}

TEST_F(MoneyTest, WithoutAPriceTheCallIsInTheBooksAndFree) {
  config_.models[0].prices.clear();
  Running& running = StartUnary();
  EXPECT_EQ(fake_.asked().nano, 0);
  fake_.Hold();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_TRUE(end().post);
  EXPECT_EQ(end().cost, 0);
  EXPECT_EQ(end().price, "");
}

TEST_F(MoneyTest, RefusedByItsQuotaHoldsNothing) {
  TakeTokens(kTokenLimit);
  Running& running = StartUnary();
  EXPECT_EQ(ReasonOf(running), "QUOTA_EXCEEDED");
  EXPECT_EQ(fake_.asked_count(), 0u);
}

}  // namespace
}  // namespace pingti::exchange
