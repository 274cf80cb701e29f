#include "server/routing/failure_table.h"

#include "server/base/strings.h"

namespace pingti::routing {
namespace {

using model::ErrorReason;
using model::FailureClass;

struct Row {
  FailureClass failure_class;
  Verdict verdict;
  ErrorReason reason;
  // Delay that RetryInfo suggests where the provider named none; 0: no RetryInfo, because no wait
  // mends it.
  absl::Duration retry_delay;
};

constexpr bool kCounts = true;

// One row per class, in the order of the enum.
// clang-format off
const Row kRows[model::kFailureClassCount] = {
    {FailureClass::kRateLimited, {Next::kNextKey, Bench::kKeyAsAsked},
     ErrorReason::kProviderRateLimited, absl::Seconds(5)},
    {FailureClass::kOutOfCredit, {Next::kNextKey, Bench::kKey},
     ErrorReason::kProviderLost, absl::ZeroDuration()},
    {FailureClass::kBadKey, {Next::kNextKey, Bench::kKey},
     ErrorReason::kProviderRefusedKey, absl::ZeroDuration()},
    {FailureClass::kRegionBlocked, {Next::kNextTarget, Bench::kProvider},
     ErrorReason::kProviderLost, absl::ZeroDuration()},
    {FailureClass::kBadRequest, {Next::kGiveUp},
     ErrorReason::kProviderRejectedRequest, absl::ZeroDuration()},
    {FailureClass::kContextTooLong, {Next::kNextTarget},
     ErrorReason::kContextTooLong, absl::ZeroDuration()},
    {FailureClass::kModelNotFound, {Next::kNextTarget},
     ErrorReason::kTargetsUnavailable, absl::ZeroDuration()},
    {FailureClass::kContentFiltered, {Next::kGiveUp},
     ErrorReason::kProviderRejectedRequest, absl::ZeroDuration()},
    {FailureClass::kOverloaded, {Next::kSameTarget},
     ErrorReason::kTargetsUnavailable, absl::Seconds(2)},
    {FailureClass::kServerError, {Next::kSameTarget, Bench::kNothing, kCounts},
     ErrorReason::kTargetsUnavailable, absl::Seconds(1)},
    {FailureClass::kConnect, {Next::kSameTarget, Bench::kNothing, kCounts},
     ErrorReason::kTargetsUnavailable, absl::Seconds(1)},
    {FailureClass::kHostUnknown, {Next::kNextTarget, Bench::kProviderIfRepeated, kCounts},
     ErrorReason::kProviderLost, absl::ZeroDuration()},
    {FailureClass::kFirstTokenTimeout, {Next::kNextTarget, Bench::kNothing, kCounts},
     ErrorReason::kTargetsUnavailable, absl::Seconds(1)},
    {FailureClass::kStalled, {Next::kNextTarget, Bench::kNothing, kCounts},
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kCut, {Next::kSameTarget, Bench::kNothing, kCounts},
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kMalformed, {Next::kNextTarget, Bench::kNothing, kCounts},
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kAnswerTooLarge, {Next::kGiveUp},
     ErrorReason::kAnswerTooLarge, absl::ZeroDuration()},
    {FailureClass::kTotalTimeout, {Next::kNextTarget, Bench::kNothing, kCounts},
     ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kCancelled, {Next::kGiveUp},
     ErrorReason::kCancelled, absl::ZeroDuration()},
};
// clang-format on

std::string_view SourceName(model::UsageSource source) {
  switch (source) {
    case model::UsageSource::kNone:
      return "none";
    case model::UsageSource::kMeasured:
      return "measured";
    case model::UsageSource::kCounted:
      return "counted";
    case model::UsageSource::kEstimated:
      return "estimated";
  }
  return "none";
}

// Of what was too large: how large it was, and how large it may be.
void AddSizes(const FailedAttempt& attempt, model::CallError* error) {
  if (attempt.failure.limit_bytes > 0) {
    error->metadata["limit_bytes"] = base::StrCat(attempt.failure.limit_bytes);
  }
  if (attempt.failure.failure_class != FailureClass::kContextTooLong) return;
  error->metadata["model"] = attempt.model;
  error->metadata["requested_tokens"] = base::StrCat(attempt.requested_tokens);
  if (attempt.context_tokens > 0) {
    error->metadata["context_tokens"] = base::StrCat(attempt.context_tokens);
  }
}

}  // namespace

std::string_view NextName(Next next) {
  switch (next) {
    case Next::kGiveUp:
      return "give_up";
    case Next::kNextKey:
      return "next_key";
    case Next::kNextTarget:
      return "next_target";
    case Next::kSameTarget:
      return "same_target";
  }
  return "give_up";
}

Verdict VerdictOf(FailureClass failure_class) {
  return kRows[static_cast<int>(failure_class)].verdict;
}

model::CallError ErrorForCaller(const FailedAttempt& attempt) {
  const Row& row = kRows[static_cast<int>(attempt.failure.failure_class)];
  model::CallError error;
  error.reason = row.reason;
  // An answer that had begun and then failed is incomplete, whatever the failure is called.
  if (attempt.after_content && error.reason == ErrorReason::kTargetsUnavailable) {
    error.reason = ErrorReason::kAnswerIncomplete;
  }
  error.message = base::StrCat("provider ", attempt.provider, ": ", attempt.failure.message);
  error.metadata["provider"] = attempt.provider;
  error.metadata["cause"] = std::string(model::FailureClassName(attempt.failure.failure_class));
  error.metadata["attempts"] = base::StrCat(attempt.attempts);
  if (attempt.failure.upstream_status != 0) {
    error.metadata["upstream_status"] = base::StrCat(attempt.failure.upstream_status);
  }
  if (attempt.usage.source != model::UsageSource::kNone) {
    error.metadata["input_tokens"] = base::StrCat(attempt.usage.input_tokens);
    error.metadata["output_tokens"] = base::StrCat(attempt.usage.output_tokens);
    error.metadata["usage_source"] = std::string(SourceName(attempt.usage.source));
  }
  AddSizes(attempt, &error);
  if (row.retry_delay > absl::ZeroDuration()) {
    error.retry_delay = attempt.failure.retry_after.value_or(row.retry_delay);
  }
  return error;
}

}  // namespace pingti::routing
