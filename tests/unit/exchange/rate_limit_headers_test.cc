#include "server/exchange/rate_limit_headers.h"

#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/quota/bucket_set.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/recording_sink.h"
#include "tests/fakes/scripted_transport.h"

namespace pingti::exchange {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

using fakes::kNow;

TEST(FormatResetTest, WritesDurationsAsOpenAiDoes) {
  EXPECT_EQ(FormatReset(absl::ZeroDuration()), "0s");
  EXPECT_EQ(FormatReset(absl::Milliseconds(12)), "12ms");
  EXPECT_EQ(FormatReset(absl::Milliseconds(999)), "999ms");
  EXPECT_EQ(FormatReset(absl::Seconds(1)), "1s");
  EXPECT_EQ(FormatReset(absl::Milliseconds(8'640)), "8.64s");
  EXPECT_EQ(FormatReset(absl::Milliseconds(1'001)), "1.001s");
  EXPECT_EQ(FormatReset(absl::Milliseconds(59'999)), "59.999s");
  EXPECT_EQ(FormatReset(absl::Minutes(6)), "6m0s");
  EXPECT_EQ(FormatReset(absl::Minutes(7) + absl::Seconds(12)), "7m12s");
  EXPECT_EQ(FormatReset(absl::Minutes(1) + absl::Milliseconds(500)), "1m0.5s");
  EXPECT_EQ(FormatReset(absl::Hours(2) + absl::Seconds(3)), "2h0m3s");
}

TEST(FormatResetTest, RoundsUpToTheMillisecond) {
  EXPECT_EQ(FormatReset(absl::Nanoseconds(1)), "1ms");
  EXPECT_EQ(FormatReset(absl::Microseconds(12'001)), "13ms");
  EXPECT_EQ(FormatReset(absl::Milliseconds(999) + absl::Nanoseconds(1)), "1s");
  EXPECT_EQ(FormatReset(absl::Seconds(60) - absl::Nanoseconds(1)), "1m0s");
}

config::ClassLimits Limits(std::optional<int64_t> requests, std::optional<int64_t> tokens) {
  config::ClassLimits limits;
  limits.requests_per_minute = requests;
  limits.tokens_per_minute = tokens;
  return limits;
}

bool Take(quota::BucketSet& set, int64_t tokens) {
  uint8_t shadow = 0;
  return !set.Take(tokens, kNow, &shadow);
}

TEST(AddBucketHeadersTest, TellsLimitRestAndReset) {
  quota::BucketSet set("s", Limits(500, 30'000));
  ASSERT_TRUE(Take(set, 4'320));
  fakes::RecordingSink sink;
  AddBucketHeaders(set.ReadAll(kNow), sink);
  EXPECT_THAT(sink.headers(), ElementsAre(Pair("x-ratelimit-limit-requests", "500"),
                                          Pair("x-ratelimit-limit-tokens", "30000"),
                                          Pair("x-ratelimit-remaining-requests", "499"),
                                          Pair("x-ratelimit-remaining-tokens", "25680"),
                                          Pair("x-ratelimit-reset-requests", "120ms"),
                                          Pair("x-ratelimit-reset-tokens", "8.64s")));
}

TEST(AddBucketHeadersTest, ADimensionWithoutALimitHasNone) {
  const quota::BucketSet set("s", Limits(std::nullopt, 100));
  fakes::RecordingSink sink;
  AddBucketHeaders(set.ReadAll(kNow), sink);
  EXPECT_EQ(sink.headers().size(), 3u);
  EXPECT_EQ(sink.header("x-ratelimit-limit-requests"), "(none)");
  EXPECT_EQ(sink.header("x-ratelimit-reset-tokens"), "0s");
}

TEST(AddBucketHeadersTest, TheLimitPerDayStandsInForTheOnePerMinute) {
  config::ClassLimits limits = Limits(3, std::nullopt);
  limits.requests_per_day = 200;
  limits.tokens_per_day = 1'000;
  const quota::BucketSet set("s", limits);
  fakes::RecordingSink sink;
  AddBucketHeaders(set.ReadAll(kNow), sink);
  EXPECT_EQ(sink.header("x-ratelimit-limit-requests"), "3");
  EXPECT_EQ(sink.header("x-ratelimit-limit-tokens"), "1000");
}

TEST(AddBucketHeadersTest, TheRestIsNeverBelowZero) {
  quota::BucketSet set("s", Limits(std::nullopt, 100));
  ASSERT_TRUE(Take(set, 100));
  set.AdjustTokens(100, kNow);
  fakes::RecordingSink sink;
  AddBucketHeaders(set.ReadAll(kNow), sink);
  EXPECT_EQ(sink.header("x-ratelimit-remaining-tokens"), "0");
  EXPECT_EQ(sink.header("x-ratelimit-reset-tokens"), "2m0s");
}

quota::Refusal Refuse(quota::BucketSet& set, int64_t tokens) {
  uint8_t shadow = 0;
  const auto shortage = set.Take(tokens, kNow, &shadow);
  quota::Refusal refusal;
  refusal.scope = &set;
  refusal.dimension = shortage->dimension;
  refusal.state = shortage->state;
  refusal.requested = shortage->requested;
  refusal.wait = shortage->wait;
  return refusal;
}

TEST(QuotaErrorTest, NamesTheBucketItsLimitTheRestAndTheWait) {
  quota::BucketSet set("tenant:acme/class:gpt-4o", Limits(500, 1'000));
  ASSERT_TRUE(Take(set, 900));
  const model::CallError error = QuotaError(Refuse(set, 200), 0);
  EXPECT_EQ(error.reason, model::ErrorReason::kQuotaExceeded);
  EXPECT_EQ(error.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(error.message,
            "quota exceeded: tokens_per_minute: limit 1000, left 100, requested 200");
  EXPECT_THAT(error.metadata,
              ElementsAre(Pair("bucket", "tenant:acme/class:gpt-4o/tokens_per_minute"),
                          Pair("limit", "1000"), Pair("remaining", "100"), Pair("requested", "200"),
                          Pair("reset_ms", "54000")));
  EXPECT_EQ(error.retry_delay, absl::Seconds(6));
  ASSERT_EQ(error.quotas.size(), 1u);
  EXPECT_EQ(error.quotas[0].subject, "tenant:acme/class:gpt-4o");
}

TEST(QuotaErrorTest, WhatNeverFitsHasNoWait) {
  quota::BucketSet set("s", Limits(500, 1'000));
  const model::CallError error = QuotaError(Refuse(set, 1'001), 0);
  EXPECT_EQ(error.reason, model::ErrorReason::kExceedsLimit);
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(error.retry_delay.has_value());
  EXPECT_TRUE(error.quotas.empty());
  EXPECT_EQ(error.metadata.at("limit"), "1000");
  EXPECT_EQ(error.metadata.at("requested"), "1001");
}

TEST(CountRefusalTest, CountsByDimensionAndApartWhatNeverFits) {
  telemetry::QuotaStats stats;
  quota::Refusal refusal;
  refusal.wait = absl::Seconds(1);
  refusal.dimension = quota::Dimension::kRequestsPerMinute;
  CountRefusal(refusal, false, stats);
  refusal.dimension = quota::Dimension::kTokensPerMinute;
  CountRefusal(refusal, false, stats);
  CountRefusal(refusal, false, stats);
  refusal.wait = absl::InfiniteDuration();
  CountRefusal(refusal, false, stats);
  EXPECT_EQ(stats.refused[0].value(), 1);
  EXPECT_EQ(stats.refused[1].value(), 2);
  EXPECT_EQ(stats.too_large.value(), 1);
  refusal.store_down = true;
  CountRefusal(refusal, false, stats);
  EXPECT_EQ(stats.store_down.value(), 1);
  EXPECT_EQ(stats.too_large.value(), 1);
}

TEST(QuotaErrorTest, WhoWaitedLearnsItsPlace) {
  quota::BucketSet set("s", Limits(500, 1'000));
  ASSERT_TRUE(Take(set, 900));
  const model::CallError error = QuotaError(Refuse(set, 200), 3);
  EXPECT_EQ(error.metadata.at("position"), "3");
  EXPECT_EQ(error.metadata.at("expected_wait_ms"), "6000");
}

TEST(QuotaErrorTest, AStoreThatIsDownIsAnErrorOfItsOwn) {
  const quota::BucketSet set("s", Limits(500, 1'000));
  quota::Refusal refusal;
  refusal.scope = &set;
  refusal.store_down = true;
  refusal.wait = absl::Seconds(1);
  const model::CallError error = QuotaError(refusal, 0);
  EXPECT_EQ(error.reason, model::ErrorReason::kQuotaUnavailable);
  EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(error.retry_delay, absl::Seconds(1));
}

class ProviderLimitsTest : public ::testing::Test {
 protected:
  std::vector<std::pair<quota::Dimension, int64_t>> Read(
      const std::map<std::string, std::string>& headers) {
    auto transfer = transport_.Start({}, signal_);
    transport_.exchanges().back()->Header(200, headers);
    std::vector<std::pair<quota::Dimension, int64_t>> found;
    for (const ProviderLimit& limit : ReadProviderLimits(*transfer, set_)) {
      found.emplace_back(limit.dimension, limit.remaining);
    }
    return found;
  }

  static config::ClassLimits MinuteAndDay() {
    config::ClassLimits limits = Limits(500, 30'000);
    limits.requests_per_day = 10'000;
    return limits;
  }

  const quota::BucketSet set_{"provider:openai/class:gpt-4o", MinuteAndDay()};
  base::Signal signal_;
  fakes::ScriptedTransport transport_;
};

TEST_F(ProviderLimitsTest, ReadsWhatIsLeft) {
  EXPECT_THAT(Read({{"x-ratelimit-limit-requests", "500"},
                    {"x-ratelimit-remaining-requests", "499"},
                    {"x-ratelimit-remaining-tokens", "149984"}}),
              ElementsAre(Pair(quota::Dimension::kRequestsPerMinute, 499),
                          Pair(quota::Dimension::kTokensPerMinute, 149'984)));
}

TEST_F(ProviderLimitsTest, TheLimitTellsTheDayFromTheMinute) {
  EXPECT_THAT(
      Read({{"x-ratelimit-limit-requests", "10000"}, {"x-ratelimit-remaining-requests", "7"}}),
      ElementsAre(Pair(quota::Dimension::kRequestsPerDay, 7)));
}

TEST_F(ProviderLimitsTest, WhatIsNoNumberIsPassedOver) {
  EXPECT_TRUE(
      Read({{"x-ratelimit-remaining-requests", "-1"}, {"x-ratelimit-remaining-tokens", "12 or so"}})
          .empty());
  EXPECT_TRUE(Read({}).empty());
}

// When there is something again of what the headers say is used up.
class ProviderResetTest : public ProviderLimitsTest {
 protected:
  absl::Duration NotBefore(std::string_view reset, std::string_view limit = "500",
                           std::string_view remaining = "0") {
    auto transfer = transport_.Start({}, signal_);
    transport_.exchanges().back()->Header(
        200, {{"x-ratelimit-limit-requests", std::string(limit)},
              {"x-ratelimit-remaining-requests", std::string(remaining)},
              {"x-ratelimit-reset-requests", std::string(reset)}});
    const auto found = ReadProviderLimits(*transfer, set_);
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? absl::InfiniteDuration() : found[0].not_before;
  }
};

TEST_F(ProviderResetTest, AnEmptyBucketHasItsFirstUnitBeforeItIsFull) {
  EXPECT_EQ(NotBefore("1m0s"), absl::Milliseconds(120));  // 60 s / 500
  EXPECT_EQ(NotBefore("59.88s"), absl::ZeroDuration());
  EXPECT_EQ(NotBefore("59.95s"), absl::Milliseconds(70));
  EXPECT_EQ(NotBefore("1m30s"), absl::Milliseconds(30'120));  // it is in debt
}

TEST_F(ProviderResetTest, TheSizeIsTheProvidersWhereItIsTold) {
  EXPECT_EQ(NotBefore("60s", "3"), absl::Seconds(20));
  EXPECT_EQ(NotBefore("60s", ""), absl::Milliseconds(120));
  EXPECT_EQ(NotBefore("60s", "0"), absl::Minutes(1));
}

TEST_F(ProviderResetTest, OfTheDayItIsTheDaysWindow) {
  EXPECT_EQ(NotBefore("24h0m0s", "10000"), absl::Milliseconds(8'640));
}

TEST_F(ProviderResetTest, OfAFixedWindowOnlyItsEndIsKnown) {
  EXPECT_EQ(NotBefore("17s"), absl::Seconds(17));
  EXPECT_EQ(NotBefore("17"), absl::Seconds(17));
  EXPECT_EQ(NotBefore("640ms"), absl::Milliseconds(640));
}

TEST_F(ProviderResetTest, RoundingIsNoReasonToWait) {
  EXPECT_EQ(NotBefore("59"), absl::ZeroDuration());
}

TEST_F(ProviderResetTest, IsNoLongerThanTheWindow) {
  EXPECT_EQ(NotBefore("5h0m0s"), absl::Minutes(1));
}

TEST_F(ProviderResetTest, SaysNothingWhileSomethingIsLeft) {
  EXPECT_EQ(NotBefore("17s", "500", "1"), absl::ZeroDuration());
}

TEST_F(ProviderResetTest, WhatIsNoDurationIsPassedOver) {
  for (const char* reset : {"", "soon", "-5s", "0s", "0", "inf", "1721491200",
                            "2024-07-20T16:00:00Z", "25h0m0s", "99999999999999999999"}) {
    EXPECT_EQ(NotBefore(reset), absl::ZeroDuration()) << reset;
  }
}

}  // namespace
}  // namespace pingti::exchange
