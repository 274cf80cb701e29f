// What a provider says of our limits there: how long the next call is held back here.
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder

constexpr absl::Duration kMicrosecond = absl::Microseconds(1);
constexpr char kThrottled[] = R"({"error":{"message":"slow down","code":"rate_limit_exceeded"}})";

class ProviderLimitsStepTest : public CallFixture {
 protected:
  ProviderLimitsStepTest() {
    config::Tier& bought = config_.tiers.emplace_back();
    bought.name = "Tier3";
    bought.other_classes.requests_per_minute = 5'000;
    bought.other_classes.tokens_per_minute = 800'000;
    config_.providers[0].tier = "Tier3";
  }
  config::ClassLimits& bought() { return config_.tiers[1].other_classes; }
  // A call that the provider answers like this.
  void Answered(int status, std::map<std::string, std::string> headers, std::string_view body) {
    const size_t before = transport_.exchanges().size();
    StartUnary();
    ASSERT_EQ(transport_.exchanges().size(), before + 1) << "it was not sent";
    headers["content-type"] = "application/json";
    exchange().Answer(status, headers, body);
  }
  void Throttled(std::map<std::string, std::string> headers) {
    Answered(429, std::move(headers), kThrottled);
  }
  // How long the next call would have to wait; zero: it is sent, and goes on.
  absl::Duration WaitOfNext() {
    const size_t before = transport_.exchanges().size();
    Running& next = StartUnary();
    if (transport_.exchanges().size() > before) return absl::ZeroDuration();
    EXPECT_EQ(ReasonOf(next), "PROVIDER_RATE_LIMITED");
    EXPECT_EQ(Metadata(next, "provider"), "yi");
    return next.sink.error() ? next.sink.error()->retry_delay.value_or(absl::InfiniteDuration())
                             : absl::InfiniteDuration();
  }
  int64_t Left(quota::Dimension dimension) {
    return worker()
        .runtime()
        .quotas()
        .FindProvider("yi", "", "yi-large")
        ->Read(dimension, clock_.MonotonicNow())
        ->remaining;
  }
};

TEST_F(ProviderLimitsStepTest, NoCallGoesOutBeforeTheTimeThatTheProviderNames) {
  Throttled({{"retry-after", "20"}});
  EXPECT_EQ(WaitOfNext(), absl::Seconds(20));
  After(absl::Seconds(20) - kMicrosecond);
  EXPECT_EQ(WaitOfNext(), kMicrosecond);
  After(kMicrosecond);
  EXPECT_EQ(WaitOfNext(), absl::ZeroDuration());
  EXPECT_EQ(WaitOfNext(), absl::Milliseconds(12)) << "then as fast as our limit allows";
}

TEST_F(ProviderLimitsStepTest, MillisecondsAreHeldToo) {
  Throttled({{"retry-after-ms", "1500"}, {"retry-after", "2"}});
  EXPECT_EQ(WaitOfNext(), absl::Milliseconds(1'500));
}

TEST_F(ProviderLimitsStepTest, WhereRequestsAreNotLimitedItIsTheTokensThatWait) {
  bought().requests_per_minute.reset();
  bought().tokens_per_minute = 60'000;  // one a millisecond
  Throttled({{"retry-after", "20"}});
  // One token is there then, and the others of the call as they come.
  EXPECT_EQ(WaitOfNext(), absl::Seconds(20) + absl::Milliseconds(kReserved - 1));
}

TEST_F(ProviderLimitsStepTest, WhereOnlyTheDayIsLimitedItWaits) {
  bought() = {};
  bought().requests_per_day = 200;
  Throttled({{"retry-after", "20"}});
  EXPECT_EQ(WaitOfNext(), absl::Seconds(20));
}

TEST_F(ProviderLimitsStepTest, WhereNothingRefillsNothingIsHeld) {
  bought() = {};
  bought().calls_at_once = 10;
  Throttled({{"retry-after", "20"}});
  EXPECT_EQ(WaitOfNext(), absl::ZeroDuration());
}

TEST_F(ProviderLimitsStepTest, ALongTimeIsHeldForAnHour) {
  Throttled({{"retry-after", "54749"}});
  EXPECT_EQ(WaitOfNext(), quota::kNotBeforeMax);
}

TEST_F(ProviderLimitsStepTest, WhoMayComeAtOnceHasOneCall) {
  Throttled({{"retry-after", "0"}});
  EXPECT_EQ(Left(quota::Dimension::kRequestsPerMinute), 1);
  EXPECT_EQ(WaitOfNext(), absl::ZeroDuration());
}

TEST_F(ProviderLimitsStepTest, WithoutATimeOnlyTheHeadersCount) {
  Throttled({});
  EXPECT_EQ(Left(quota::Dimension::kRequestsPerMinute), 4'999);
}

TEST_F(ProviderLimitsStepTest, AnotherFailureHoldsNothing) {
  Answered(503, {{"retry-after", "20"}}, "{}");
  EXPECT_EQ(WaitOfNext(), absl::ZeroDuration());
}

TEST_F(ProviderLimitsStepTest, WhatIsLeftThereLowersOurs) {
  Answered(200,
           {{"x-ratelimit-limit-requests", "5000"},
            {"x-ratelimit-remaining-requests", "7"},
            {"x-ratelimit-reset-requests", "59.916s"}},
           WholeAnswer("hi", kUsage30));
  EXPECT_EQ(Left(quota::Dimension::kRequestsPerMinute), 7);
}

TEST_F(ProviderLimitsStepTest, AUsedUpBucketThereIsWaitedForAlsoAfterASuccess) {
  Answered(200,
           {{"x-ratelimit-limit-requests", "3"},
            {"x-ratelimit-remaining-requests", "0"},
            {"x-ratelimit-reset-requests", "1m0s"}},
           WholeAnswer("hi", kUsage30));
  EXPECT_EQ(WaitOfNext(), absl::Seconds(20)) << "one of 3 a minute, whatever we think is bought";
}

TEST_F(ProviderLimitsStepTest, TheLongerOfBothTimesIsHeld) {
  Throttled({{"retry-after", "1"},
             {"x-ratelimit-limit-requests", "5000"},
             {"x-ratelimit-remaining-requests", "0"},
             {"x-ratelimit-reset-requests", "45s"}});
  EXPECT_EQ(WaitOfNext(), absl::Seconds(45)) << "of a fixed window the end is known only";
}

TEST_F(ProviderLimitsStepTest, MoreThanWeThinkIsLeftRaisesNothing) {
  StartUnary();
  exchange().Answer(200,
                    {{"content-type", "application/json"},
                     {"x-ratelimit-remaining-requests", "9999"},
                     {"x-ratelimit-reset-requests", "0s"}},
                    WholeAnswer("hi", kUsage30));
  EXPECT_EQ(Left(quota::Dimension::kRequestsPerMinute), 4'999);
}

}  // namespace
}  // namespace pingti::exchange
