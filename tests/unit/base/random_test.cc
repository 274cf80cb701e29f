#include "server/base/random.h"

#include <bitset>
#include <set>

#include "gtest/gtest.h"

namespace pingti::base {
namespace {

TEST(SeededRandomTest, TwoOfThemDiffer) {
  const auto a = NewSeededRandom();
  const auto b = NewSeededRandom();
  std::set<uint64_t> seen;
  for (int i = 0; i < 1'000; ++i) {
    seen.insert(a->Next());
    seen.insert(b->Next());
  }
  EXPECT_EQ(seen.size(), 2'000u);
}

TEST(SeededRandomTest, UsesAllBits) {
  const auto random = NewSeededRandom();
  uint64_t ones = 0;
  uint64_t zeros = 0;
  for (int i = 0; i < 200; ++i) {
    const uint64_t bits = random->Next();
    ones |= bits;
    zeros |= ~bits;
  }
  EXPECT_EQ(ones, UINT64_MAX);
  EXPECT_EQ(zeros, UINT64_MAX);
}

}  // namespace
}  // namespace pingti::base
