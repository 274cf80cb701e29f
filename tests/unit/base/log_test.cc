#include "server/base/log.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::base {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

std::string Line(LogLevel level, std::string_view message,
                 std::initializer_list<LogField> fields = {}) {
  ::testing::internal::CaptureStderr();
  Log(level, message, fields);
  return ::testing::internal::GetCapturedStderr();
}

TEST(LogTest, IsOneLineOfJsonWithTimeAndLevel) {
  const std::string line = Line(LogLevel::kWarning, "slow", {{"provider", "yi"}});
  EXPECT_THAT(line, MatchesRegex("\\{\"time\":\"[-0-9T:.]+Z\",\"level\":\"warning\",.*\\}\n"));
  EXPECT_THAT(line, HasSubstr(R"("message":"slow","provider":"yi"})"));
}

TEST(LogTest, EscapesWhatWouldBreakTheLine) {
  const std::string line = Line(LogLevel::kError, "a\nb\"c\\d", {{"x", std::string_view("\0", 1)}});
  EXPECT_THAT(line, StartsWith("{"));
  EXPECT_THAT(line, EndsWith("}\n"));
  EXPECT_THAT(line.substr(0, line.size() - 1), Not(HasSubstr("\n")));
  EXPECT_THAT(line, HasSubstr(R"("message":"a\u000ab\"c\\d","x":"\u0000")"));
}

}  // namespace
}  // namespace pingti::base
