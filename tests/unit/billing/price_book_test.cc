#include "server/billing/price_book.h"

#include <string>

#include "gtest/gtest.h"

namespace pingti::billing {
namespace {

using base::Currency;

absl::Time Midnight(int year, int month, int day) {
  return absl::FromCivil(absl::CivilDay(year, month, day), absl::UTCTimeZone());
}

config::PriceVersion Version(absl::CivilDay since, int64_t pico,
                             Currency currency = Currency::kCny) {
  config::PriceVersion price;
  price.since = since;
  price.currency = currency;
  price.input_pico = price.output_pico = pico;
  return price;
}

class PriceBookTest : public ::testing::Test {
 protected:
  PriceBookTest() {
    config::Model& yi = config_.models.emplace_back();
    yi.name = "yi-large";
    yi.prices = {Version(absl::CivilDay(2024, 6, 1), 20'000'000),
                 Version(absl::CivilDay(2025, 1, 1), 12'000'000)};
    config::Model& gpt = config_.models.emplace_back();
    gpt.name = "gpt-4o";
    gpt.prices = {Version(absl::CivilDay(2024, 5, 13), 5'000'000, Currency::kUsd)};
    config_.models.emplace_back().name = "bare";
    config_.billing.exchange_rates.push_back(
        {Currency::kUsd, Currency::kCny, 7'268'900'000, absl::CivilDay(2024, 6, 27), ""});
  }

  config::Config config_;
};

TEST_F(PriceBookTest, ThePriceIsTheLastThatHasBegun) {
  const PriceBook book(config_);
  const ModelPrices* prices = book.Find("yi-large");
  ASSERT_NE(prices, nullptr);
  EXPECT_EQ(prices->At(Midnight(2024, 6, 1) - absl::Nanoseconds(1)), nullptr);
  ASSERT_NE(prices->At(Midnight(2024, 6, 1)), nullptr);
  EXPECT_EQ(prices->At(Midnight(2024, 6, 1))->version, "yi-large@2024-06-01");
  EXPECT_EQ(prices->At(Midnight(2025, 1, 1) - absl::Nanoseconds(1))->version,
            "yi-large@2024-06-01");
  EXPECT_EQ(prices->At(Midnight(2025, 1, 1))->version, "yi-large@2025-01-01");
  EXPECT_EQ(prices->At(Midnight(2090, 1, 1))->list.input_pico, 12'000'000);
}

TEST_F(PriceBookTest, KnowsTheRateToWhatTenantsAreCharged) {
  const PriceBook book(config_);
  EXPECT_EQ(book.currency(), Currency::kCny);
  const Price* usd = PriceAt(book.Find("gpt-4o"), Midnight(2024, 7, 1));
  ASSERT_NE(usd, nullptr);
  EXPECT_EQ(usd->rate_nano, 7'268'900'000);
  EXPECT_EQ(usd->charged_in, Currency::kCny);
  const Price* cny = PriceAt(book.Find("yi-large"), Midnight(2024, 7, 1));
  ASSERT_NE(cny, nullptr);
  EXPECT_EQ(cny->rate_nano, base::kNanoPerUnit);
}

TEST_F(PriceBookTest, AModelWithoutAPriceHasNone) {
  const PriceBook book(config_);
  EXPECT_EQ(book.Find("bare"), nullptr);
  EXPECT_EQ(book.Find("never heard of"), nullptr);
  EXPECT_EQ(PriceAt(book.Find("bare"), Midnight(2025, 1, 1)), nullptr);
}

}  // namespace
}  // namespace pingti::billing
