#include "server/exchange/price_list.h"

#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

config::PriceVersion Version(absl::CivilDay since, int64_t pico) {
  config::PriceVersion price;
  price.since = since;
  price.input_pico = price.output_pico = pico;
  return price;
}

class PriceListTest : public CallFixture {
 protected:
  PriceListTest() {
    AddOpenAi();
    config_.models[0].prices = {Version(absl::CivilDay(2024, 6, 1), 20),
                                Version(absl::CivilDay(2024, 8, 1), 12),
                                Version(absl::CivilDay(2025, 1, 1), 8)};
    config_.models[1].prices = {Version(absl::CivilDay(2024, 5, 13), 5)};
    config_.models.emplace_back(config_.models[0]).name = "bare";
    config_.models.back().prices.clear();
  }

  // `version until`, with a star where it is in force.
  std::vector<std::string> List(const PriceFilter& filter, absl::CivilDay day) {
    const auto listed = ListPrices(view(), filter, absl::FromCivil(day, absl::UTCTimeZone()));
    std::vector<std::string> texts;
    if (!std::holds_alternative<std::vector<ListedPrice>>(listed)) return {"error"};
    for (const ListedPrice& one : std::get<std::vector<ListedPrice>>(listed)) {
      EXPECT_EQ(one.price->version.rfind(one.model->name + "@", 0), 0u);
      texts.push_back(one.price->version +
                      (one.until ? " " + absl::FormatCivilTime(*one.until) : "") +
                      (one.current ? "*" : ""));
    }
    return texts;
  }
  std::string WrongOf(const PriceFilter& filter) {
    const auto listed = ListPrices(view(), filter, absl::UnixEpoch());
    const auto* error = std::get_if<model::CallError>(&listed);
    return error == nullptr ? "" : error->message;
  }
  View& view() { return *worker().view(); }
};

TEST_F(PriceListTest, ThoseInForceByModel) {
  EXPECT_THAT(List({}, absl::CivilDay(2024, 5, 1)), IsEmpty());
  EXPECT_THAT(List({}, absl::CivilDay(2024, 5, 31)), ElementsAre("gpt-4o@2024-05-13*"));
  EXPECT_THAT(List({}, absl::CivilDay(2024, 8, 1)),
              ElementsAre("gpt-4o@2024-05-13*", "yi-large@2024-08-01 2025-01-01*"));
  EXPECT_THAT(List({}, absl::CivilDay(2026, 8, 1)),
              ElementsAre("gpt-4o@2024-05-13*", "yi-large@2025-01-01*"));
}

TEST_F(PriceListTest, AllVersionsOfAProviderOrAModel) {
  const absl::CivilDay day(2024, 7, 31);
  EXPECT_THAT(List({.provider = "yi", .all_versions = true}, day),
              ElementsAre("yi-large@2024-06-01 2024-08-01*", "yi-large@2024-08-01 2025-01-01",
                          "yi-large@2025-01-01"));
  EXPECT_THAT(List({.model = "gpt-4o", .all_versions = true}, day),
              ElementsAre("gpt-4o@2024-05-13*"));
  EXPECT_THAT(List({.provider = "openai", .model = "yi-large"}, day), IsEmpty());
  EXPECT_THAT(List({.model = "bare", .all_versions = true}, day), IsEmpty());
}

TEST_F(PriceListTest, GoesOnBehindAPlace) {
  const absl::CivilDay day(2024, 7, 31);
  PriceFilter filter{.all_versions = true, .limit = 2};
  EXPECT_THAT(List(filter, day),
              ElementsAre("gpt-4o@2024-05-13*", "yi-large@2024-06-01 2024-08-01*"));
  filter.after = PricePlace{"yi-large", absl::CivilDay(2024, 6, 1)};
  EXPECT_THAT(List(filter, day),
              ElementsAre("yi-large@2024-08-01 2025-01-01", "yi-large@2025-01-01"));
  filter.after = PricePlace{"yi-large", absl::CivilDay(2025, 1, 1)};
  EXPECT_THAT(List(filter, day), IsEmpty());
  // What went away meanwhile has a place still.
  filter.after = PricePlace{"h", absl::CivilDay(1999, 1, 1)};
  EXPECT_THAT(List(filter, day),
              ElementsAre("yi-large@2024-06-01 2024-08-01*", "yi-large@2024-08-01 2025-01-01"));
}

TEST_F(PriceListTest, WhatTheConfigurationDoesNotHaveIsNamed) {
  EXPECT_THAT(WrongOf({.provider = "opena1"}), HasSubstr("provider: "));
  EXPECT_THAT(WrongOf({.provider = "opena1"}), HasSubstr("openai"));
  EXPECT_THAT(WrongOf({.model = "yi-larg"}), HasSubstr("yi-large"));
}

}  // namespace
}  // namespace pingti::exchange
