#include "server/billing/key_budget.h"

#include <gtest/gtest.h>

#include "absl/time/civil_time.h"

namespace pingti::billing {
namespace {

using config::BudgetPeriod;

absl::Time At(absl::CivilSecond second) { return absl::FromCivil(second, absl::UTCTimeZone()); }

TEST(KeyBudgetTest, APeriodIsADayOrAMonthInUtc) {
  const absl::Time last =
      At(absl::CivilSecond(2024, 2, 29, 23, 59, 59)) + absl::Nanoseconds(999'999'999);
  EXPECT_EQ(PeriodOf(BudgetPeriod::kDay, last), "2024-02-29");
  EXPECT_EQ(PeriodOf(BudgetPeriod::kMonth, last), "2024-02");
  EXPECT_EQ(PeriodEnd(BudgetPeriod::kDay, last), At(absl::CivilSecond(2024, 3, 1)));
  EXPECT_EQ(PeriodEnd(BudgetPeriod::kMonth, last), At(absl::CivilSecond(2024, 3, 1)));
  const absl::Time first = last + absl::Nanoseconds(1);
  EXPECT_EQ(PeriodOf(BudgetPeriod::kDay, first), "2024-03-01");
  EXPECT_EQ(PeriodOf(BudgetPeriod::kMonth, first), "2024-03");
  EXPECT_EQ(PeriodEnd(BudgetPeriod::kDay, first), At(absl::CivilSecond(2024, 3, 2)));
  EXPECT_EQ(PeriodEnd(BudgetPeriod::kMonth, first), At(absl::CivilSecond(2024, 4, 1)));
  EXPECT_EQ(PeriodEnd(BudgetPeriod::kMonth, At(absl::CivilSecond(2024, 12, 31))),
            At(absl::CivilSecond(2025, 1, 1)));
}

}  // namespace
}  // namespace pingti::billing
