// `rights:` of an API key.
#include "server/config/key_terms.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"
#include "tests/unit/config/load_text.h"

namespace pingti::config {
namespace {

using testing::HasSubstr;

KeyRecord KeyOf(const std::string& fields) {
  const auto loaded = LoadKey(fields);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? loaded->config.tenants[0].keys[0] : KeyRecord();
}

std::string ErrorOf(const std::string& fields) {
  return std::string(LoadKey(fields).status().message());
}

TEST(KeyTermsTest, AKeyHasAllRightsOrThoseOfItsList) {
  EXPECT_EQ(KeyOf("").rights, KeyRights());
  EXPECT_EQ(KeyOf("rights: [complete, read_account]").rights, KeyRights());
  EXPECT_EQ(KeyOf("rights: [complete]").rights,
            (KeyRights{.complete = true, .read_account = false}));
  EXPECT_EQ(KeyOf("rights: [read_account]").rights,
            (KeyRights{.complete = false, .read_account = true}));
}

TEST(KeyTermsTest, WhatIsWrongWithRightsIsNamed) {
  EXPECT_THAT(ErrorOf("rights: []"), HasSubstr("tenants[0].keys[0].rights: is empty"));
  EXPECT_THAT(ErrorOf("rights: [pay]"),
              HasSubstr("tenants[0].keys[0].rights[0]: \"pay\" is no right; write complete or "
                        "read_account"));
  EXPECT_THAT(ErrorOf("rights: [complete, complete]"), HasSubstr("rights[1]"));
}

TEST(KeyTermsTest, ABudgetIsOfADayOrAMonth) {
  EXPECT_EQ(KeyOf("").budget, std::nullopt);
  EXPECT_EQ(KeyOf("budget: {amount: 0.5, per: day}").budget,
            (KeyBudget{500'000'000, BudgetPeriod::kDay}));
  EXPECT_EQ(KeyOf("budget: {amount: 1000000000, per: month}").budget,
            (KeyBudget{kKeyBudgetMax, BudgetPeriod::kMonth}));
}

TEST(KeyTermsTest, WhatIsWrongWithABudgetIsNamed) {
  const std::string path = "tenants[0].keys[0].budget.";
  EXPECT_THAT(ErrorOf("budget: {per: day}"), HasSubstr("budget"));
  EXPECT_THAT(ErrorOf("budget: {amount: 0, per: day}"), HasSubstr(path + "amount: is 0"));
  EXPECT_THAT(ErrorOf("budget: {amount: -1, per: day}"), HasSubstr(path + "amount"));
  EXPECT_THAT(ErrorOf("budget: {amount: 1000000001, per: day}"), HasSubstr(path + "amount"));
  EXPECT_THAT(ErrorOf("budget: {amount: 1}"), HasSubstr("per"));
  EXPECT_THAT(ErrorOf("budget: {amount: 1, per: week}"),
              HasSubstr(path + "per: \"week\" is no period of a budget; write day or month"));
}

TEST(KeyTermsTest, RightsHaveNames) {
  EXPECT_EQ(FormatKeyRights({}), "complete read_account");
  EXPECT_EQ(FormatKeyRights({.complete = false, .read_account = true}), "read_account");
  EXPECT_EQ(FormatKeyRights(KeyRights::None()), "");
  EXPECT_EQ(FindKeyRight("complete"), KeyRight::kComplete);
  EXPECT_EQ(FindKeyRight("read_account"), KeyRight::kReadAccount);
  EXPECT_EQ(FindKeyRight("Complete"), std::nullopt);
}

}  // namespace
}  // namespace pingti::config
