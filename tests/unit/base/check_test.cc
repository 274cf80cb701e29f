#include "server/base/check.h"

#include "gtest/gtest.h"

namespace pingti::base {
namespace {

TEST(CheckTest, DoesNothingWhereTheConditionHolds) {
  int evaluated = 0;
  PINGTI_CHECK(++evaluated == 1, "counts up");
  EXPECT_EQ(evaluated, 1);
}

TEST(CheckDeathTest, NamesThePlaceTheConditionAndTheReason) {
  EXPECT_DEATH(PINGTI_CHECK(1 + 1 == 3, "arithmetic holds"),
               "check_test\\.cc:[0-9]+: CHECK failed: 1 \\+ 1 == 3: arithmetic holds");
}

}  // namespace
}  // namespace pingti::base
