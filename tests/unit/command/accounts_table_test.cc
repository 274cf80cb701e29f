// Tables and CSV of the commands about accounts, and statements.
#include "client/command/accounts_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/command/csv.h"
#include "client/command/format.h"
#include "client/command/statement.h"
#include "tests/unit/command/run_fixture.h"

namespace pingti::command {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kUnit = 1'000'000'000;
constexpr std::int64_t kJune = 1'717'200'000;  // its first second

void Set(std::int64_t nano, v1::Money* money) {
  money->set_currency("CNY");
  money->set_nano_units(nano);
}

v1::Balance BalanceOf(std::int64_t nano) {
  v1::Balance balance;
  Set(nano, balance.mutable_total());
  return balance;
}

v1::UsageRow Row(const std::string& day, const std::string& model, std::int64_t charged) {
  v1::UsageRow row;
  row.set_day(day);
  row.set_tenant("acme");
  row.set_key_id("k1");
  row.set_model(model);
  row.set_calls(1'200);
  row.set_input_tokens(30'000);
  row.set_cached_input_tokens(1'000);
  row.set_output_tokens(7);
  Set(charged, row.mutable_charged());
  Set(charged * 3, row.mutable_requested_model_would_have_cost());
  return row;
}

v1::Transfer Moved(v1::TransferKind kind, const std::string& debit, const std::string& credit,
                   std::int64_t nano) {
  v1::Transfer transfer;
  transfer.set_id(7);
  transfer.set_tenant("acme");
  transfer.set_kind(kind);
  transfer.set_debit(debit);
  transfer.set_credit(credit);
  Set(nano, transfer.mutable_amount());
  transfer.mutable_time()->set_seconds(kJune + 3'661);
  transfer.set_reference("收据-1");
  return transfer;
}

TEST(FormatAmountsTest, PointsStandBelowEachOther) {
  EXPECT_EQ(
      FormatAmounts({kUnit, -kUnit / 2, 1, 0}),
      (std::vector<std::string>{"1.000000000", "-0.500000000", "0.000000001", "0.000000000"}));
  EXPECT_EQ(FormatAmounts({kUnit, 0}), (std::vector<std::string>{"1.00", "0.00"}));
  EXPECT_EQ(FormatAmounts({kUnit / 8}), (std::vector<std::string>{"0.125"}));
}

TEST(ParseUnitsTest, IsTheInverseOfFormatUnits) {
  for (const std::int64_t nano : {std::int64_t{0}, std::int64_t{1}, -kUnit, 12 * kUnit + 500,
                                  std::int64_t{9'223'372'036'854'775'807}}) {
    EXPECT_EQ(ParseUnits(FormatUnits(nano, 9, 2), 9), nano);
  }
  EXPECT_EQ(ParseUnits("9223372036.854775808", 9), std::nullopt);
}

TEST(CsvTest, QuotesAndDefusesFormulas) {
  EXPECT_EQ(CsvLine({"a", "b,c", "d\"e", "f\ng", ""}), "a,\"b,c\",\"d\"\"e\",\"f\ng\",\n");
  EXPECT_EQ(CsvText("=1+1"), "'=1+1");
  EXPECT_EQ(CsvText("@x"), "'@x");
  EXPECT_EQ(CsvText("a=1"), "a=1");
}

const UsageColumns kUsual = {v1::USAGE_DIMENSION_DAY, v1::USAGE_DIMENSION_KEY,
                             v1::USAGE_DIMENSION_MODEL};

TEST(UsageTableTest, AlignsChineseNamesAndSums) {
  EXPECT_EQ(
      UsageTable({Row("2024-06-01", "通义千问", kUnit / 4), Row("2024-06-02", "yi", 1)}, kUsual, "",
                 false),
      "DAY         KEY  MODEL     CALLS   INPUT  CACHED  OUTPUT  CHARGED CNY  WOULD HAVE COST\n"
      "2024-06-01  k1   通义千问  1,200  30,000   1,000       7  0.250000000      0.750000000\n"
      "2024-06-02  k1   yi        1,200  30,000   1,000       7  0.000000001      0.000000003\n"
      "sum                        2,400  60,000   2,000      14  0.250000001      0.750000003\n");
  EXPECT_EQ(UsageTable({}, kUsual, "", false), "no calls\n");
}

TEST(UsageTableTest, HasTheColumnsThatWereAskedForInTheirOrder) {
  v1::UsageRow row = Row("", "yi", kUnit);
  row.set_label_value("研发");
  const UsageColumns columns = {v1::USAGE_DIMENSION_LABEL, v1::USAGE_DIMENSION_MODEL};
  EXPECT_EQ(UsageTable({row}, columns, "team", false),
            "LABEL team  MODEL  CALLS   INPUT  CACHED  OUTPUT  CHARGED CNY  WOULD HAVE COST\n"
            "研发        yi     1,200  30,000   1,000       7         1.00             3.00\n"
            "sum                1,200  30,000   1,000       7         1.00             3.00\n");
  EXPECT_EQ(UsageCsvHead(columns).substr(0, 24), "label_value,model,calls,");
  row.set_label_value("=1+1,\"x\"");
  EXPECT_EQ(UsageCsv({row}, columns), "\"'=1+1,\"\"x\"\"\",yi,1200,30000,1000,7,1.00,3.00,CNY\n");
}

TEST(UsageTableTest, ColumnsAreTheDefaultWhereNoneAreAskedFor) {
  AccountsLine line;
  EXPECT_EQ(UsageColumnsOf(line, /*for_programs=*/false), kUsual);
  EXPECT_EQ(UsageCsvHead(UsageColumnsOf(line, /*for_programs=*/true)),
            "day,tenant,key_id,model,calls,input_tokens,cached_input_tokens,output_tokens,charged,"
            "requested_model_would_have_cost,currency\n");
  EXPECT_EQ(UsageCsv({Row("2024-06-01", "yi", 1)}, UsageColumnsOf(line, true)),
            "2024-06-01,acme,k1,yi,1200,30000,1000,7,0.000000001,0.000000003,CNY\n");
  line.all_tenants = true;
  EXPECT_EQ(UsageColumnsOf(line, false).at(1), v1::USAGE_DIMENSION_TENANT);
  line.label = "team";
  EXPECT_EQ(UsageColumnsOf(line, false).back(), v1::USAGE_DIMENSION_LABEL);
  line.by = {v1::USAGE_DIMENSION_LABEL, v1::USAGE_DIMENSION_DAY};
  EXPECT_EQ(UsageColumnsOf(line, false), line.by);
}

TEST(TransfersTableTest, SaysWhatMovedAndWhy) {
  v1::Transfer transfer = Moved(v1::TRANSFER_KIND_TOP_UP, "top-ups", "cash", 40 * kUnit);
  transfer.set_reason("发票");
  transfer.set_actor("admin:finance");
  EXPECT_EQ(TransfersTable({transfer}, false, false),
            "ID  TIME (UTC)           KIND    FROM     TO      CNY  BY             CALL OR "
            "REFERENCE\n"
            " 7  2024-06-01 01:01:01  top-up  top-ups  cash  40.00  admin:finance  收据-1: 发票\n");
  EXPECT_EQ(
      TransfersCsv({transfer}),
      "7,2024-06-01 01:01:01,acme,top-up,top-ups,cash,40.00,CNY,,收据-1,发票,admin:finance\n");
  EXPECT_EQ(EffectOf(transfer), 40 * kUnit);
  EXPECT_EQ(EffectOf(Moved(v1::TRANSFER_KIND_EXPIRY, "bonus", "expired", 5)), -5);
}

Statement June() {
  Statement statement;
  statement.tenant = "acme<script>";
  statement.month = "2024-06";
  statement.opening = BalanceOf(10 * kUnit);
  statement.transfers = {Moved(v1::TRANSFER_KIND_TOP_UP, "top-ups", "cash", 40 * kUnit),
                         Moved(v1::TRANSFER_KIND_REFUND, "cash", "refunds", 3 * kUnit)};
  statement.usage = {Row("2024-06-01", "yi", kUnit), Row("2024-06-30", "yi", 2 * kUnit)};
  statement.closing = BalanceOf(43 * kUnit);
  return statement;
}

TEST(StatementTest, AddsUpToTheLastNanoUnit) {
  Statement statement = June();
  EXPECT_EQ(statement.charges(), 4 * kUnit);
  EXPECT_EQ(statement.carried(), kUnit);  // began in May, ended in June
  const std::string csv = StatementCsv(statement);
  std::istringstream lines(csv);
  std::string line;
  std::getline(lines, line);
  std::vector<std::int64_t> amounts;
  while (std::getline(lines, line)) {
    const std::size_t end = line.rfind(',');
    const std::size_t begin = line.rfind(',', end - 1) + 1;
    amounts.push_back(ParseUnits(line.substr(begin, end - begin), 9).value_or(-1));
  }
  ASSERT_EQ(amounts.size(), 7u) << csv;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i + 1 < amounts.size(); ++i) sum += amounts[i];
  EXPECT_EQ(sum, amounts.back()) << csv;
  EXPECT_EQ(amounts.back(), 43 * kUnit);
}

TEST(StatementTest, ThePageHoldsAllAndNothingForeignIsMarkup) {
  Statement statement = June();
  statement.transfers[1].set_reason("<b>& 退款");
  const std::string html = StatementHtml(statement);
  EXPECT_THAT(html, HasSubstr("<meta charset=\"utf-8\">"));
  EXPECT_THAT(html, HasSubstr("acme&lt;script&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;b&gt;&amp; 退款"));
  EXPECT_THAT(html, HasSubstr("43.00"));
  EXPECT_THAT(html, Not(HasSubstr("http")));  // it needs nothing else
  EXPECT_THAT(html, HasSubstr("@media print"));
}

class AccountsRunTest : public RunTest {
 protected:
  AccountsRunTest() { ::unsetenv("PINGTI_ADMIN_KEY"); }
  ~AccountsRunTest() override { ::unsetenv("PINGTI_ADMIN_KEY"); }
};

TEST_F(AccountsRunTest, WithoutAnAdministratorsKeySaysWhereItLooks) {
  ::setenv("PINGTI_API_KEY", "pt_tenant_key", 1);
  EXPECT_EQ(Pingti({"ledger", "verify"}), kExitNotAllowed);
  EXPECT_THAT(err(), HasSubstr("PINGTI_ADMIN_KEY"));
  EXPECT_THAT(err(), HasSubstr("pingti/admin-key"));
  EXPECT_EQ(Pingti({"ledger", "verify", "--admin-key-file", "/nonexistent"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("there is no file /nonexistent"));
  EXPECT_THAT(server_.headers(), ::testing::IsEmpty());
  ::unsetenv("PINGTI_API_KEY");
}

TEST_F(AccountsRunTest, EachKeyGoesWhereItBelongs) {
  ::setenv("PINGTI_ADMIN_KEY", "pt_admin_key", 1);
  ::setenv("PINGTI_API_KEY", "pt_tenant_key", 1);
  EXPECT_EQ(Pingti({"balance"}), kExitInvalid);  // the double has no accounts
  EXPECT_EQ(server_.headers().at("authorization"), "Bearer pt_tenant_key");
  EXPECT_EQ(Pingti({"balance", "--tenant", "acme"}), kExitInvalid);
  EXPECT_EQ(server_.headers().at("authorization"), "Bearer pt_admin_key");
  ::unsetenv("PINGTI_API_KEY");
}

}  // namespace
}  // namespace pingti::command
