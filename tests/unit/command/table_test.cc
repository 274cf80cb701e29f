#include "client/command/table.h"

#include <gtest/gtest.h>

#include <limits>

#include "client/command/format.h"

namespace pingti::command {
namespace {

using std::chrono::milliseconds;

TEST(Table, AlignsByDisplayWidth) {
  const std::string table = RenderTable(
      {{"NAME"}, {"PROVIDER"}, {"N", true}},
      {{{"yi-large"}, {"零一万物"}, {"1"}}, {{"通义千问"}, {"dashscope"}, {"32,768"}}}, false);
  EXPECT_EQ(table,
            "NAME      PROVIDER        N\n"
            "yi-large  零一万物        1\n"
            "通义千问  dashscope  32,768\n");
}

TEST(Table, LinesHaveNoSpacesAtTheirEnd) {
  EXPECT_EQ(RenderTable({{"A"}, {"B"}, {"C"}}, {{{"long cell"}, {""}, {""}}, {{"x"}}}, false),
            "A          B  C\n"
            "long cell\n"
            "x\n");
}

TEST(Table, ColourDoesNotCountAsWidth) {
  EXPECT_EQ(RenderTable({{"A"}, {"B"}}, {{{"1", Style::kRed}, {"2"}}}, true),
            "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[31m1\x1b[0m  2\n");
}

TEST(Table, ANameCannotBreakIt) {
  EXPECT_EQ(RenderTable({{"A"}, {"B"}}, {{{"x\n\x1b[2J"}, {"2"}}}, false),
            "A         B\n"
            "x^J^[[2J  2\n");
}

TEST(Format, WaitsAreRoundedUp) {
  EXPECT_EQ(FormatWait(milliseconds(-5)), "0 ms");
  EXPECT_EQ(FormatWait(milliseconds(999)), "999 ms");
  EXPECT_EQ(FormatWait(milliseconds(1000)), "1.0 s");
  EXPECT_EQ(FormatWait(milliseconds(1101)), "1.2 s");
  EXPECT_EQ(FormatWait(milliseconds(59'999)), "1 min 0 s");
  EXPECT_EQ(FormatWait(milliseconds(125'000)), "2 min 5 s");
  EXPECT_EQ(FormatWait(milliseconds(3'599'001)), "1 h 0 min");
  EXPECT_EQ(FormatWait(milliseconds(11'520'000)), "3 h 12 min");
}

TEST(Format, CountsHaveThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
  EXPECT_EQ(FormatCount(1'234'567), "1,234,567");
}

std::string MoneyOf(std::int64_t nanos) {
  v1::Money money;
  money.set_currency("CNY");
  money.set_nano_units(nanos);
  return FormatMoney(money);
}

TEST(Format, MoneyIsExact) {
  EXPECT_EQ(MoneyOf(0), "0.00 CNY");
  EXPECT_EQ(MoneyOf(1'234'500), "0.0012345 CNY");
  EXPECT_EQ(MoneyOf(100'000'000'000), "100.00 CNY");
  EXPECT_EQ(MoneyOf(-1), "-0.000000001 CNY");
  EXPECT_EQ(MoneyOf(std::numeric_limits<std::int64_t>::min()), "-9223372036.854775808 CNY");
}

}  // namespace
}  // namespace pingti::command
