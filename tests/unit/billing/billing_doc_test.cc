// Reads the tables of docs/billing.md that are marked as checked, and works out each row.
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "server/base/strings.h"
#include "server/billing/charge.h"
#include "server/config/load.h"
#include "tests/fakes/doc_tables.h"

namespace pingti::billing {
namespace {

using fakes::DocRow;
using fakes::Shown;
using fakes::WithoutCommas;

int64_t Number(const std::string& cell) {
  const auto number = base::ParseDecimal(WithoutCommas(cell), 0);
  EXPECT_TRUE(number) << cell;
  return number.value_or(0);
}

// A configuration with these versions of the price of yi-large, as a file has them.
config::Config ConfigWith(const std::string& versions) {
  const auto loaded = config::LoadFromString(
      "providers: [{name: yi, dialect: openai, base_url: 'http://h', no_key: true}]\n"
      "billing: {exchange_rates: [{from: USD, to: CNY, rate: 7.2689, date: 2024-06-27}]}\n"
      "models: [{name: yi-large, provider: yi, context_tokens: 10, prices: [" +
          versions + "]}]\n",
      "t.yaml", {});
  EXPECT_TRUE(loaded.ok()) << loaded.status() << versions;
  return loaded.ok() ? loaded->config : config::Config{};
}

class BillingDocTest : public ::testing::Test {
 protected:
  const std::vector<DocRow>& TableOf(const std::string& name) const { return tables_.at(name); }

  const std::map<std::string, std::vector<DocRow>> tables_ =
      fakes::ReadDocTables(PINGTI_SOURCE "/docs/billing.md");
};

TEST_F(BillingDocTest, EveryCheckedTableHasItsTest) {
  std::set<std::string> names;
  for (const auto& [name, rows] : tables_) names.insert(name);
  // `savings` is the client's: tests/unit/command/savings_test.cc.
  EXPECT_EQ(names, (std::set<std::string>{"charges", "ledger", "savings", "versions"}));
}

TEST_F(BillingDocTest, Versions) {
  const PriceBook book(
      ConfigWith("{since: 2025-01-01, currency: CNY, input: 8, output: 8}, "
                 "{since: 2024-06-01, currency: CNY, input: 20, output: 20}, "
                 "{since: 2024-08-01, currency: CNY, input: 12, output: 12}"));
  for (const DocRow& row : TableOf("versions")) {
    absl::Time began;
    std::string error;
    ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, row[0], &began, &error)) << Shown(row);
    const Price* price = PriceAt(book.Find("yi-large"), began);
    if (row[1] == "none") {
      EXPECT_EQ(price, nullptr) << Shown(row);
      EXPECT_EQ(row[2], "none") << Shown(row);
      continue;
    }
    ASSERT_NE(price, nullptr) << Shown(row);
    EXPECT_EQ(price->list.input_pico, Number(row[1])) << Shown(row);
    EXPECT_EQ(price->version, row[2]) << Shown(row);
  }
}

TEST_F(BillingDocTest, Charges) {
  for (const DocRow& row : TableOf("charges")) {
    const PriceBook book(ConfigWith(base::StrCat(
        "{since: 2024-06-01, currency: ", row[0], ", input: ", row[1], ", cached_input: ", row[2],
        ", output: ", row[3], ", request: ", row[4], "}")));
    const Price* price = PriceAt(book.Find("yi-large"), absl::InfiniteFuture());
    ASSERT_NE(price, nullptr) << Shown(row);
    model::Usage usage;
    usage.source = model::UsageSource::kMeasured;
    usage.input_tokens = Number(row[5]);
    usage.cached_input_tokens = Number(row[6]);
    usage.output_tokens = Number(row[7]);
    const auto charged = ChargeFor(usage, *price);
    if (row[8] == "does not fit") {
      EXPECT_EQ(charged, std::nullopt) << Shown(row);
      continue;
    }
    EXPECT_EQ(charged, (base::Money{Number(row[8]), base::Currency::kCny})) << Shown(row);
  }
}

}  // namespace
}  // namespace pingti::billing
