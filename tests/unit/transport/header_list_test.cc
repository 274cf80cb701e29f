#include "server/transport/header_list.h"

#include <curl/curl.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::transport {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Lines(const HeaderList& list) {
  std::vector<std::string> lines;
  for (auto* item = static_cast<const curl_slist*>(list.list()); item; item = item->next) {
    lines.emplace_back(item->data);
  }
  return lines;
}

TEST(HeaderListTest, WritesEachHeaderAndTurnsExpectOff) {
  const auto made = HeaderList::Make({{"Authorization", "Bearer key"}, {"X-Empty", ""}});
  ASSERT_TRUE(made.ok());
  EXPECT_THAT(Lines(**made), ElementsAre("Authorization: Bearer key", "X-Empty;", "Expect:"));
}

TEST(HeaderListTest, RefusesWhatWouldStartAnotherHeader) {
  const std::vector<std::pair<std::string, std::string>> bad[] = {
      {{"Authorization", "Bearer sk-1\r\nX-Evil: 1"}},
      {{"Authorization", "Bearer sk-1\n"}},
      {{"Authorization", "Bearer sk-1\r"}},
      {{"Authorization", std::string("Bearer sk-1\0", 12)}},
  };
  for (const auto& headers : bad) {
    const auto made = HeaderList::Make(headers);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(made.status().message()), HasSubstr("Authorization"));
    EXPECT_THAT(std::string(made.status().message()), Not(HasSubstr("sk-1")));
  }
}

TEST(HeaderListTest, RefusesABadName) {
  EXPECT_FALSE(HeaderList::Make({{"", "v"}}).ok());
  const auto made = HeaderList::Make({{"X\r\nY", "v"}});
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(std::string(made.status().message()), Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace pingti::transport
