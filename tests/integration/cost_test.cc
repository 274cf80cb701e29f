// What calls cost, on the real server: in the response, the record, the metrics and the command.
#include <gmock/gmock.h>
#include <signal.h>

#include <cmath>
#include <fstream>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;

constexpr int64_t kLargeNano = 20'000;  // per token, 20 CNY per million

constexpr char kModels[] = R"(
billing:
  exchange_rates: [{from: USD, to: CNY, rate: 7.2689, date: 2024-06-27, source: a bank}]
models:
  - name: large
    provider: simulated
    context_tokens: 100000
    prices: [{since: 2024-06-01, currency: CNY, input: 20, output: 20, verified: true}]
  - name: named
    provider: simulated
    context_tokens: 100000
    prices: [{since: 2024-06-01, currency: USD, input: 5, output: 15, verified: true}]
  - {name: bare, provider: simulated, context_tokens: 100000}
  - {name: strict, provider: simulated, context_tokens: 100000, unpriced: refuse}
aliases:
  - {name: named, to: large}
tiers:
  - {name: Roomy, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
)";

class CostTest : public testing::Test {
 protected:
  CostTest()
      : config_("providers: [{name: simulated, dialect: openai, no_key: true, base_url: \"" +
                provider_.base_url() + "\"}]\n" + kModels +
                "tenants: [{name: acme, tier: Roomy, keys: [{record: \"" + key_.record +
                "\"}]}]\n"),
        server_(config_) {}

  void TearDown() override {
    EXPECT_EQ(server_.Scrape().Sum("pingti_bugs_total"), 0);
    server_.StopCleanly();
  }

  client::Client Client() const { return server_.Client(key_.key); }

  // What the metrics say that has been charged, in nano-yuan.
  int64_t ChargedNano() const {
    return std::llround(server_.Scrape().Sum("pingti_call_cost_total", {"currency=\"CNY\""}) * 1e9);
  }

  std::string OutputOf(std::vector<std::string> arguments) const {
    const CommandEnd end =
        RunCommand(server_, std::move(arguments), {{"PINGTI_API_KEY", key_.key}});
    EXPECT_EQ(end.code, 0) << end.errors;
    return end.output;
  }

  Provider provider_;
  const ApiKey key_ = MakeApiKey();
  const std::string config_;
  Server server_;
};

int64_t Tokens(const v1::Usage& usage) { return usage.input_tokens() + usage.output_tokens(); }

TEST_F(CostTest, AnAnswerAndAStreamSayWhatTheyCost) {
  v1::CompletionSpec spec = Ask("Hello", "named");
  spec.set_request_id("cost-1");
  const auto answer = Client().Generate(spec);
  ASSERT_TRUE(answer.ok());
  const int64_t charged = Tokens(answer->usage()) * kLargeNano;
  EXPECT_EQ(answer->cost().charged().currency(), "CNY");
  EXPECT_EQ(answer->cost().charged().nano_units(), charged);
  // Millionths of a dollar x 7,268.9 nano-yuan, rounded up.
  const int64_t micro = answer->usage().input_tokens() * 5 + answer->usage().output_tokens() * 15;
  EXPECT_EQ(answer->cost().requested_model_would_have_cost().nano_units(),
            (micro * 72'689 + 9) / 10);

  const Streamed stream = ReadAll(Client().Stream(Ask("Hello again", "large")));
  ASSERT_TRUE(stream.finished);
  const v1::Cost& cost = stream.finished->cost();
  EXPECT_EQ(cost.charged().nano_units(), Tokens(stream.finished->usage()) * kLargeNano);
  // `large` was named and served.
  EXPECT_EQ(cost.requested_model_would_have_cost().nano_units(), cost.charged().nano_units());

  EXPECT_EQ(ChargedNano(), charged + cost.charged().nano_units());
  const rapidjson::Document record = server_.AccessRecord("cost-1");
  EXPECT_EQ(record["cost"]["charged_nano"].GetInt64(), charged);
  EXPECT_STREQ(record["cost"]["currency"].GetString(), "CNY");
  EXPECT_STREQ(record["cost"]["price"].GetString(), "large@2024-06-01");
}

TEST_F(CostTest, WhatFailedBeforeContentCostsNothing) {
  EXPECT_FALSE(Client().Generate(Ask("Hello [sim:status=500]", "large")).ok());
  EXPECT_EQ(server_.Scrape().Sum("pingti_calls_total", {"code=\"OK\""}), 0);
  EXPECT_EQ(ChargedNano(), 0);
}

TEST_F(CostTest, ACancelledStreamCostsWhatCameOfIt) {
  v1::CompletionSpec spec = Ask("Hello [sim:chunks=1000,chunk_interval_ms=20]", "large");
  spec.set_request_id("cancelled-1");
  std::stop_source stop;
  client::StreamOptions options;
  options.cancel = stop.get_token();
  client::CompletionStream stream = Client().Stream(spec, options);
  while (const auto event = stream.Next()) {
    if (event->has_delta()) stop.request_stop();
  }
  EXPECT_EQ(stream.Finish().code, grpc::StatusCode::CANCELLED);
  const rapidjson::Document record = server_.AccessRecord("cancelled-1");
  const auto& usage = record["usage"];
  EXPECT_STREQ(usage["source"].GetString(), "counted");
  const int64_t tokens = usage["input_tokens"].GetInt64() + usage["output_tokens"].GetInt64();
  EXPECT_GT(usage["output_tokens"].GetInt64(), 0);
  EXPECT_EQ(record["cost"]["charged_nano"].GetInt64(), tokens * kLargeNano);
  EXPECT_EQ(ChargedNano(), tokens * kLargeNano);
}

TEST_F(CostTest, WithoutAPriceACallIsFreeAndCountedOrRefused) {
  const auto answer = Client().Generate(Ask("Hello", "bare"));
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(answer->has_cost());
  EXPECT_EQ(server_.Scrape().Sum("pingti_calls_unpriced_total", {"model=\"bare\""}), 1);
  const auto refused = Client().Generate(Ask("Hello", "strict"));
  EXPECT_EQ(refused.error().code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(refused.error().reason, "MODEL_UNPRICED");
  EXPECT_THAT(refused.error().message, HasSubstr("strict"));
  EXPECT_EQ(server_.Scrape().Sum("pingti_upstream_attempts_total"), 1);
  EXPECT_EQ(ChargedNano(), 0);
}

TEST_F(CostTest, ACallKeepsThePriceThatItBeganWithOverAReload) {
  client::CompletionStream stream =
      Client().Stream(Ask("Hello [sim:chunks=40,chunk_interval_ms=50]", "large"));
  std::optional<v1::StreamFinished> finished;
  bool reloaded = false;
  while (const auto event = stream.Next()) {
    if (event->has_delta() && !std::exchange(reloaded, true)) {
      std::string dearer = config_;
      dearer.replace(dearer.find("input: 20, output: 20"), 21, "input: 30, output: 30");
      std::ofstream(server_.config_path(), std::ios::binary) << dearer;
      server_.process().Signal(SIGHUP);
    }
    if (event->has_finished()) finished = event->finished();
  }
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->cost().charged().nano_units(), Tokens(finished->usage()) * kLargeNano);
  EXPECT_TRUE(Eventually([&] {
    const auto answer = Client().Generate(Ask("Hello", "large"));
    return answer.ok() && answer->cost().charged().nano_units() == Tokens(answer->usage()) * 30'000;
  }));
}

TEST_F(CostTest, TheListOfModelsAndTheCommandShowPricesAndSavings) {
  const auto models = Client().ListModels();
  ASSERT_TRUE(models.ok());
  ASSERT_EQ(models->size(), 4u);
  const v1::Model& named = (*models)[2];
  EXPECT_EQ(named.name(), "named");
  EXPECT_EQ(named.price().version(), "large@2024-06-01");
  EXPECT_EQ(named.price().input_pico_per_token(), 20'000'000);
  EXPECT_FALSE(named.price().has_exchange());
  EXPECT_EQ(named.requested_price().version(), "named@2024-06-01");
  EXPECT_EQ(named.requested_price().exchange().rate_nano(), 7'268'900'000);
  EXPECT_FALSE((*models)[0].has_price());  // bare

  EXPECT_THAT(OutputOf({"models"}), HasSubstr("20 CNY"));
  const std::string savings = OutputOf({"savings"});
  EXPECT_THAT(savings, HasSubstr("72.49%"));
  EXPECT_THAT(savings, HasSubstr("1 USD = 7.2689 CNY of 2024-06-27 (a bank)"));
  EXPECT_THAT(OutputOf({"savings", "--json"}), HasSubstr("\"saved_percent\":\"72.49\""));
}

}  // namespace
}  // namespace pingti::integration
