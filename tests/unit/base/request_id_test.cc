#include "server/base/request_id.h"

#include <algorithm>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/fakes/fake_random.h"

namespace pingti::base {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

TEST(RequestIdTest, HasTheLayoutOfUlid) {
  // The example of the ULID specification: 01ARYZ6S41 is 1469918176385 ms.
  fakes::FakeRandom random({0, UINT64_MAX});
  EXPECT_EQ(NewRequestId(absl::FromUnixMillis(1469918176385), random),
            "01ARYZ6S41"
            "00000000"
            "ZZZZZZZZ");
}

TEST(RequestIdTest, SortsByTime) {
  fakes::FakeRandom random({UINT64_MAX, UINT64_MAX, 0, 0});
  const absl::Time time = absl::FromUnixMillis(1'800'000'000'000);
  const std::string earlier = NewRequestId(time, random);
  const std::string later = NewRequestId(time + absl::Milliseconds(1), random);
  EXPECT_LT(earlier, later);
}

TEST(RequestIdTest, IsUniqueWithinAMillisecond) {
  const auto random = NewSeededRandom();
  const absl::Time time = absl::FromUnixMillis(1'800'000'000'000);
  std::set<std::string> ids;
  for (int i = 0; i < 10'000; ++i) ids.insert(NewRequestId(time, *random));
  EXPECT_EQ(ids.size(), 10'000u);
}

TEST(RequestIdTest, UsesCrockfordsAlphabetOnly) {
  const auto random = NewSeededRandom();
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = NewRequestId(absl::FromUnixMillis(int64_t{i} * 1'000'003'007), *random);
    ASSERT_EQ(id.size(), 26u);
    ASSERT_TRUE(std::all_of(id.begin(), id.end(), [](char c) {
      return kAlphabet.find(c) != kAlphabet.npos;
    })) << id;
  }
}

}  // namespace
}  // namespace pingti::base
