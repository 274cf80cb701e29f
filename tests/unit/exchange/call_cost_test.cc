// What a call is charged for every way in which it ends, and what is said of it where.
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using base::Currency;
using base::Money;
using ::testing::HasSubstr;

constexpr int64_t kYiPico = 20'000'000;  // 20 CNY per million tokens
constexpr int64_t kYiNano = 20'000;

config::PriceVersion PriceOf(Currency currency, int64_t input_pico, int64_t output_pico) {
  config::PriceVersion price;
  price.since = absl::CivilDay(2020, 1, 1);
  price.currency = currency;
  price.input_pico = price.cached_input_pico = input_pico;
  price.output_pico = output_pico;
  return price;
}

std::string UsageOf(int64_t input, int64_t output) {
  return absl::StrCat(R"(,"usage":{"prompt_tokens":)", input, R"(,"completion_tokens":)", output,
                      "}");
}

class CallCostTest : public CallFixture {
 protected:
  CallCostTest() {
    yi().prices = {PriceOf(Currency::kCny, kYiPico, kYiPico)};
    gpt().prices = {PriceOf(Currency::kUsd, 5'000'000, 15'000'000)};
    config_.billing.exchange_rates.push_back(
        {Currency::kUsd, Currency::kCny, 7'268'900'000, absl::CivilDay(2024, 6, 27), ""});
  }

  config::Model& yi() { return config_.models[0]; }
  config::Model& gpt() { return config_.models[1]; }

  // What the metrics say that has been charged, in units; empty: nothing.
  std::string Charged() const { return Sample("pingti_call_cost_total{"); }
  // The value of the one sample that begins so; empty: there is none.
  std::string Sample(const std::string& begin) const {
    const std::string text = registry_.Text();
    const size_t at = text.find("\n" + begin);
    if (at == text.npos) return "";
    const size_t end = text.find('\n', at + 1);
    const size_t space = text.rfind(' ', end);
    return text.substr(space + 1, end - space - 1);
  }
};

TEST_F(CallCostTest, AWholeAnswerCostsItsMeasuredUsage) {
  Running& running = StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", UsageOf(1'000, 100)));
  const CallCost& cost = running.sink.completed()->cost;
  EXPECT_EQ(cost.charged, (Money{1'100 * kYiNano, Currency::kCny}));
  // (1,000 x 5 + 100 x 15) USD per million, x 7.2689.
  EXPECT_EQ(cost.requested_model, (Money{47'247'850, Currency::kCny}));
  ASSERT_NE(cost.price, nullptr);
  EXPECT_EQ(cost.price->version, "yi-large@2020-01-01");
  EXPECT_EQ(Charged(), "0.022");
  EXPECT_THAT(registry_.Text(),
              HasSubstr("pingti_call_cost_total{tenant=\"acme\",model=\"gpt-4o\",provider=\"yi\","
                        "upstream_model=\"yi-large\",method=\"unary\",currency=\"CNY\"} 0.022"));
  EXPECT_EQ(Sample("pingti_requested_model_cost_total{"), "0.04724785");
  EXPECT_EQ(Sample("pingti_calls_unpriced_total{"), "");
}

TEST_F(CallCostTest, AStreamSaysItsCostAtTheEnd) {
  Running& running = StartStreaming();
  exchange().Body(kStop + UsageChunk(10, 20) + kDone);
  EXPECT_EQ(running.sink.completed()->cost.charged, (Money{30 * kYiNano, Currency::kCny}));
}

TEST_F(CallCostTest, WhatFailedBeforeContentCostsNothing) {
  yi().prices[0].request_nano = 1'000;
  Running& running = StartUnary();
  exchange().Answer(500, kJson, "{}");
  EXPECT_EQ(ReasonOf(running), "TARGETS_UNAVAILABLE");
  EXPECT_EQ(Metadata(running, "cost"), "(none)");
  EXPECT_EQ(Charged(), "");
  EXPECT_EQ(Sample("pingti_calls_unpriced_total{"), "");
}

TEST_F(CallCostTest, ACancelledStreamCostsInputAndOutputThatCame) {
  Running& running = StartStreaming("Hello there");  // 3 tokens
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(ReasonOf(running), "CANCELLED");
  EXPECT_EQ(Charged(), "0.0002");  // 7 of prompt, 3 of output, at 0.00002
  EXPECT_EQ(Metadata(running, "cost"), "0.0002 CNY");
}

TEST_F(CallCostTest, CachedInputCostsItsOwnPrice) {
  yi().prices[0].cached_input_pico = 2'000'000;
  Running& running = StartUnary();
  exchange().Answer(200, kJson,
                    WholeAnswer("Hello", R"(,"usage":{"prompt_tokens":100,"completion_tokens":10,)"
                                         R"("prompt_tokens_details":{"cached_tokens":90}})"));
  EXPECT_EQ(running.sink.completed()->cost.charged,
            (Money{90 * 2'000 + 20 * kYiNano, Currency::kCny}));
}

TEST_F(CallCostTest, ThePriceIsThatOfTheMomentWhenTheCallBegan) {
  const absl::CivilDay today = absl::ToCivilDay(clock_.Now(), absl::UTCTimeZone());
  config::PriceVersion later = PriceOf(Currency::kCny, 1'000'000'000, 1'000'000'000);
  later.since = today + 1;
  yi().prices.push_back(later);
  Running& running = StartUnary();
  clock_.StepWall(absl::Hours(24));
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(running.sink.completed()->cost.charged, (Money{30 * kYiNano, Currency::kCny}));
  Running& next = StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(next.sink.completed()->cost.charged, (Money{30 * 1'000'000, Currency::kCny}));
}

TEST_F(CallCostTest, AModelWithoutAPriceServesForNothingAndIsCounted) {
  yi().prices.clear();
  Running& running = StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(running.sink.completed()->cost.charged, std::nullopt);
  EXPECT_EQ(Charged(), "");
  EXPECT_EQ(Sample("pingti_calls_unpriced_total{"), "1");
}

TEST_F(CallCostTest, ANameThatIsNoModelHasNoPriceOfItsOwn) {
  config_.models.pop_back();
  Running& running = StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_TRUE(running.sink.completed()->cost.charged);
  EXPECT_EQ(running.sink.completed()->cost.requested_model, std::nullopt);
  EXPECT_EQ(Sample("pingti_requested_model_cost_total{"), "");
}

TEST_F(CallCostTest, AnAmountThatDoesNotFitIsNotChargedButShown) {
  yi().prices[0].output_pico = 1'000'000'000'000;
  yi().prices[0].currency = Currency::kUsd;
  config_.billing.exchange_rates[0].rate_nano = config::kRateMax * base::kNanoPerUnit;
  Running& running = StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", UsageOf(1, 1'000'000'000)));
  EXPECT_EQ(running.sink.completed()->cost.charged, std::nullopt);
  EXPECT_EQ(Sample("pingti_calls_unpriced_total{"), "1");
  EXPECT_EQ(registry_.worker(0).worker().bugs.value(), 1);
}

TEST_F(CallCostTest, RefusedWithoutAPriceWhereTheOperatorWantsThat) {
  yi().prices.clear();
  config_.billing.unpriced = config::Unpriced::kRefuse;
  Running& running = StartUnary();
  EXPECT_EQ(ReasonOf(running), "MODEL_UNPRICED");
  EXPECT_EQ(running.sink.error()->code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Metadata(running, "model"), "yi-large");
  EXPECT_THAT(running.sink.error()->message, HasSubstr("yi-large"));
  EXPECT_TRUE(transport_.exchanges().empty());
  EXPECT_EQ(requests_left(), kRequestLimit);
  EXPECT_EQ(Sample("pingti_calls_unpriced_total{"), "");
}

TEST_F(CallCostTest, APriceOfTheFutureIsNoneYet) {
  yi().unpriced = config::Unpriced::kRefuse;
  yi().prices[0].since = absl::CivilDay(3000, 1, 1);
  EXPECT_EQ(ReasonOf(StartUnary()), "MODEL_UNPRICED");
}

TEST_F(CallCostTest, ATargetWithoutAPriceIsPassedOver) {
  AddOpenAi();
  yi().prices.clear();
  yi().unpriced = config::Unpriced::kRefuse;
  config_.aliases[0] = {.name = "gpt-4o", .targets = {{"yi-large", 0}, {"gpt-4o", 1}}};
  Running& running = StartUnary();
  exchange().Answer(200, kJson, WholeAnswer("Hello", UsageOf(1'000, 100)));
  EXPECT_EQ(running.sink.completed()->served_by.provider, "openai");
  EXPECT_EQ(running.sink.completed()->cost.charged, (Money{47'247'850, Currency::kCny}));
}

}  // namespace
}  // namespace pingti::exchange
