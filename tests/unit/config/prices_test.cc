// `prices:`, `unpriced:` and `billing:`: what good files become, exactly, and what bad ones are
// told.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"
#include "server/config/value.h"
#include "tests/unit/config/load_text.h"
#include "tests/unit/config/named.h"

namespace pingti::config {
namespace {

using base::Currency;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kRates[] =
    "billing: {exchange_rates: [{from: USD, to: CNY, rate: 7.2689, date: 2024-06-27}]}";

// A file whose one model has these prices; they begin in line 4.
std::string WithPrices(const std::string& prices) {
  return std::string(kRates) + kProvider +
         "models: [{name: m, provider: p, context_tokens: 10, prices: [\n" + prices + "\n]}]\n";
}

std::vector<PriceVersion> GoodPrices(const std::string& prices) {
  const Config config = Good(WithPrices(prices)).config;
  return config.models.empty() ? std::vector<PriceVersion>{} : config.models[0].prices;
}

std::vector<std::string> BillingErrors(const std::string& fields) {
  return Errors("billing: " + fields + "\n" + kProvider);
}

TEST(PricesTest, AreReadExactly) {
  PriceVersion all;
  all.since = absl::CivilDay(2024, 2, 29);
  all.currency = Currency::kUsd;
  all.input_pico = 2'500'000;
  all.cached_input_pico = 1'250'000;
  all.output_pico = 1;
  all.request_nano = 123'456'789;
  all.source = "a page";
  all.source_date = absl::CivilDay(2024, 2, 28);
  all.verified = true;
  EXPECT_THAT(GoodPrices("{since: 2024-02-29, currency: USD, input: 2.5, cached_input: 1.25, "
                         "output: 0.000001, request: 0.123456789, source: a page, "
                         "source_date: 2024-02-28, verified: true}"),
              ElementsAre(all));
}

TEST(PricesTest, NumbersThatADoubleCannotHoldStayWhatTheyAre) {
  const auto prices = GoodPrices(
      "{since: 2024-01-01, currency: CNY, input: 0.3, output: 999999.999999, "
      "request: 999999.999999999}");
  ASSERT_EQ(prices.size(), 1u);
  EXPECT_EQ(prices[0].input_pico, 300'000);
  EXPECT_EQ(prices[0].output_pico, 999'999'999'999);
  EXPECT_EQ(prices[0].request_nano, 999'999'999'999'999);
}

TEST(PricesTest, WhatIsLeftOutHasItsDefault) {
  const auto prices = GoodPrices("{since: 2024-01-01, currency: CNY, input: 20, output: 30}");
  ASSERT_EQ(prices.size(), 1u);
  EXPECT_EQ(prices[0].cached_input_pico, 20'000'000);
  EXPECT_EQ(prices[0].request_nano, 0);
  EXPECT_EQ(prices[0].source, "");
  EXPECT_EQ(prices[0].source_date, std::nullopt);
  EXPECT_FALSE(prices[0].verified);
  const Config bare =
      Good(std::string(kProvider) + "models: [{name: m, provider: p, context_tokens: 10}]\n")
          .config;
  EXPECT_THAT(bare.models.at(0).prices, IsEmpty());
  EXPECT_EQ(bare.models.at(0).unpriced, std::nullopt);
  EXPECT_EQ(bare.billing.currency, Currency::kCny);
  EXPECT_EQ(bare.billing.unpriced, Unpriced::kFree);
  EXPECT_THAT(bare.billing.exchange_rates, IsEmpty());
}

TEST(PricesTest, AreOrderedByDate) {
  const auto prices = GoodPrices(
      "{since: 2025-01-01, currency: CNY, input: 3, output: 3},\n"
      "{since: 2023-12-31, currency: CNY, input: 1, output: 1},\n"
      "{since: 2024-06-01, currency: USD, input: 2, output: 2}");
  ASSERT_EQ(prices.size(), 3u);
  EXPECT_EQ(prices[0].input_pico, 1'000'000);
  EXPECT_EQ(prices[1].input_pico, 2'000'000);
  EXPECT_EQ(prices[2].input_pico, 3'000'000);
}

TEST(PricesTest, MistakesAreNamed) {
  EXPECT_THAT(
      Errors(WithPrices("{since: 2024-01-01, currency: CNY, input: 1, output: 1},\n"
                        "{since: 2024-01-01, currency: CNY, input: 2, output: 2}")),
      ElementsAre("c/t.yaml:5:2: models[0].prices[1].since: is the date of another price of this "
                  "model, too; leave one of them"));
  EXPECT_THAT(Errors(WithPrices("{}")),
              ElementsAre("c/t.yaml:4:1: models[0].prices[0].since: is missing",
                          "c/t.yaml:4:1: models[0].prices[0].currency: is missing",
                          "c/t.yaml:4:1: models[0].prices[0].input: is missing",
                          "c/t.yaml:4:1: models[0].prices[0].output: is missing"));
  EXPECT_THAT(
      Errors(WithPrices("{since: June, currency: EUR, input: 1.0000001, output: -1, "
                        "cached_input: 1e-6, request: 1000000.1, outptu: 3}")),
      ElementsAre(
          "c/t.yaml:4:2: models[0].prices[0].since: \"June\" is not a date; write year-month-day, "
          "for example 2024-06-01",
          "c/t.yaml:4:15: models[0].prices[0].currency: \"EUR\" is not known here; allowed: CNY or "
          "USD",
          "c/t.yaml:4:30: models[0].prices[0].input: \"1.0000001\" is not a decimal number from 0 "
          "to 1000000 with at most 6 digits after the point, for example 2.5",
          "c/t.yaml:4:60: models[0].prices[0].cached_input: \"1e-6\" is not a decimal number from "
          "0 "
          "to 1000000 with at most 6 digits after the point, for example 2.5",
          "c/t.yaml:4:48: models[0].prices[0].output: \"-1\" is not a decimal number from 0 to "
          "1000000 with at most 6 digits after the point, for example 2.5",
          "c/t.yaml:4:80: models[0].prices[0].request: \"1000000.1\" is not a decimal number from "
          "0 to 1000000 with at most 9 digits after the point, for example 2.5",
          "c/t.yaml:4:100: models[0].prices[0].outptu: is not known here; did you mean output?"));
}

TEST(PricesTest, DatesAreThoseOfTheCalendar) {
  for (const char* text : {"2024-06-31", "2023-02-29", "2024-6-1", "2024-00-10", "2024-13-01",
                           "2024/06/01", "20240601", "2024-06-01T00:00:00Z", "-024-06-01", ""}) {
    EXPECT_EQ(ParseDate(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseDate("2024-12-31"), absl::CivilDay(2024, 12, 31));
}

TEST(BillingTest, IsRead) {
  const Config config =
      Good(std::string(kProvider) +
           "billing:\n"
           "  currency: USD\n"
           "  unpriced: refuse\n"
           "  exchange_rates:\n"
           "  - {from: CNY, to: USD, rate: 0.137572397, date: 2024-06-27, source: a bank}\n"
           "  - {from: USD, to: CNY, rate: 7.2689, date: 2024-06-28}\n"
           "models:\n"
           "- {name: m, provider: p, context_tokens: 10, unpriced: free}\n"
           "aliases: [{name: a, to: m, unpriced: refuse}]\n")
          .config;
  EXPECT_EQ(config.billing.currency, Currency::kUsd);
  EXPECT_EQ(config.billing.unpriced, Unpriced::kRefuse);
  ASSERT_EQ(config.billing.exchange_rates.size(), 2u);
  const ExchangeRate* rate = config.billing.RateFrom(Currency::kCny);
  ASSERT_NE(rate, nullptr);
  EXPECT_EQ(rate->rate_nano, 137'572'397);
  EXPECT_EQ(rate->date, absl::CivilDay(2024, 6, 27));
  EXPECT_EQ(rate->source, "a bank");
  EXPECT_EQ(config.billing.RateFrom(Currency::kUsd), nullptr);  // it leads elsewhere
  EXPECT_EQ(config.models.at(0).unpriced, Unpriced::kFree);
  EXPECT_EQ(config.aliases.at(0).unpriced, Unpriced::kRefuse);
}

TEST(BillingTest, APlanLiftsToATierThatExists) {
  const std::string plan = "billing: {plan: {tier_on_top_up: T2}}\n";
  EXPECT_EQ(Good(kProvider + plan + "tiers: [{name: T1}, {name: T2}]\n")
                .config.billing.plan.tier_on_top_up,
            "T2");
  EXPECT_THAT(Errors(kProvider + plan + "tiers: [{name: T1}]\n"),
              ElementsAre("c/t.yaml:3:18: billing.plan.tier_on_top_up: \"T2\" is not the name of a "
                          "tier; did you mean T1?"));
}

TEST(BillingTest, MistakesAreNamed) {
  EXPECT_THAT(
      BillingErrors("{currency: yuan, unpriced: never}"),
      ElementsAre(
          "c/t.yaml:1:11: billing.currency: \"yuan\" is not known here; allowed: CNY or USD",
          "c/t.yaml:1:27: billing.unpriced: \"never\" is not known here; allowed: free or "
          "refuse"));
  EXPECT_THAT(
      BillingErrors("{exchange_rates: [{from: USD, to: USD, rate: 0, date: 2024-06-01}]}"),
      ElementsAre("c/t.yaml:1:49: billing.exchange_rates[0].rate: is 0; write how much of "
                  "`to` one of `from` is",
                  "c/t.yaml:1:40: billing.exchange_rates[0].to: is USD, as `from` is; write "
                  "another currency"));
  EXPECT_THAT(
      BillingErrors("{exchange_rates: [{from: USD, to: CNY, rate: 7, date: 2024-06-01}, "
                    "{from: USD, to: CNY, rate: 7.1, date: 2024-07-01}]}"),
      ElementsAre("c/t.yaml:1:78: billing.exchange_rates[1].from: there is a rate from USD to CNY "
                  "already; leave one of them"));
  EXPECT_THAT(BillingErrors("{exchange_rates: [{}]}"),
              ElementsAre("c/t.yaml:1:28: billing.exchange_rates[0].from: is missing",
                          "c/t.yaml:1:28: billing.exchange_rates[0].to: is missing",
                          "c/t.yaml:1:28: billing.exchange_rates[0].rate: is missing",
                          "c/t.yaml:1:28: billing.exchange_rates[0].date: is missing"));
}

TEST(BillingTest, APriceThatNoRateLeadsFromIsRefusedOnceForItsCurrency) {
  const std::string models =
      "models:\n"
      "- {name: m, provider: p, context_tokens: 10, prices: [\n"
      "    {since: 2024-01-01, currency: CNY, input: 1, output: 1},\n"
      "    {since: 2023-01-01, currency: USD, input: 1, output: 1}]}\n"
      "- {name: n, provider: p, context_tokens: 10, prices: [\n"
      "    {since: 2024-01-01, currency: USD, input: 1, output: 1}]}\n";
  EXPECT_THAT(
      Errors(kProvider + models),
      ElementsAre("c/t.yaml:6:25: models[0].prices[1].currency: is USD, but tenants are charged in "
                  "CNY; add {from: USD, to: CNY, rate: ..., date: ...} to "
                  "billing.exchange_rates"));
  EXPECT_THAT(Errors(kProvider + models + kRates), IsEmpty());
  // The way back is no way.
  EXPECT_THAT(Errors(kProvider + models +
                     "billing: {exchange_rates: [{from: CNY, to: USD, rate: 0.14, "
                     "date: 2024-06-27}]}\n"),
              testing::SizeIs(1));
}

// What each source that was read says; prices that are only recalled are not verified.
TEST(ShippedPricesTest, AreThoseThatWerePublished) {
  const auto loaded = Load("config/pingti.yaml", {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const Config& config = loaded->config;
  ASSERT_NE(config.billing.RateFrom(Currency::kUsd), nullptr);
  EXPECT_EQ(config.billing.RateFrom(Currency::kUsd)->rate_nano, 7'268'900'000);
  struct Row {
    Currency currency;
    int64_t input_pico;
    int64_t output_pico;
  };
  const auto flat = [](int64_t pico) { return Row{Currency::kCny, pico, pico}; };
  const std::map<std::string, Row> verified = {
      {"yi-large", flat(20'000'000)},
      {"yi-large-turbo", flat(12'000'000)},
      {"yi-medium", flat(2'500'000)},
      {"yi-medium-200k", flat(12'000'000)},
      {"yi-vision", flat(6'000'000)},
      {"yi-spark", flat(1'000'000)},
      {"yi-large-rag", flat(25'000'000)},
      {"yi-large-fc", flat(20'000'000)},
      {"yi-large-preview", flat(20'000'000)},
      {"yi-large-rag-preview", flat(25'000'000)},
      {"yi-lightning", flat(990'000)},
      {"yi-34b-chat-0205", flat(2'500'000)},
      {"yi-34b-chat-200k", flat(12'000'000)},
      {"yi-vl-plus", flat(6'000'000)},
      {"gpt-4o", {Currency::kUsd, 5'000'000, 15'000'000}},
      {"gpt-4o-2024-05-13", {Currency::kUsd, 5'000'000, 15'000'000}},
      {"gpt-4-turbo", {Currency::kUsd, 10'000'000, 30'000'000}},
      {"gpt-4-turbo-2024-04-09", {Currency::kUsd, 10'000'000, 30'000'000}},
      {"gpt-3.5-turbo", {Currency::kUsd, 500'000, 1'500'000}},
      {"gpt-3.5-turbo-0125", {Currency::kUsd, 500'000, 1'500'000}},
      {"gpt-3.5-turbo-1106", {Currency::kUsd, 1'000'000, 2'000'000}},
      {"deepseek-chat", {Currency::kCny, 1'000'000, 2'000'000}},
  };
  std::set<std::string> seen;
  for (const Model& model : config.models) {
    for (const PriceVersion& price : model.prices) {
      EXPECT_FALSE(price.source.empty()) << model.name;
      const auto row = verified.find(model.name);
      EXPECT_EQ(price.verified, row != verified.end()) << model.name;
      if (row == verified.end()) continue;
      EXPECT_TRUE(seen.insert(model.name).second) << model.name;
      EXPECT_EQ(price.currency, row->second.currency) << model.name;
      EXPECT_EQ(price.input_pico, row->second.input_pico) << model.name;
      EXPECT_EQ(price.cached_input_pico, row->second.input_pico) << model.name;
      EXPECT_EQ(price.output_pico, row->second.output_pico) << model.name;
    }
  }
  EXPECT_EQ(seen.size(), verified.size());
}

}  // namespace
}  // namespace pingti::config
