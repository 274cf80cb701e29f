// How other gateways with prepaid accounts have lost money, each as a test that this one does not.
// Two of their bugs are shown elsewhere: the race between check and deduction in
// tests/contract/ledger_calls_contract.h, and the hold that a crash leaves behind in
// tests/integration/ledger_crash_test.cc.
#include <string>

#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/fakes/fake_ledger.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder

constexpr int64_t kPico = 20'000'000;  // 20 CNY per million tokens
constexpr int64_t kNano = 20'000;      // of one token

class RivalsBugsTest : public CallFixture {
 protected:
  RivalsBugsTest() {
    config::PriceVersion price;
    price.since = absl::CivilDay(2020, 1, 1);
    price.input_pico = price.cached_input_pico = price.output_pico = kPico;
    for (config::Model& model : config_.models) model.prices = {price};
    ledger_ = &fake_;
    fake_.answers_at_once_ = true;
  }
  ~RivalsBugsTest() override { EndCalls(); }

  const billing::CallEnd& OneEnd() const {
    EXPECT_EQ(fake_.ends().size(), 1u);
    return fake_.ends().back();
  }

  fakes::FakeLedger fake_;
};

// Who had a hundred times the price was let through without a hold.
TEST_F(RivalsBugsTest, TrustedUserBypass) {
  fake_.available_ = int64_t{1} << 60;
  StartUnary();
  StartUnary();
  EXPECT_EQ(fake_.asked_count(), 2u);
  EXPECT_EQ(fake_.asked().nano, kReserved * kNano);
}

// What was deducted beforehand stayed deducted when the provider could not be reached.
TEST_F(RivalsBugsTest, NoRefundOnANetworkError) {
  Running& running = StartUnary();
  exchange().Error(transport::TransportError::kConnect);
  EXPECT_NE(ReasonOf(running), "OK");
  EXPECT_FALSE(OneEnd().post);
  EXPECT_EQ(OneEnd().cost, 0);
}

// An error after the answer had been delivered gave all of its price back.
TEST_F(RivalsBugsTest, AnErrorAfterDeliveryRefundsEverything) {
  Running& running = StartStreaming("Hello");
  exchange().Error(transport::TransportError::kCut);
  EXPECT_EQ(ReasonOf(running), "ANSWER_INCOMPLETE");
  EXPECT_TRUE(OneEnd().post);
  EXPECT_GT(OneEnd().cost, kInputTokens * kNano);
}

// Each attempt was charged.
TEST_F(RivalsBugsTest, RetryChargesTwice) {
  AddOpenAi();
  config_.routing.attempts_max = 3;
  Running& running = StartUnary();
  exchange().Answer(503, kJson, "{}");
  ASSERT_EQ(transport_.exchanges().size(), 2u);
  exchange().Answer(200, kJson, WholeAnswer("Hello", kUsage30));
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_EQ(fake_.asked_count(), 1u);
  EXPECT_EQ(OneEnd().cost, 30 * kNano);
}

// A stream that its caller ended was free, or cost its whole hold.
TEST_F(RivalsBugsTest, CancelledStreamChargedZeroOrFull) {
  Running& running = StartStreaming("Hello");
  running.call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(ReasonOf(running), "CANCELLED");
  EXPECT_GT(OneEnd().cost, kInputTokens * kNano);
  EXPECT_LT(OneEnd().cost, kReserved * kNano);
}

// A second way in had no budget.
TEST_F(RivalsBugsTest, PassThroughWithoutBudget) {
  StartUnary();
  EXPECT_EQ(fake_.asked_count(), 1u);
  StartStream();
  EXPECT_EQ(fake_.asked_count(), 2u);
}

// Without usage in the answer the call was free.
TEST_F(RivalsBugsTest, UsageNull) {
  for (const char* usage :
       {"", R"(,"usage":null)", R"(,"usage":{"prompt_tokens":0,"completion_tokens":0})"}) {
    Running& running = StartUnary();
    exchange().Answer(200, kJson, WholeAnswer("Hello there, this is an answer", usage));
    EXPECT_EQ(ReasonOf(running), "OK");
    EXPECT_EQ(fake_.ends().back().usage.source, model::UsageSource::kCounted) << usage;
    EXPECT_GT(fake_.ends().back().cost, kInputTokens * kNano) << usage;
  }
}

}  // namespace
}  // namespace pingti::exchange
