#include "server/base/strings.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace pingti::base {
namespace {

TEST(StringsTest, TakesEveryKindOfText) {
  const std::string_view view = "view";
  const std::string text = "text";
  EXPECT_EQ(StrCat(view, "-", text, "-", 42, "-", int64_t{-7}, "-", 0.5), "view-text-42--7-0.5");
}

TEST(StringsTest, AppendsToWhatIsThere) {
  std::string out = "a";
  StrAppend(&out, std::string_view("b"), 'c' - 'a', std::string_view());
  EXPECT_EQ(out, "ab2");
}

TEST(StringsTest, KeepsNulBytes) {
  EXPECT_EQ(StrCat(std::string_view("a\0b", 3)).size(), 3u);
  EXPECT_EQ(AbslView(std::string_view("a\0b", 3)).size(), 3u);
}

}  // namespace
}  // namespace pingti::base
