#include "client/command/key_terms.h"

#include <gtest/gtest.h>

namespace pingti::command {
namespace {

TEST(KeyTermsTest, LimitsAreReadAsTheyAreShown) {
  v1::Key key;
  for (const char* text :
       {"requests_per_minute=60", "tokens_per_minute=1000:50", "requests_per_day=0",
        "tokens_per_day=9:3:shadow", "calls_at_once=2:shadow"}) {
    const auto limit = ParseKeyLimit(text);
    ASSERT_TRUE(limit.has_value()) << text;
    *key.add_limits() = *limit;
  }
  EXPECT_EQ(FormatKeyLimits(key),
            "requests_per_minute=60, tokens_per_minute=1000:50, requests_per_day=0, "
            "tokens_per_day=9:3:shadow, calls_at_once=2:shadow");
  EXPECT_FALSE(key.limits(2).shadow());
  EXPECT_TRUE(key.limits(3).shadow());
  EXPECT_EQ(key.limits(3).burst(), 3);
}

TEST(KeyTermsTest, RightsAreReadAsTheyAreShown) {
  v1::Key key;
  key.add_rights(*ParseKeyRight("complete"));
  key.add_rights(*ParseKeyRight("read_account"));
  EXPECT_EQ(FormatKeyRights(key), "complete, read_account");
  EXPECT_FALSE(ParseKeyRight(""));
  EXPECT_FALSE(ParseKeyRight("Complete"));
}

TEST(KeyTermsTest, ABudgetIsAnAmountAndAPeriod) {
  v1::Key key;
  EXPECT_EQ(FormatKeyBudget(key), "");
  *key.mutable_budget() = *ParseKeyBudget("12.5/month");
  EXPECT_EQ(key.budget().amount().nano_units(), 12'500'000'000);
  key.mutable_budget()->mutable_amount()->set_currency("CNY");
  EXPECT_EQ(FormatKeyBudget(key), "12.50 CNY/month");
  *key.mutable_budget() = *ParseKeyBudget("50/day");
  EXPECT_EQ(key.budget().period(), v1::BUDGET_PERIOD_DAY);
  for (const char* text : {"", "50", "/day", "0/day", "-1/day", "50/week", "50/", "50 / day"}) {
    EXPECT_FALSE(ParseKeyBudget(text).has_value()) << text;
  }
}

TEST(KeyTermsTest, WhatIsNoLimitIsRefused) {
  for (const char* text :
       {"", "=", "requests_per_minute", "requests_per_minute=", "requests_per_minute=-1",
        "requests_per_minute=1.5", "requests_per_minute=60:", "requests_per_minute=60:0",
        "requests_per_minute=60:shadow:5", "requests_per_minute=:shadow",
        "requests_per_minute=60:x", "requests_per_hour=60", "requests_per_minute=6 0",
        "requests_per_minute=99999999999999999999"}) {
    EXPECT_FALSE(ParseKeyLimit(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace pingti::command
