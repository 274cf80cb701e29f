#include "client/command/savings.h"

#include <gmock/gmock.h>

#include <limits>
#include <string>
#include <vector>

#include "client/command/format.h"
#include "tests/fakes/doc_tables.h"
#include "tests/unit/command/run_fixture.h"

namespace pingti::command {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kPico = 1'000'000;  // of 1 unit per million tokens
constexpr std::int64_t kRate = 7'268'900'000;

v1::ModelPrice Cny(std::int64_t input, std::int64_t output) {
  v1::ModelPrice price;
  price.set_currency("CNY");
  price.set_input_pico_per_token(input);
  price.set_output_pico_per_token(output);
  price.set_verified(true);
  return price;
}

v1::ModelPrice Usd(std::int64_t input, std::int64_t output) {
  v1::ModelPrice price = Cny(input, output);
  price.set_currency("USD");
  price.mutable_exchange()->set_currency("CNY");
  price.mutable_exchange()->set_rate_nano(kRate);
  price.mutable_exchange()->set_date("2024-06-27");
  price.mutable_exchange()->set_source("onshore close of the day");
  return price;
}

v1::Model Pair(const std::string& name, const v1::ModelPrice& requested,
               const std::string& substitute, const v1::ModelPrice& price) {
  v1::Model model;
  model.set_name(name);
  model.set_serves(substitute);
  *model.mutable_requested_price() = requested;
  model.mutable_requested_price()->set_version(name + "@2024-06-01");
  *model.mutable_price() = price;
  model.mutable_price()->set_version(substitute + "@2024-06-01");
  return model;
}

v1::Model Gpt4o() {
  return Pair("gpt-4o", Usd(5 * kPico, 15 * kPico), "yi-large", Cny(20 * kPico, 20 * kPico));
}

// What was advertised, and what 1106 saves really.
TEST(SavingTest, GivesTheFiguresOfThePlatform) {
  const auto of = [](std::int64_t input, std::int64_t output, std::int64_t substitute) {
    return Saving(Usd(input, output), Cny(substitute, substitute)).value_or(-1);
  };
  const std::int64_t gpt_4o = of(5 * kPico, 15 * kPico, 20 * kPico);
  EXPECT_EQ(gpt_4o, 7249);
  EXPECT_EQ(gpt_4o / 100, 72);
  EXPECT_EQ((gpt_4o + 50) / 100, 72);
  const std::int64_t gpt_4_turbo = of(10 * kPico, 30 * kPico, 12 * kPico);
  EXPECT_EQ(gpt_4_turbo, 9175);
  EXPECT_EQ(gpt_4_turbo / 100, 91);  // cut off
  const std::int64_t of_0125 = of(kPico / 2, kPico * 3 / 2, kPico * 5 / 2);
  EXPECT_EQ(of_0125, 6561);
  EXPECT_EQ((of_0125 + 50) / 100, 66);  // rounded
  const std::int64_t of_1106 = of(kPico, 2 * kPico, kPico * 5 / 2);
  EXPECT_EQ(of_1106, 7707);
  EXPECT_EQ((of_1106 + 50) / 100, 77);
}

TEST(SavingTest, TheTableOfThePageIsRight) {
  const auto decimal = [](std::string text) {  // units per million to pico-units per token
    const std::size_t point = std::min(text.find('.'), text.size());
    std::string fraction = text.substr(std::min(point + 1, text.size()));
    fraction.resize(6, '0');
    return std::stoll(text.substr(0, point) + fraction);
  };
  const auto tables = fakes::ReadDocTables("docs/billing.md");
  const auto& rows = tables.at("savings");
  EXPECT_EQ(rows.size(), 4u);
  for (const fakes::DocRow& row : rows) {
    const v1::ModelPrice requested = Usd(decimal(row[1]), decimal(row[2]));
    const v1::ModelPrice price = Cny(decimal(row[5]), decimal(row[5]));
    EXPECT_EQ(FormatUnits(MeanPrice(requested).value_or(-1), 4, 0), row[3]) << fakes::Shown(row);
    EXPECT_EQ(FormatUnits(Saving(requested, price).value_or(-1), 2, 2) + "%", row[6])
        << fakes::Shown(row);
  }
}

TEST(SavingTest, ASubstituteThatCostsMoreSavesLessThanNothing) {
  EXPECT_EQ(Saving(Cny(2, 2), Cny(3, 3)), -5'000);
  EXPECT_EQ(Saving(Cny(2, 2), Cny(2, 2)), 0);
  EXPECT_EQ(Saving(Cny(2, 2), Cny(0, 0)), 10'000);
}

TEST(SavingTest, WhatCannotBeComparedHasNone) {
  EXPECT_EQ(Saving(Cny(0, 0), Cny(1, 1)), std::nullopt);
  v1::ModelPrice other = Cny(1, 1);
  other.set_currency("USD");
  EXPECT_EQ(Saving(Cny(1, 1), other), std::nullopt);
  // What no server of ours sends.
  EXPECT_EQ(Saving(Cny(-1, 5), Cny(1, 1)), std::nullopt);
  EXPECT_EQ(Saving(Cny(1, 1), Cny(std::numeric_limits<std::int64_t>::max(), 1)), std::nullopt);
  v1::ModelPrice free_of_charge = Usd(1, 1);
  free_of_charge.mutable_exchange()->set_rate_nano(0);
  EXPECT_EQ(Saving(free_of_charge, Cny(1, 1)), std::nullopt);
  EXPECT_EQ(MeanPrice(free_of_charge), std::nullopt);
}

TEST(SavingsTableTest, StatesPricesBasisRateAndDate) {
  v1::Model unverified = Pair("old", Cny(3 * kPico, 3 * kPico), "new", Cny(kPico, 2 * kPico));
  unverified.mutable_price()->set_verified(false);
  v1::Model bare;
  bare.set_name("bare");
  bare.set_serves("other");
  EXPECT_EQ(SavingsTable({bare, Gpt4o(), unverified}, /*color=*/false),
            R"(NAME    LIST PRICE        MEAN  SERVED BY   LIST PRICE     MEAN   SAVES
bare             -           -  other                -        -       -
gpt-4o  5 / 15 USD  72.689 CNY  yi-large        20 CNY   20 CNY  72.49%
old          3 CNY       3 CNY  new        1 / 2 CNY ?  1.5 CNY  50.00%

Price basis: list prices per million tokens, input / output; compared is their mean.
Exchange rate: 1 USD = 7.2689 CNY of 2024-06-27 (onshore close of the day)
Price gpt-4o@2024-06-01
Price new@2024-06-01 (not verified)
Price old@2024-06-01
Price yi-large@2024-06-01
)");
}

TEST(SavingsTableTest, ForeignTextDoesNotDriveTheTerminal) {
  v1::Model model = Gpt4o();
  model.mutable_price()->set_source("\x1b[2J");
  EXPECT_THAT(SavingsTable({model}, false), Not(HasSubstr("\x1b")));
}

// What the server double lists.
auto Listing(std::vector<v1::Model> models) {
  return [models](const auto&, auto& response) {
    response.mutable_models()->Add(models.begin(), models.end());
    return grpc::Status::OK;
  };
}

TEST_F(RunTest, SavingsOfTheModelsThatAnotherServes) {
  v1::Model itself;
  itself.set_name("yi-large");
  itself.set_serves("yi-large");
  server_.models = Listing({Gpt4o(), itself});
  EXPECT_EQ(Pingti({"savings"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("72.49%"));
  EXPECT_THAT(out(), Not(HasSubstr("\nyi-large")));
}

TEST_F(RunTest, SavingsAsJson) {
  server_.models = Listing({Gpt4o()});
  EXPECT_EQ(Pingti({"savings", "--json"}), kExitOk);
  for (const char* part :
       {R"("requested":"gpt-4o")", R"("substitute":"yi-large")", R"("saved_percent":"72.49")",
        R"("requested_price":"gpt-4o@2024-06-01")", R"("substitute_price_verified":true)",
        "1 USD = 7.2689 CNY of 2024-06-27"}) {
    EXPECT_THAT(out(), HasSubstr(part));
  }
}

TEST_F(RunTest, ModelsShowsPrices) {
  v1::Model bare;
  bare.set_name("bare");
  server_.models = Listing({Gpt4o(), bare});
  EXPECT_EQ(Pingti({"models"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("PRICE PER MILLION"));
  EXPECT_THAT(out(), HasSubstr("20 CNY\n"));
}

}  // namespace
}  // namespace pingti::command
