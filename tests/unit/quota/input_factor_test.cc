#include "server/quota/input_factor.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::quota {
namespace {

TEST(InputFactorTest, IsOneBeforeItHasLearned) { EXPECT_EQ(InputFactor().factor(), 1.0); }

TEST(InputFactorTest, MovesByAShareOfTheDifference) {
  InputFactor factor;
  factor.Learn(1'000, 1'320);
  EXPECT_DOUBLE_EQ(factor.factor(), 1.0 + 0.32 / 32);
  factor.Learn(1'000, 1'010);
  EXPECT_DOUBLE_EQ(factor.factor(), 1.01);
}

TEST(InputFactorTest, ComesToWhatIsMeasured) {
  InputFactor factor;
  for (int i = 0; i < 300; ++i) factor.Learn(1'000, 740);
  EXPECT_NEAR(factor.factor(), 0.74, 0.001);
  for (int i = 0; i < 300; ++i) factor.Learn(1'000, 1'600);
  EXPECT_NEAR(factor.factor(), 1.6, 0.001);
}

TEST(InputFactorTest, SmallPromptsTeachLittle) {
  InputFactor small;
  small.Learn(8, 16);
  EXPECT_DOUBLE_EQ(small.factor(), 1.0 + 1.0 / 32 * 8 / 256);
  InputFactor large;
  large.Learn(256, 512);
  EXPECT_DOUBLE_EQ(large.factor(), 1.0 + 1.0 / 32);
}

TEST(InputFactorTest, StaysWithinItsBounds) {
  InputFactor factor;
  for (int i = 0; i < 10'000; ++i) factor.Learn(1'000, INT64_MAX);
  EXPECT_LE(factor.factor(), 4.0);
  EXPECT_GT(factor.factor(), 3.99);
  for (int i = 0; i < 10'000; ++i) factor.Learn(1'000'000, 1);
  EXPECT_GE(factor.factor(), 0.25);
  EXPECT_LT(factor.factor(), 0.26);
}

TEST(InputFactorTest, LearnsNothingFromNothing) {
  InputFactor factor;
  factor.Learn(0, 5);
  factor.Learn(5, 0);
  factor.Learn(-5, 5);
  factor.Learn(5, -5);
  EXPECT_EQ(factor.factor(), 1.0);
}

TEST(InputFactorTest, ManyMayLearnAtOnce) {
  InputFactor factor;
  std::vector<std::thread> workers;
  workers.reserve(4);
  for (int t = 0; t < 4; ++t) {
    workers.emplace_back([&factor] {
      for (int i = 0; i < 2'000; ++i) factor.Learn(1'000, 1'250);
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_NEAR(factor.factor(), 1.25, 0.001);
}

}  // namespace
}  // namespace pingti::quota
