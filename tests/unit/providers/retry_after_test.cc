#include "server/providers/retry_after.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace pingti::providers {
namespace {

// Sun, 06 Nov 1994 08:49:37 GMT.
const absl::Time kNow = absl::FromUnixSeconds(784111777);

std::optional<absl::Duration> Header(std::string_view value) {
  return ParseRetryAfter(value, "", kNow);
}

TEST(ParseRetryAfterTest, TakesSeconds) {
  EXPECT_EQ(Header("0"), absl::ZeroDuration());
  EXPECT_EQ(Header("12"), absl::Seconds(12));
  EXPECT_EQ(Header(" 1.5 "), absl::Milliseconds(1500));
}

TEST(ParseRetryAfterTest, TakesTheThreeFormsOfDates) {
  EXPECT_EQ(Header("Sun, 06 Nov 1994 08:50:37 GMT"), absl::Minutes(1));
  EXPECT_EQ(Header("Sunday, 06-Nov-94 08:50:37 GMT"), absl::Minutes(1));
  EXPECT_EQ(Header("Sun Nov  6 08:50:37 1994"), absl::Minutes(1));
  EXPECT_EQ(Header("Wed Nov 16 08:49:37 1994"), kRetryAfterMax);
}

TEST(ParseRetryAfterTest, TakesAPastDateForNow) {
  EXPECT_EQ(Header("Sun, 06 Nov 1994 08:48:37 GMT"), absl::ZeroDuration());
}

TEST(ParseRetryAfterTest, CutsWhatIsTooFarAway) {
  EXPECT_EQ(Header("54749"), absl::Seconds(54749));
  EXPECT_EQ(Header("274579"), kRetryAfterMax);
  EXPECT_EQ(Header("99999999999999999999999999"), kRetryAfterMax);
  EXPECT_EQ(Header("Sun, 06 Nov 2094 08:49:37 GMT"), kRetryAfterMax);
}

TEST(ParseRetryAfterTest, IgnoresGarbage) {
  for (const char* value :
       {"", " ", "-1", "soon", "1e3", "nan", "inf", "infinite-future", "Infinite-future", ".5",
        "1.2.3", "12 s", "0x10", "Sun, 99 Nov 1994 08:50:37 GMT"}) {
    EXPECT_EQ(Header(value), std::nullopt) << value;
  }
}

TEST(ParseRetryAfterTest, PrefersMilliseconds) {
  EXPECT_EQ(ParseRetryAfter("3", "2500", kNow), absl::Milliseconds(2500));
  EXPECT_EQ(ParseRetryAfter("3", "0.5", kNow), absl::Microseconds(500));
  EXPECT_EQ(ParseRetryAfter("3", "x", kNow), absl::Seconds(3));
  EXPECT_EQ(ParseRetryAfter("", "100", kNow), absl::Milliseconds(100));
}

TEST(RetryAfterInTextTest, ReadsWhatMessagesSay) {
  EXPECT_EQ(RetryAfterInText("Limit 30000. Please try again in 18.642s. Visit x"),
            absl::Milliseconds(18642));
  EXPECT_EQ(RetryAfterInText("Please try again in 7m12s. Visit"), absl::Seconds(432));
  EXPECT_EQ(RetryAfterInText("please try again in 644ms."), absl::Milliseconds(644));
  EXPECT_EQ(RetryAfterInText("Try again in 1h0m3.5s"), absl::Milliseconds(3603500));
  EXPECT_EQ(RetryAfterInText("max RPM: 3, please try again after 1 seconds"), absl::Seconds(1));
  EXPECT_EQ(RetryAfterInText("try again in 2 minutes."), absl::Minutes(2));
  EXPECT_EQ(RetryAfterInText("try again in 9 days"), kRetryAfterMax);
}

TEST(RetryAfterInTextTest, IgnoresWhatSaysNoTime) {
  for (const char* text : {"", "try again", "try again in", "try again in a while",
                           "try again in 5", "try again in 5 bananas", "try again later"}) {
    EXPECT_EQ(RetryAfterInText(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pingti::providers
