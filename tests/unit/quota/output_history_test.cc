#include "server/quota/output_history.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::quota {
namespace {

TEST(OutputHistoryTest, IsAbsentUntilTwentyWereObserved) {
  OutputHistory history;
  for (int i = 0; i < 19; ++i) {
    history.Observe(100);
    ASSERT_FALSE(history.likely().has_value()) << i;
  }
  history.Observe(100);
  EXPECT_TRUE(history.likely().has_value());
}

TEST(OutputHistoryTest, IsAtMostAQuarterTooHigh) {
  for (int64_t tokens = 0; tokens <= OutputHistory::kTokensMax;
       tokens = tokens < 5'000 ? tokens + 1 : tokens + tokens / 97) {
    OutputHistory history;
    for (int i = 0; i < 20; ++i) history.Observe(tokens);
    ASSERT_GE(history.likely(), tokens);
    ASSERT_LE(*history.likely() * 4, tokens * 5) << tokens;
  }
}

TEST(OutputHistoryTest, SmallAnswersAreExact) {
  for (int64_t tokens = 0; tokens < 8; ++tokens) {
    OutputHistory history;
    for (int i = 0; i < 20; ++i) history.Observe(tokens);
    EXPECT_EQ(history.likely(), tokens);
  }
}

TEST(OutputHistoryTest, IsWhatNineteenOfTwentyDoNotPass) {
  // 95 short answers and 5 long ones, in any order.
  OutputHistory history;
  for (int i = 0; i < 100; ++i) history.Observe(i % 20 == 7 ? 3'000 : 100);
  EXPECT_EQ(history.likely(), 111);  // 96 to 111 are one bucket
  // One more long one in 100 is more than a twentieth.
  for (int i = 0; i < 100; ++i) history.Observe(i % 20 == 7 || i == 0 ? 3'000 : 100);
  EXPECT_EQ(history.likely(), 3'071);  // 2,560 to 3,071
}

TEST(OutputHistoryTest, FollowsTheTraffic) {
  OutputHistory history;
  for (int i = 0; i < 10'000; ++i) history.Observe(3'000);
  EXPECT_EQ(history.likely(), 3'071);
  int calls = 0;
  for (; history.likely() != 111; ++calls) {
    ASSERT_LT(calls, 10'000);
    history.Observe(100);
  }
  // 19 of 20 are new after three to five halvings, 512 calls each.
  EXPECT_GE(calls, 1'000);
  EXPECT_LE(calls, 3'000);
  // The other way it is fast: a twentieth is enough.
  for (calls = 0; history.likely() != 3'071; ++calls) {
    ASSERT_LT(calls, 10'000);
    history.Observe(3'000);
  }
  EXPECT_LE(calls, 60);
}

TEST(OutputHistoryTest, ForgetsWhatWasSeldom) {
  // One odd answer in each of 44 buckets. If they outlived the halving, they would be more than a
  // twentieth of what is left then.
  OutputHistory history;
  for (int64_t tokens = 128; tokens < (1 << 21); tokens += tokens / 4) history.Observe(tokens);
  for (int i = 0; i < 1'200; ++i) history.Observe(10);
  EXPECT_EQ(history.likely(), 11);  // 10 and 11 are one bucket
}

TEST(OutputHistoryTest, TakesAnyNumber) {
  OutputHistory history;
  for (int i = 0; i < 20; ++i) history.Observe(-5);
  EXPECT_EQ(history.likely(), 0);
  for (int i = 0; i < 20; ++i) history.Observe(INT64_MAX);
  EXPECT_EQ(history.likely(), OutputHistory::kTokensMax);
}

TEST(OutputHistoryTest, ManyMayObserveAtOnce) {
  OutputHistory history;
  std::vector<std::thread> workers;
  workers.reserve(4);
  for (int t = 0; t < 4; ++t) {
    workers.emplace_back([&history] {
      for (int i = 0; i < 20'000; ++i) {
        history.Observe(i % 50 == 0 ? 3'000 : 100);
        if (const auto likely = history.likely()) {
          ASSERT_TRUE(*likely == 111 || *likely == 3'071) << *likely;
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(history.likely(), 111);
}

}  // namespace
}  // namespace pingti::quota
