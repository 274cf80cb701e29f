#include "server/routing/failure_table.h"

#include <optional>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::routing {
namespace {

using model::ErrorReason;
using model::FailureClass;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kProvidersText[] = "the provider's own words: sk-secret";

struct Row {
  FailureClass failure_class;
  absl::StatusCode code;
  ErrorReason before_content;
  ErrorReason after_content;
  std::optional<absl::Duration> retry;
};

const Row kExpected[] = {
    {FailureClass::kRateLimited, absl::StatusCode::kUnavailable, ErrorReason::kProviderRateLimited,
     ErrorReason::kProviderRateLimited, absl::Seconds(5)},
    {FailureClass::kOutOfCredit, absl::StatusCode::kUnavailable, ErrorReason::kProviderLost,
     ErrorReason::kProviderLost, std::nullopt},
    {FailureClass::kBadKey, absl::StatusCode::kInternal, ErrorReason::kProviderRefusedKey,
     ErrorReason::kProviderRefusedKey, std::nullopt},
    {FailureClass::kRegionBlocked, absl::StatusCode::kUnavailable, ErrorReason::kProviderLost,
     ErrorReason::kProviderLost, std::nullopt},
    {FailureClass::kBadRequest, absl::StatusCode::kInvalidArgument,
     ErrorReason::kProviderRejectedRequest, ErrorReason::kProviderRejectedRequest, std::nullopt},
    {FailureClass::kContextTooLong, absl::StatusCode::kInvalidArgument,
     ErrorReason::kContextTooLong, ErrorReason::kContextTooLong, std::nullopt},
    {FailureClass::kModelNotFound, absl::StatusCode::kUnavailable, ErrorReason::kTargetsUnavailable,
     ErrorReason::kAnswerIncomplete, std::nullopt},
    {FailureClass::kContentFiltered, absl::StatusCode::kInvalidArgument,
     ErrorReason::kProviderRejectedRequest, ErrorReason::kProviderRejectedRequest, std::nullopt},
    {FailureClass::kOverloaded, absl::StatusCode::kUnavailable, ErrorReason::kTargetsUnavailable,
     ErrorReason::kAnswerIncomplete, absl::Seconds(2)},
    {FailureClass::kServerError, absl::StatusCode::kUnavailable, ErrorReason::kTargetsUnavailable,
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kConnect, absl::StatusCode::kUnavailable, ErrorReason::kTargetsUnavailable,
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kHostUnknown, absl::StatusCode::kUnavailable, ErrorReason::kProviderLost,
     ErrorReason::kProviderLost, std::nullopt},
    {FailureClass::kFirstTokenTimeout, absl::StatusCode::kUnavailable,
     ErrorReason::kTargetsUnavailable, ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kStalled, absl::StatusCode::kUnavailable, ErrorReason::kAnswerIncomplete,
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kCut, absl::StatusCode::kUnavailable, ErrorReason::kAnswerIncomplete,
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kMalformed, absl::StatusCode::kUnavailable, ErrorReason::kAnswerIncomplete,
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kAnswerTooLarge, absl::StatusCode::kResourceExhausted,
     ErrorReason::kAnswerTooLarge, ErrorReason::kAnswerTooLarge, std::nullopt},
    {FailureClass::kTotalTimeout, absl::StatusCode::kUnavailable, ErrorReason::kAnswerIncomplete,
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kCancelled, absl::StatusCode::kCancelled, ErrorReason::kCancelled,
     ErrorReason::kCancelled, std::nullopt},
};

// What is tried next, what rests, and whether the breaker is told.
struct VerdictRow {
  FailureClass failure_class;
  Next next;
  Bench bench;
  bool counts;
};

const VerdictRow kVerdicts[] = {
    {FailureClass::kRateLimited, Next::kNextKey, Bench::kKeyAsAsked, false},
    {FailureClass::kOutOfCredit, Next::kNextKey, Bench::kKey, false},
    {FailureClass::kBadKey, Next::kNextKey, Bench::kKey, false},
    {FailureClass::kRegionBlocked, Next::kNextTarget, Bench::kProvider, false},
    {FailureClass::kBadRequest, Next::kGiveUp, Bench::kNothing, false},
    {FailureClass::kContextTooLong, Next::kNextTarget, Bench::kNothing, false},
    {FailureClass::kModelNotFound, Next::kNextTarget, Bench::kNothing, false},
    {FailureClass::kContentFiltered, Next::kGiveUp, Bench::kNothing, false},
    {FailureClass::kOverloaded, Next::kSameTarget, Bench::kNothing, false},
    {FailureClass::kServerError, Next::kSameTarget, Bench::kNothing, true},
    {FailureClass::kConnect, Next::kSameTarget, Bench::kNothing, true},
    {FailureClass::kHostUnknown, Next::kNextTarget, Bench::kProviderIfRepeated, true},
    {FailureClass::kFirstTokenTimeout, Next::kNextTarget, Bench::kNothing, true},
    {FailureClass::kStalled, Next::kNextTarget, Bench::kNothing, true},
    {FailureClass::kCut, Next::kSameTarget, Bench::kNothing, true},
    {FailureClass::kMalformed, Next::kNextTarget, Bench::kNothing, true},
    {FailureClass::kAnswerTooLarge, Next::kGiveUp, Bench::kNothing, false},
    {FailureClass::kTotalTimeout, Next::kNextTarget, Bench::kNothing, true},
    {FailureClass::kCancelled, Next::kGiveUp, Bench::kNothing, false},
};

FailedAttempt Attempt(FailureClass failure_class) {
  FailedAttempt attempt;
  attempt.failure = model::LocalFailure(failure_class, "in our words");
  attempt.failure.upstream_text = kProvidersText;
  attempt.failure.upstream_status = 418;
  attempt.provider = "yi";
  attempt.attempts = 3;
  return attempt;
}

// Everything of an error that reaches a caller.
std::string Visible(const model::CallError& error) {
  std::string all = error.message;
  for (const auto& [key, value] : error.metadata) all += "\n" + key + "=" + value;
  for (const auto& field : error.fields) all += "\n" + field.field + field.description;
  for (const auto& quota : error.quotas) all += "\n" + quota.subject + quota.description;
  return all;
}

TEST(FailureTableTest, EveryClassHasItsCodeReasonAndDelay) {
  ASSERT_EQ(std::size(kExpected), static_cast<size_t>(model::kFailureClassCount));
  for (int i = 0; i < model::kFailureClassCount; ++i) {
    const Row& row = kExpected[i];
    const std::string name(model::FailureClassName(row.failure_class));
    ASSERT_EQ(static_cast<int>(row.failure_class), i) << name;
    FailedAttempt attempt = Attempt(row.failure_class);
    const model::CallError error = ErrorForCaller(attempt);
    EXPECT_EQ(error.code(), row.code) << name;
    EXPECT_EQ(error.reason, row.before_content) << name;
    EXPECT_EQ(error.retry_delay, row.retry) << name;
    EXPECT_EQ(error.message, "provider yi: in our words") << name;
    EXPECT_EQ(error.metadata.at("cause"), name);
    EXPECT_EQ(error.metadata.at("provider"), "yi");
    EXPECT_EQ(error.metadata.at("attempts"), "3");
    EXPECT_EQ(error.metadata.at("upstream_status"), "418");
    EXPECT_THAT(Visible(error), Not(HasSubstr(kProvidersText))) << name;
    EXPECT_THAT(Visible(error), Not(HasSubstr("secret"))) << name;

    attempt.after_content = true;
    EXPECT_EQ(ErrorForCaller(attempt).reason, row.after_content) << name;
  }
}

TEST(FailureTableTest, EveryClassHasItsVerdict) {
  ASSERT_EQ(std::size(kVerdicts), static_cast<size_t>(model::kFailureClassCount));
  for (int i = 0; i < model::kFailureClassCount; ++i) {
    const VerdictRow& row = kVerdicts[i];
    const std::string name(model::FailureClassName(row.failure_class));
    ASSERT_EQ(static_cast<int>(row.failure_class), i) << name;
    const Verdict verdict = VerdictOf(row.failure_class);
    EXPECT_EQ(verdict.next, row.next) << name;
    EXPECT_EQ(verdict.bench, row.bench) << name;
    EXPECT_EQ(verdict.counts, row.counts) << name;
  }
}

TEST(FailureTableTest, EveryNextHasItsWord) {
  EXPECT_EQ(NextName(Next::kGiveUp), "give_up");
  EXPECT_EQ(NextName(Next::kNextKey), "next_key");
  EXPECT_EQ(NextName(Next::kNextTarget), "next_target");
  EXPECT_EQ(NextName(Next::kSameTarget), "same_target");
}

TEST(FailureTableTest, TheProvidersDelayWinsWhereARetryHelps) {
  FailedAttempt attempt = Attempt(FailureClass::kRateLimited);
  attempt.failure.retry_after = absl::Milliseconds(8'640);
  EXPECT_EQ(ErrorForCaller(attempt).retry_delay, absl::Milliseconds(8'640));
  attempt.failure.failure_class = FailureClass::kBadRequest;
  EXPECT_FALSE(ErrorForCaller(attempt).retry_delay.has_value());
}

TEST(FailureTableTest, UsageSoFarIsToldWhereThereIsSome) {
  FailedAttempt attempt = Attempt(FailureClass::kCut);
  EXPECT_EQ(ErrorForCaller(attempt).metadata.count("input_tokens"), 0u);
  attempt.usage.input_tokens = 12;
  attempt.usage.output_tokens = 3;
  const std::pair<model::UsageSource, const char*> sources[] = {
      {model::UsageSource::kMeasured, "measured"},
      {model::UsageSource::kCounted, "counted"},
      {model::UsageSource::kEstimated, "estimated"}};
  for (const auto& [source, name] : sources) {
    attempt.usage.source = source;
    const model::CallError error = ErrorForCaller(attempt);
    EXPECT_EQ(error.metadata.at("input_tokens"), "12");
    EXPECT_EQ(error.metadata.at("output_tokens"), "3");
    EXPECT_EQ(error.metadata.at("usage_source"), name);
  }
}

TEST(FailureTableTest, AnAnswerThatIsTooLargeNamesItsLimit) {
  FailedAttempt attempt = Attempt(FailureClass::kAnswerTooLarge);
  attempt.failure.limit_bytes = 65'536;
  EXPECT_EQ(ErrorForCaller(attempt).metadata.at("limit_bytes"), "65536");
  attempt.failure.limit_bytes = 0;
  EXPECT_EQ(ErrorForCaller(attempt).metadata.count("limit_bytes"), 0u);
}

TEST(FailureTableTest, AContextThatIsTooLongNamesTheSizes) {
  FailedAttempt attempt = Attempt(FailureClass::kContextTooLong);
  attempt.model = "yi-large";
  attempt.context_tokens = 32'768;
  attempt.requested_tokens = 40'000;
  model::CallError error = ErrorForCaller(attempt);
  EXPECT_EQ(error.metadata.at("model"), "yi-large");
  EXPECT_EQ(error.metadata.at("context_tokens"), "32768");
  EXPECT_EQ(error.metadata.at("requested_tokens"), "40000");

  attempt.context_tokens = 0;
  error = ErrorForCaller(attempt);
  EXPECT_EQ(error.metadata.count("context_tokens"), 0u);
  EXPECT_EQ(error.metadata.at("requested_tokens"), "40000");

  attempt.failure.failure_class = FailureClass::kServerError;
  error = ErrorForCaller(attempt);
  EXPECT_EQ(error.metadata.count("model"), 0u);
  EXPECT_EQ(error.metadata.count("requested_tokens"), 0u);
}

// A provider that does not know the model will not know it in a second either.
TEST(FailureTableTest, NoRetryIsSuggestedForAModelThatIsNotThere) {
  FailedAttempt attempt = Attempt(FailureClass::kModelNotFound);
  attempt.failure.retry_after = absl::Seconds(3);
  EXPECT_FALSE(ErrorForCaller(attempt).retry_delay.has_value());
}

TEST(FailureTableTest, WithoutAnAnswerThereIsNoStatus) {
  FailedAttempt attempt = Attempt(FailureClass::kConnect);
  attempt.failure.upstream_status = 0;
  EXPECT_EQ(ErrorForCaller(attempt).metadata.count("upstream_status"), 0u);
}

}  // namespace
}  // namespace pingti::routing
