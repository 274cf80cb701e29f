// DecodeUtf8, DisplayWidth, VisibleText.
#include <gtest/gtest.h>

#include "client/command/display_width.h"
#include "client/command/utf8.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

TEST(Utf8, AcceptsEveryLength) {
  EXPECT_EQ(DecodeUtf8("a").code, U'a');
  EXPECT_EQ(DecodeUtf8("ä").code, U'ä');
  EXPECT_EQ(DecodeUtf8("平").code, U'平');
  EXPECT_EQ(DecodeUtf8("😀").code, U'😀');
  EXPECT_EQ(DecodeUtf8("平替").bytes, 3u);
  EXPECT_TRUE(IsValidUtf8("平替 ok 😀"));
  EXPECT_TRUE(IsValidUtf8(""));
}

TEST(Utf8, RefusesWhatIsNone) {
  for (const char* bytes : {"\xff", "\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                            "\xf4\x90\x80\x80", "\xe5\xb9", "\xc3(", "\xf0\x9f\x98"}) {
    EXPECT_FALSE(IsValidUtf8(bytes));
    EXPECT_EQ(DecodeUtf8(bytes).bytes, 1u);
  }
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(DisplayWidth(""), 0);
  EXPECT_EQ(DisplayWidth("gpt-4o"), 6);
  EXPECT_EQ(DisplayWidth("平替"), 4);
  EXPECT_EQ(DisplayWidth("，。（）"), 8);
  EXPECT_EQ(DisplayWidth("ＡＢ"), 4);
  EXPECT_EQ(DisplayWidth("ひらがなカタカナ"), 16);
  EXPECT_EQ(DisplayWidth("한국어"), 6);
  EXPECT_EQ(DisplayWidth("😀🚀"), 4);
  EXPECT_EQ(DisplayWidth("äöü"), 3);
  EXPECT_EQ(DisplayWidth("𠀀"), 2);
}

TEST(DisplayWidth, MarksAndJoinersTakeNone) {
  EXPECT_EQ(DisplayWidth("e\u0301"), 1);
  EXPECT_EQ(DisplayWidth("a\u200bb"), 2);
  EXPECT_EQ(DisplayWidth("❤\ufe0f"), 1);
}

TEST(DisplayWidth, InvalidBytesTakeOneEach) { EXPECT_EQ(DisplayWidth("a\xff\xfe"), 3); }

TEST(DisplayWidth, EdgesOfRanges) {
  EXPECT_EQ(DisplayWidth(U'\u10ff'), 1);
  EXPECT_EQ(DisplayWidth(U'\u1100'), 2);
  EXPECT_EQ(DisplayWidth(U'\u115f'), 2);
  EXPECT_EQ(DisplayWidth(U'\u1160'), 0);
  EXPECT_EQ(DisplayWidth(char32_t{0x20000}), 2);
  EXPECT_EQ(DisplayWidth(char32_t{0x3fffd}), 2);
  EXPECT_EQ(DisplayWidth(char32_t{0x3fffe}), 1);
}

TEST(VisibleText, ShowsWhatDrivesATerminal) {
  EXPECT_EQ(VisibleText("\x1b]0;owned\x07", LineBreaks::kKeep), "^[]0;owned^G");
  EXPECT_EQ(VisibleText("a\x7f", LineBreaks::kKeep), "a^?");
  EXPECT_EQ(VisibleText("\u009b31m", LineBreaks::kKeep), "\\u009b31m");
  EXPECT_EQ(VisibleText("a\xff", LineBreaks::kKeep), "a\\xff");
  EXPECT_EQ(VisibleText("rm\u202efr", LineBreaks::kKeep), "rm\\u202efr");
  EXPECT_EQ(VisibleText(std::string("a\0b", 3), LineBreaks::kKeep), "a^@b");
}

TEST(VisibleText, KeepsLayoutAndText) {
  EXPECT_EQ(VisibleText("平替\n\tok 😀", LineBreaks::kKeep), "平替\n\tok 😀");
  EXPECT_EQ(VisibleText("a\r\nb", LineBreaks::kKeep), "a\nb");
  EXPECT_EQ(VisibleText("secret\rshown", LineBreaks::kKeep), "secret^Mshown");
}

TEST(VisibleText, OneLineStaysOneLine) {
  EXPECT_EQ(VisibleText("a\r\n\tb", LineBreaks::kShow), "a^M^J^Ib");
}

}  // namespace
}  // namespace pingti::command
