#include "server/routing/retry_budget.h"

#include "gtest/gtest.h"

namespace pingti::routing {
namespace {

constexpr base::Instant AtSecond(int64_t seconds) {
  return base::Instant::FromNanos(seconds * 1'000'000'000);
}

// How many retries `budget` gives out in a row.
int TakeAll(RetryBudget* budget, base::Instant now) {
  int taken = 0;
  while (budget->TakeRetry(now)) ++taken;
  return taken;
}

TEST(RetryBudgetTest, ThreeAreThereWithoutAnyCall) {
  RetryBudget budget;
  EXPECT_EQ(TakeAll(&budget, AtSecond(100)), 3);
}

TEST(RetryBudgetTest, ATenthOfTheCallsIsAdded) {
  RetryBudget budget;
  for (int i = 0; i < 59; ++i) budget.OnCall(AtSecond(100));
  EXPECT_EQ(TakeAll(&budget, AtSecond(100)), 3 + 5);
  budget.OnCall(AtSecond(100));
  EXPECT_EQ(TakeAll(&budget, AtSecond(100)), 1);
}

TEST(RetryBudgetTest, CallsCountForTenSeconds) {
  RetryBudget budget;
  for (int i = 0; i < 100; ++i) budget.OnCall(AtSecond(100));
  EXPECT_EQ(TakeAll(&budget, AtSecond(109)), 3 + 10);
  // The calls are forgotten, the retries not yet.
  EXPECT_EQ(TakeAll(&budget, AtSecond(110)), 0);
}

TEST(RetryBudgetTest, RetriesCountForTenSeconds) {
  RetryBudget budget;
  EXPECT_EQ(TakeAll(&budget, AtSecond(100)), 3);
  EXPECT_EQ(TakeAll(&budget, AtSecond(109)), 0);
  EXPECT_EQ(TakeAll(&budget, AtSecond(110)), 3);
}

TEST(RetryBudgetTest, ARefusedRetryCostsNothing) {
  RetryBudget budget;
  EXPECT_EQ(TakeAll(&budget, AtSecond(100)), 3);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(budget.TakeRetry(AtSecond(105)));
  EXPECT_EQ(TakeAll(&budget, AtSecond(110)), 3);
}

// A provider that is down for long gets a tenth more than its calls, and three.
TEST(RetryBudgetTest, InALongOutageRetriesStayBelowTheirShare) {
  RetryBudget budget;
  int retries = 0;
  for (int second = 0; second < 100; ++second) {
    for (int call = 0; call < 10; ++call) {
      budget.OnCall(AtSecond(second));
      if (budget.TakeRetry(AtSecond(second))) ++retries;
    }
  }
  EXPECT_GE(retries, 100);
  EXPECT_LE(retries, 100 + 3 * 10);
}

}  // namespace
}  // namespace pingti::routing
