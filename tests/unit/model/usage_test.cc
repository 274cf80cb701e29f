#include "server/model/usage.h"

#include "gtest/gtest.h"

namespace pingti::model {
namespace {

TEST(UsageTest, TotalCountsPartsOnce) {
  Usage usage;
  EXPECT_EQ(usage.total(), 0);
  usage.input_tokens = 100;
  usage.cached_input_tokens = 90;
  usage.output_tokens = 20;
  usage.reasoning_tokens = 15;
  EXPECT_EQ(usage.total(), 120);
}

TEST(UsageTest, ComparesAllOfIt) {
  Usage a;
  Usage b;
  EXPECT_EQ(a, b);
  b.lower_bound = true;
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace pingti::model
