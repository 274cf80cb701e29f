#include "server/base/money.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace pingti::base {
namespace {

TEST(ParseDecimalTest, ReadsExactly) {
  EXPECT_EQ(ParseDecimal("20", 6), 20'000'000);
  EXPECT_EQ(ParseDecimal("2.5", 9), 2'500'000'000);
  EXPECT_EQ(ParseDecimal("-0.000000001", 9), -1);
  EXPECT_EQ(ParseDecimal("0.10000", 1), 1);
  EXPECT_EQ(ParseDecimal("007", 0), 7);
  EXPECT_EQ(ParseDecimal("9223372036.854775807", 9), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseDecimal("-9223372036.854775808", 9), std::numeric_limits<int64_t>::min());
}

TEST(ParseDecimalTest, RefusesWhatIsNoneOrDoesNotFit) {
  for (const char* text : {"", "-", ".", "1.", ".5", "+1", " 1", "1 ", "1e3", "1,000", "0x10",
                           "--1", "1.2.3", "nan", "9223372036.854775808"}) {
    EXPECT_EQ(ParseDecimal(text, 9), std::nullopt) << text;
  }
  EXPECT_EQ(ParseDecimal("0.25", 1), std::nullopt);  // never rounded
  EXPECT_EQ(ParseDecimal("-9223372036.854775809", 9), std::nullopt);
}

TEST(FormatDecimalTest, ShowsAllThatCounts) {
  EXPECT_EQ(FormatDecimal(2'500'000'000, 9, 2), "2.50");
  EXPECT_EQ(FormatDecimal(100'000'000'000, 9, 2), "100.00");
  EXPECT_EQ(FormatDecimal(-1, 9, 2), "-0.000000001");
  EXPECT_EQ(FormatDecimal(123, 0, 0), "123");
  EXPECT_EQ(FormatDecimal(1'500, 3, 0), "1.5");
  EXPECT_EQ(FormatDecimal(2'000, 3, 0), "2");
  EXPECT_EQ(FormatDecimal(std::numeric_limits<int64_t>::min(), 9, 2), "-9223372036.854775808");
}

TEST(FormatDecimalTest, IsReadBackAsTheSame) {
  for (int64_t value : {int64_t{0}, int64_t{1}, int64_t{-999'999'999}, int64_t{7'250'000'001},
                        std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(ParseDecimal(FormatDecimal(value, 9, 2), 9), value);
  }
}

TEST(FormatMoneyTest, NamesTheCurrency) {
  EXPECT_EQ(FormatMoney({.nano = 0, .currency = Currency::kUsd}), "0.00 USD");
  EXPECT_EQ(FormatMoney({.nano = 20'004, .currency = Currency::kCny}), "0.000020004 CNY");
}

TEST(CurrencyTest, CodesAreReadBack) {
  for (Currency each : {Currency::kCny, Currency::kUsd}) {
    EXPECT_EQ(ParseCurrency(CurrencyCode(each)), each);
  }
  EXPECT_EQ(ParseCurrency("cny"), std::nullopt);
}

TEST(DivideUpTest, RoundsToTheLarger) {
  EXPECT_EQ(DivideUp(1, 1'000), 1);
  EXPECT_EQ(DivideUp(1'000, 1'000), 1);
  EXPECT_EQ(DivideUp(1'001, 1'000), 2);
  EXPECT_EQ(DivideUp(0, 7), 0);
  EXPECT_EQ(DivideUp(-1'999, 1'000), -1);
  EXPECT_EQ(DivideUp(static_cast<absl::int128>(1) << 100, 3), std::nullopt);
}

}  // namespace
}  // namespace pingti::base
