#include "server/exchange/key_terms.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::exchange {
namespace {

using config::FindLimitKind;
using config::Limit;
using ::testing::HasSubstr;

// The field that is wrong; empty: none.
std::string WrongLimit(const std::vector<KeyLimit>& limits) {
  config::ClassLimits read;
  const auto error = ReadKeyLimits(limits, &read);
  if (!error) return "";
  EXPECT_EQ(error->reason, model::ErrorReason::kFieldInvalid);
  return error->fields.at(0).field;
}

TEST(KeyTermsTest, LimitsAreThoseOfTheConfiguration) {
  config::ClassLimits read;
  read.calls_at_once = 9;
  ASSERT_FALSE(ReadKeyLimits({{FindLimitKind("requests_per_minute"), Limit(60, 10)},
                              {FindLimitKind("tokens_per_day"), Limit(0, 0, true)}},
                             &read));
  config::ClassLimits wanted;
  wanted.requests_per_minute = Limit(60, 10);
  wanted.tokens_per_day = Limit(0, 0, true);
  EXPECT_EQ(read, wanted);
}

TEST(KeyTermsTest, WhatIsWrongWithALimitIsNamed) {
  const config::LimitKind* minute = FindLimitKind("requests_per_minute");
  const config::LimitKind* calls = FindLimitKind("calls_at_once");
  EXPECT_EQ(WrongLimit({{minute, 1}, {nullptr, 1}}), "limits[1].dimension");
  EXPECT_EQ(WrongLimit({{minute, 1}, {calls, 1}, {minute, 2}}), "limits[2].dimension");
  EXPECT_EQ(WrongLimit({{minute, -1}}), "limits[0].limit");
  EXPECT_EQ(WrongLimit({{minute, config::kRequestsMax}}), "");
  EXPECT_EQ(WrongLimit({{minute, config::kRequestsMax + 1}}), "limits[0].limit");
  EXPECT_EQ(WrongLimit({{calls, config::kCallsAtOnceMax + 1}}), "limits[0].limit");
  EXPECT_EQ(WrongLimit({{minute, Limit(5, 5)}}), "");
  EXPECT_EQ(WrongLimit({{minute, Limit(5, 6)}}), "limits[0].burst");
  EXPECT_EQ(WrongLimit({{minute, Limit(5, -1)}}), "limits[0].burst");
  EXPECT_EQ(WrongLimit({{minute, Limit(0, 1)}}), "limits[0].burst");
  EXPECT_EQ(WrongLimit({{calls, Limit(5, 1)}}), "limits[0].burst");
  config::ClassLimits read;
  EXPECT_THAT(ReadKeyLimits({{nullptr, 1}}, &read)->message,
              HasSubstr("requests_per_minute, tokens_per_minute, requests_per_day, "
                        "tokens_per_day, calls_at_once"));
}

TEST(KeyTermsTest, ABudgetIsInTheCurrencyOfTheLedger) {
  config::KeyBudget budget;
  EXPECT_FALSE(ReadKeyBudget({"", 1, config::BudgetPeriod::kMonth}, base::Currency::kCny, &budget));
  EXPECT_EQ(budget, (config::KeyBudget{1, config::BudgetPeriod::kMonth}));
  EXPECT_FALSE(
      ReadKeyBudget({"CNY", 7, config::BudgetPeriod::kDay}, base::Currency::kCny, &budget));
  EXPECT_EQ(budget, (config::KeyBudget{7, config::BudgetPeriod::kDay}));
  const auto wrong = [&](const KeyBudgetRequest& from) {
    return ReadKeyBudget(from, base::Currency::kCny, &budget)->fields.at(0).field;
  };
  EXPECT_EQ(wrong({"USD", 1, config::BudgetPeriod::kDay}), "budget.amount.currency");
  EXPECT_EQ(wrong({"", 0, config::BudgetPeriod::kDay}), "budget.amount");
  EXPECT_EQ(wrong({"", -1, config::BudgetPeriod::kDay}), "budget.amount");
  EXPECT_EQ(wrong({"", config::kKeyBudgetMax + 1, config::BudgetPeriod::kDay}), "budget.amount");
  EXPECT_EQ(wrong({"", 1, std::nullopt}), "budget.period");
}

TEST(KeyTermsTest, NoListOfRightsIsAllOfThem) {
  config::KeyRights rights = config::KeyRights::None();
  EXPECT_FALSE(ReadKeyRights({}, &rights));
  EXPECT_EQ(rights, config::KeyRights());
  EXPECT_FALSE(ReadKeyRights({config::KeyRight::kReadAccount}, &rights));
  EXPECT_FALSE(rights.complete);
  EXPECT_TRUE(rights.read_account);
  const auto unknown = ReadKeyRights({config::KeyRight::kComplete, std::nullopt}, &rights);
  EXPECT_EQ(unknown->fields.at(0).field, "rights[1]");
  EXPECT_THAT(unknown->message, HasSubstr("complete, read_account"));
  const auto twice =
      ReadKeyRights({config::KeyRight::kComplete, config::KeyRight::kComplete}, &rights);
  EXPECT_EQ(twice->fields.at(0).field, "rights[1]");
}

}  // namespace
}  // namespace pingti::exchange
