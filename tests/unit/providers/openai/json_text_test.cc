#include "server/providers/openai/json_text.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/text.h"

namespace pingti::providers::openai {
namespace {

constexpr char kReplaced[] = "\xEF\xBF\xBD";
constexpr char kGrin[] = "\xF0\x9F\x98\x80";

std::string Whole(std::string_view escaped) {
  std::string text;
  EXPECT_TRUE(AppendUnescaped(escaped, nullptr, &text)) << escaped;
  EXPECT_TRUE(base::IsValidUtf8(text)) << escaped;
  return text;
}

// What each piece adds, and what the end adds.
std::vector<std::string> Pieces(const std::vector<std::string_view>& pieces) {
  SurrogateHalf half;
  std::vector<std::string> texts;
  for (std::string_view piece : pieces) {
    EXPECT_TRUE(AppendUnescaped(piece, &half, &texts.emplace_back()));
  }
  half.Flush(&texts.emplace_back());
  return texts;
}

TEST(AppendUnescapedTest, TakesEveryEscape) {
  EXPECT_EQ(Whole(""), "");
  EXPECT_EQ(Whole(R"(a\"b\\c\/d\b\f\n\r\te)"), "a\"b\\c/d\b\f\n\r\te");
  EXPECT_EQ(Whole(R"(\u0041\u00e9\u4F60\uFFFF)"), "A\xC3\xA9\xE4\xBD\xA0\xEF\xBF\xBF");
  EXPECT_EQ(Whole(R"(\uD83D\uDE00)"), kGrin);
  EXPECT_EQ(Whole(R"(x\u0000y)"), std::string("x\0y", 3));
}

TEST(AppendUnescapedTest, ReplacesLoneHalves) {
  EXPECT_EQ(Whole(R"(\uD83D)"), kReplaced);
  EXPECT_EQ(Whole(R"(\uDE00)"), kReplaced);
  EXPECT_EQ(Whole(R"(\uD83Dx\uDE00)"), std::string(kReplaced) + "x" + kReplaced);
  EXPECT_EQ(Whole(R"(\uD83D\uD83D\uDE00)"), std::string(kReplaced) + kGrin);
  EXPECT_EQ(Whole(R"(\uDE00\uD83D)"), std::string(kReplaced) + kReplaced);
  EXPECT_EQ(Whole(R"(\uD83D\n)"), std::string(kReplaced) + "\n");
}

TEST(AppendUnescapedTest, JoinsHalvesAcrossPieces) {
  EXPECT_EQ(Pieces({R"(a\uD83D)", R"(\uDE00b)"}),
            (std::vector<std::string>{"a", std::string(kGrin) + "b", ""}));
  EXPECT_EQ(Pieces({R"(\uD83D)", "", R"(\uDE00)"}), (std::vector<std::string>{"", "", kGrin, ""}));
}

TEST(AppendUnescapedTest, GivesUpOnAHalfThatIsNotFollowedByItsOther) {
  EXPECT_EQ(Pieces({R"(\uD83D)", "b"}),
            (std::vector<std::string>{"", std::string(kReplaced) + "b", ""}));
  EXPECT_EQ(Pieces({R"(\uD83D)", R"(\uD83D)", R"(\uDE00)"}),
            (std::vector<std::string>{"", kReplaced, kGrin, ""}));
  EXPECT_EQ(Pieces({R"(a\uD83D)"}), (std::vector<std::string>{"a", kReplaced}));
}

TEST(AppendUnescapedTest, RefusesWhatIsNoEscape) {
  for (std::string_view escaped : {R"(\x41)", R"(\)", R"(\u12)", R"(\u12G4)", R"(a\')"}) {
    std::string text;
    EXPECT_FALSE(AppendUnescaped(escaped, nullptr, &text)) << escaped;
  }
}

TEST(UnescapedTest, CutsBetweenCharacters) {
  EXPECT_EQ(Unescaped("abcdef", 4), "abcd");
  EXPECT_EQ(Unescaped("\xE4\xBD\xA0\xE4\xBD\xA0", 4), "\xE4\xBD\xA0");
  EXPECT_EQ(Unescaped(R"(\u4F60\u4F60)", 5), "\xE4\xBD\xA0");
  for (size_t limit = 1; limit < 12; ++limit) {
    std::string text = Unescaped("\xF0\x9F\x98\x80\\n\xF0\x9F\x98\x80\xF0\x9F\x98\x80", limit);
    EXPECT_LE(text.size(), limit);
    EXPECT_TRUE(base::IsValidUtf8(text));
  }
}

}  // namespace
}  // namespace pingti::providers::openai
