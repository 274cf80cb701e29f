#include "client/command/accounts_line.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <vector>
#include "tests/unit/command/line_fixture.h"

namespace pingti::command {
namespace {

using AccountsLineTest = LineFixture<AccountsLine, Verb::kAccounts, &CommandLine::accounts>;

TEST_F(AccountsLineTest, ATopUpIsExact) {
  const auto line = Parse({"topup", "acme", "12.000000001", "--reference", "r-1"});
  ASSERT_TRUE(line) << err_;
  EXPECT_EQ(line->verb, AccountsVerb::kTopUp);
  EXPECT_EQ(line->tenant, "acme");
  EXPECT_EQ(line->nano, 12'000'000'001);
  EXPECT_EQ(line->reference, "r-1");
  EXPECT_TRUE(line->NeedsAdmin());
  for (const char* amount :
       {"1e3", "1.0000000001", "", "0", "0.00", "12,5", "1.", ".5", "+1", "99999999999999", "1 "}) {
    EXPECT_FALSE(Parse({"topup", "acme", amount, "--reference", "r"})) << amount;
  }
  EXPECT_FALSE(Parse({"topup", "acme", "1"}));  // no reference
}

TEST_F(AccountsLineTest, AnAdjustmentMayTake) {
  const auto line =
      Parse({"adjust", "--reference", "r", "--reason", "why", "--refund", "--", "acme", "-2.5"});
  ASSERT_TRUE(line) << err_;
  EXPECT_EQ(line->nano, -2'500'000'000);
  EXPECT_TRUE(line->refund);
  EXPECT_EQ(Parse({"adjust", "acme", "-2.5", "--reference", "r", "--reason", "why"})->nano,
            -2'500'000'000);
  EXPECT_FALSE(Parse({"adjust", "acme", "1", "--reference", "r"}));  // no reason
}

TEST_F(AccountsLineTest, OnlyOnesOwnNeedsNoAdministrator) {
  EXPECT_FALSE(Parse({"balance"})->NeedsAdmin());
  EXPECT_FALSE(Parse({"usage"})->NeedsAdmin());
  EXPECT_FALSE(Parse({"ledger", "list"})->NeedsAdmin());
  EXPECT_FALSE(Parse({"statement", "--month", "2024-06"})->NeedsAdmin());
  EXPECT_TRUE(Parse({"balance", "--tenant", "acme"})->NeedsAdmin());
  EXPECT_TRUE(Parse({"usage", "--all-tenants"})->NeedsAdmin());
  EXPECT_TRUE(Parse({"ledger", "verify"})->NeedsAdmin());
  EXPECT_FALSE(Parse({"usage", "--all-tenants", "--tenant", "acme"}));
}

TEST_F(AccountsLineTest, DaysAndMonthsAreUtc) {
  const auto usage = Parse({"usage", "--from", "2024-02-29", "--until", "2024-03-01", "--csv"});
  ASSERT_TRUE(usage) << err_;
  EXPECT_EQ(usage->range.from, 1'709'164'800);
  EXPECT_EQ(usage->range.until - usage->range.from, 86'400);
  EXPECT_EQ(usage->form, OutputForm::kCsv);
  const auto statement = Parse({"statement", "--month", "2024-12", "--html"});
  ASSERT_TRUE(statement) << err_;
  EXPECT_EQ(statement->range.from, 1'733'011'200);
  EXPECT_EQ(statement->range.until, 1'735'689'600);
  EXPECT_EQ(statement->form, OutputForm::kHtml);
  EXPECT_EQ(Parse({"statement", "--month", "2024-06"})->form, OutputForm::kCsv);
  for (const char* month :
       {"2024-13", "2024-00", "2024-6", "2024", "24-06", "2024-06-01", "-024-06"}) {
    EXPECT_FALSE(Parse({"statement", "--month", month})) << month;
  }
  for (const char* day : {"2023-02-29", "2024-06-31", "2024-6-1", "1969-12-31", "yesterday"}) {
    EXPECT_FALSE(Parse({"usage", "--from", day})) << day;
  }
}

TEST_F(AccountsLineTest, UsageByWhatIsAskedFor) {
  const auto plain = Parse({"usage"});
  ASSERT_TRUE(plain) << err_;
  EXPECT_TRUE(plain->by.empty());
  const auto line = Parse({"usage", "--by", "model,label,day", "--label", "team", "-m", "gpt-4o",
                           "--key-id", "k1", "--with-label", "stage=a=b", "--with-label", "x="});
  ASSERT_TRUE(line) << err_;
  EXPECT_EQ(line->by,
            (std::vector<v1::UsageDimension>{v1::USAGE_DIMENSION_MODEL, v1::USAGE_DIMENSION_LABEL,
                                             v1::USAGE_DIMENSION_DAY}));
  EXPECT_EQ(line->label, "team");
  EXPECT_EQ(line->model, "gpt-4o");
  EXPECT_EQ(line->key_id, "k1");
  EXPECT_EQ(line->labels, (std::map<std::string, std::string>{{"stage", "a=b"}, {"x", ""}}));
  EXPECT_FALSE(Parse({"usage", "--by", "week"}));
  EXPECT_FALSE(Parse({"usage", "--by", "day,day"}));
  EXPECT_NE(err_.find("--by: 'day' is there twice"), std::string::npos) << err_;
  EXPECT_FALSE(Parse({"usage", "--by", "label"}));
  EXPECT_NE(err_.find("--label"), std::string::npos) << err_;
  EXPECT_FALSE(Parse({"usage", "--with-label", "team"}));
  EXPECT_FALSE(Parse({"usage", "--with-label", "=x"}));
  EXPECT_FALSE(Parse({"usage", "--with-label", "a=1", "--with-label", "a=2"}));
}

TEST_F(AccountsLineTest, KindsHaveTheNamesOfTheLedger) {
  const auto list = Parse({"ledger", "list", "--kind", "top-up", "--limit", "0", "--json"});
  ASSERT_TRUE(list) << err_;
  EXPECT_EQ(list->kind, v1::TRANSFER_KIND_TOP_UP);
  EXPECT_EQ(list->limit, 0);
  EXPECT_EQ(list->form, OutputForm::kJson);
  EXPECT_FALSE(Parse({"ledger", "list", "--kind", "gift"}));
  EXPECT_FALSE(Parse({"ledger", "list", "--limit", "-1"}));
  EXPECT_FALSE(Parse({"ledger"}));
  for (int kind = 1; v1::TransferKind_IsValid(kind); ++kind) {
    EXPECT_NE(KindName(static_cast<v1::TransferKind>(kind)), "") << kind;
  }
}

}  // namespace
}  // namespace pingti::command
