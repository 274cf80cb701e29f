#include "server/telemetry/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace pingti::telemetry {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

TEST(Utf8, KeepsWhatIsValid) {
  for (const std::string& text :
       {std::string(), std::string("plain"), std::string("平替"), std::string("\U0001F600"),
        std::string("\xC2\x80\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"), std::string("a\0b", 3)}) {
    EXPECT_EQ(CleanUtf8(text, 100), text);
  }
}

TEST(Utf8, ReplacesEachByteThatIsNotPartOfACharacter) {
  EXPECT_EQ(CleanUtf8("a\xFFz", 100), "a" + kBad + "z");
  EXPECT_EQ(CleanUtf8("\xC0\x80", 100), kBad + kBad);             // overlong
  EXPECT_EQ(CleanUtf8("\xE0\x80\x80", 100), kBad + kBad + kBad);  // overlong
  EXPECT_EQ(CleanUtf8("\xED\xA0\x80", 100), kBad + kBad + kBad);  // a surrogate
  EXPECT_EQ(CleanUtf8("\xF4\x90\x80\x80", 4096).size(), 4 * 3u);  // past the last code point
  EXPECT_EQ(CleanUtf8("\xE5\xB9", 100), kBad + kBad);             // cut off
  EXPECT_EQ(CleanUtf8("\xE5\xB9x", 100), kBad + kBad + "x");
}

TEST(Utf8, CutsAtACharacter) {
  EXPECT_EQ(CleanUtf8("平替", 6), "平替");
  EXPECT_EQ(CleanUtf8("平替", 5), "平");
  EXPECT_EQ(CleanUtf8("平替", 2), "");
  EXPECT_EQ(CleanUtf8("\xFF", 2), "");
}

}  // namespace
}  // namespace pingti::telemetry
