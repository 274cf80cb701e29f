#include "server/providers/upstream_text.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/text.h"

namespace pingti::providers {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(UpstreamTextTest, CleansControlCharacters) {
  EXPECT_EQ(UpstreamText("a\r\n\t b\x7F\x01"
                         "c"),
            "a b c");
  EXPECT_EQ(UpstreamText(std::string_view("a\0b", 3)), "a b");
}

TEST(UpstreamTextTest, IsValidUtf8AndBounded) {
  EXPECT_EQ(UpstreamText("\xFF\xE4\xBD\xA0\xE4\xBD"), "?\xE4\xBD\xA0??");
  std::string chinese;
  for (int i = 0; i < 400; ++i) chinese += "\xE4\xBD\xA0";
  std::string text = UpstreamText(chinese);
  EXPECT_EQ(text.size(), 255u);
  EXPECT_TRUE(base::IsValidUtf8(text));
  EXPECT_EQ(UpstreamText(std::string(5000, 'x')).size(), kUpstreamTextBytesMax);
}

TEST(UpstreamTextTest, HidesWhatLooksLikeAKey) {
  EXPECT_EQ(UpstreamText("Incorrect API key provided: sk-abc***xyz. See"),
            "Incorrect API key provided: [redacted] See");
  EXPECT_EQ(UpstreamText("key 0123456789abcdef0123456789abcdef!"), "key [redacted]!");
  EXPECT_EQ(UpstreamText("unsupported_country_region_territory"),
            "unsupported_country_region_territory");
}

TEST(UpstreamTextTest, HidesAKeyThatTheCutWouldSplit) {
  std::string text(kUpstreamTextBytesMax - 10, '.');
  text += " 0123456789abcdef0123456789abcdef";
  EXPECT_THAT(UpstreamText(text), Not(HasSubstr("0123")));
}

}  // namespace
}  // namespace pingti::providers
