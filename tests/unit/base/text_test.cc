#include "server/base/text.h"

#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::base {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Encodes as UTF-8 does, also what UTF-8 forbids.
std::string Encoded(uint32_t point) {
  auto tail = [&](int shift) { return static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xC0 | (point >> 6)), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | (point >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (point >> 18)), tail(12), tail(6), tail(0)};
}

TEST(IsValidUtf8Test, TakesEveryCodePointAndNoSurrogate) {
  for (uint32_t point = 0; point <= 0x120000; ++point) {
    const bool valid = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
    ASSERT_EQ(IsValidUtf8(Encoded(point)), valid) << "code point " << point;
  }
}

TEST(IsValidUtf8Test, RefusesOverlongAndStrayBytes) {
  for (std::string_view bad : {"\x80", "\xBF", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF",
                               "\xF0\x8F\xBF\xBF", "\xF5\x80\x80\x80", "\xFE", "\xFF", "\xC3",
                               "\xE4\xBD", "\xF0\x9F\x98", "\xC3(", "\xE4\xBD(", "\xF0\x9F\x98("}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << testing::PrintToString(bad);
  }
}

TEST(IsValidUtf8Test, FindsTheBadByteAtEveryOffset) {
  for (size_t size = 1; size <= 40; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      ASSERT_TRUE(IsValidUtf8(text));
      text[at] = '\xFF';
      ASSERT_FALSE(IsValidUtf8(text)) << size << " bytes, bad at " << at;
    }
  }
}

TEST(IsValidUtf8Test, TakesWideCharactersAcrossWords) {
  for (size_t before = 0; before < 16; ++before) {
    const std::string text = std::string(before, 'a') + "平替😀" + "abcdefgh";
    EXPECT_TRUE(IsValidUtf8(text));
    EXPECT_FALSE(IsValidUtf8(text.substr(0, before + 8)));  // ends inside the emoji
  }
  EXPECT_TRUE(IsValidUtf8(""));
}

TEST(EditDistanceTest, CountsInsertionsRemovalsAndReplacements) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("flaw", "lawn"), 2u);
  EXPECT_EQ(EditDistance("same", "same"), 0u);
}

TEST(NearestNamesTest, GivesTheNearestFirst) {
  const std::vector<std::string> names = {"gpt-4", "gpt-4o", "gpt-4-turbo", "yi-large"};
  EXPECT_THAT(NearestNames("gpt4o", names, 2), ElementsAre("gpt-4o", "gpt-4"));
  EXPECT_THAT(NearestNames("gpt4o", names, 1), ElementsAre("gpt-4o"));
  EXPECT_THAT(NearestNames("GPT-4O", names, 1), ElementsAre("gpt-4o"));
}

TEST(NearestNamesTest, FindsWhatItBegins) {
  const std::vector<std::string_view> names = {"yi-large-turbo", "moonshot-v1-8k", "yi-vision"};
  EXPECT_THAT(NearestNames("moonshot", names, 3), ElementsAre("moonshot-v1-8k"));
}

TEST(NearestNamesTest, SaysNothingWhereNothingIsNear) {
  const std::vector<std::string> names = {"yi-large", "ab", std::string(300, 'x')};
  EXPECT_THAT(NearestNames("claude-3-opus", names, 3), IsEmpty());
  EXPECT_THAT(NearestNames("xy", names, 3), IsEmpty());
  EXPECT_THAT(NearestNames("", names, 3), IsEmpty());
  EXPECT_THAT(NearestNames(std::string(100'000, 'x'), names, 3), IsEmpty());
  EXPECT_THAT(NearestNames("yi-large", names, 0), IsEmpty());
}

}  // namespace
}  // namespace pingti::base
