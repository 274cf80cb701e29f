#include "server/routing/failure_table.h"

#include "server/base/strings.h"

namespace pingti::routing {
namespace {

using model::ErrorReason;
using model::FailureClass;

struct Row {
  FailureClass failure_class;
  ErrorReason reason;
  // Delay that RetryInfo suggests where the provider named none; 0: no RetryInfo, because no wait
  // mends it.
  absl::Duration retry_delay;
};

// One row per class, in the order of the enum.
const Row kRows[model::kFailureClassCount] = {
    {FailureClass::kRateLimited, ErrorReason::kProviderRateLimited, absl::Seconds(5)},
    {FailureClass::kOutOfCredit, ErrorReason::kProviderLost, absl::ZeroDuration()},
    {FailureClass::kBadKey, ErrorReason::kProviderRefusedKey, absl::ZeroDuration()},
    {FailureClass::kRegionBlocked, ErrorReason::kProviderLost, absl::ZeroDuration()},
    {FailureClass::kBadRequest, ErrorReason::kProviderRejectedRequest, absl::ZeroDuration()},
    {FailureClass::kContextTooLong, ErrorReason::kContextTooLong, absl::ZeroDuration()},
    {FailureClass::kModelNotFound, ErrorReason::kTargetsUnavailable, absl::ZeroDuration()},
    {FailureClass::kContentFiltered, ErrorReason::kProviderRejectedRequest, absl::ZeroDuration()},
    {FailureClass::kOverloaded, ErrorReason::kTargetsUnavailable, absl::Seconds(2)},
    {FailureClass::kServerError, ErrorReason::kTargetsUnavailable, absl::Seconds(1)},
    {FailureClass::kConnect, ErrorReason::kTargetsUnavailable, absl::Seconds(1)},
    {FailureClass::kFirstTokenTimeout, ErrorReason::kTargetsUnavailable, absl::Seconds(1)},
    {FailureClass::kStalled, ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kCut, ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kMalformed, ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kAnswerTooLarge, ErrorReason::kAnswerTooLarge, absl::ZeroDuration()},
    {FailureClass::kTotalTimeout, ErrorReason::kAnswerIncomplete, absl::Seconds(1)},
    {FailureClass::kCancelled, ErrorReason::kCancelled, absl::ZeroDuration()},
};

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
