// What goes wrong in a call, as a value: the class that decides what is done next, and the error
// that the caller gets in the end.
//
// `FailureClass` is about one attempt at one target (design: routing). `Failure` is an attempt's
// failure. `CallError` is what leaves through an edge: code, reason and typed details (design:
// errors at the edge). Nothing here may hold a secret or a provider's text, except
// `Failure::upstream_text`, which is for tests and debuggers: no caller, record or log gets it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace pingti::model {

// Why an attempt at a target failed. Each has a metric label and a row in the table of verdicts.
enum class FailureClass {
  kRateLimited,        // the provider throttles our key
  kOutOfCredit,        // our account there has no money or quota left
  kBadKey,             // our key is refused
  kRegionBlocked,      // the provider does not serve our region
  kBadRequest,         // the provider refuses the request itself
  kContextTooLong,     // prompt and output exceed the model's context
  kModelNotFound,      // the provider does not know the model
  kContentFiltered,    // the provider refuses the prompt for its content
  kOverloaded,         // 529, 503, "overloaded"
  kServerError,        // any other 5xx, and an answer of HTML
  kConnect,            // connecting or the TLS handshake failed
  kHostUnknown,        // the provider's host name has no address
  kFirstTokenTimeout,  // connected, but no content in time
  kStalled,            // content had begun, then silence for too long
  kCut,                // the connection or answer ended before its terminator
  kMalformed,          // an answer that its dialect does not allow
  kAnswerTooLarge,     // a line or an answer over its limit
  kTotalTimeout,       // the configured total time of the target is over
  kCancelled,          // the caller cancelled, its deadline passed, or the server drains
};
inline constexpr int kFailureClassCount = static_cast<int>(FailureClass::kCancelled) + 1;

// Metric label and ErrorInfo `cause` of a class, for example `rate_limited`.
std::string_view FailureClassName(FailureClass failure_class);

// The failure of one attempt.
struct Failure {
  FailureClass failure_class = FailureClass::kServerError;
  // For people; own words, without the provider's text.
  std::string message;
  // HTTP status that the provider sent; 0: none.
  int upstream_status = 0;
  // With kAnswerTooLarge: the limit that the answer, or a line of it, was over. 0: none.
  int64_t limit_bytes = 0;
  // The provider asks to come back after this time; absent: it said nothing usable.
  std::optional<absl::Duration> retry_after;
  // First 256 bytes of what the provider wrote, cleaned of control characters, or what libcurl
  // says of the connection. Never shown to callers, nor written anywhere.
  std::string upstream_text;
};

// A failure that no answer of the provider came with.
inline Failure LocalFailure(FailureClass failure_class, std::string message) {
  Failure failure;
  failure.failure_class = failure_class;
  failure.message = std::move(message);
  return failure;
}

// pingti.v1.ErrorReason, same names. proto/pingti/v1/error_reason.proto gives meaning and keys.
enum class ErrorReason {
  kKeyMissing = 1,
  kKeyInvalid = 2,
  kModelNotAllowed = 3,
  kTenantSuspended = 4,
  kModelUnknown = 5,
  kFieldInvalid = 6,
  kExceedsLimit = 7,
  kContextTooLong = 8,
  kQuotaExceeded = 9,
  kBalanceTooLow = 10,
  kTargetsUnavailable = 11,
  kOverloaded = 12,
  kDraining = 13,
  kProviderRefusedKey = 14,
  kProviderRejectedRequest = 15,
  kAnswerIncomplete = 16,
  kAnswerTooLarge = 17,
  kDeadline = 18,
  kCancelled = 19,
  kNotSupported = 20,
  kInternal = 21,
  kProviderRateLimited = 22,
  kProviderLost = 23,
  kQuotaUnavailable = 24,
  kModelUnpriced = 25,
  kLedgerUnavailable = 26,
  kRequestIdInUse = 27,
  kAccountUnknown = 28,
  kNotAdmin = 29,
  kReferenceInUse = 30,
  kLedgerOff = 31,
  kTenantUnknown = 32,
  kTenantNameTaken = 33,
  kTenantInUse = 34,
  kKeyUnknown = 35,
  kKeyEnded = 36,
  kTooMany = 37,
  kRightMissing = 38,
  kKeyBudgetExhausted = 39,
  kIdentityTaken = 40,
};
inline constexpr int kErrorReasonCount = static_cast<int>(ErrorReason::kIdentityTaken) + 1;

// Name as in ErrorInfo.reason and in metrics, for example `QUOTA_EXCEEDED`.
std::string_view ErrorReasonName(ErrorReason reason);

// The one gRPC code that belongs to a reason.
absl::StatusCode ErrorReasonCode(ErrorReason reason);

struct FieldViolation {
  std::string field;  // path from the root of the request, for example `spec.messages[2].parts[0]`
  std::string description;  // what was wrong and what would be right
};

struct QuotaViolation {
  std::string subject;      // for example `tenant:acme/class:gpt-4o`
  std::string description;  // which limit, its size, what is left
};

// An error on its way to the caller.
struct CallError {
  ErrorReason reason = ErrorReason::kInternal;
  std::string message;
  std::map<std::string, std::string> metadata;  // ErrorInfo.metadata; the edge adds `request_id`
  std::optional<absl::Duration> retry_delay;    // RetryInfo
  std::vector<FieldViolation> fields;           // BadRequest
  std::vector<QuotaViolation> quotas;           // QuotaFailure

  absl::StatusCode code() const { return ErrorReasonCode(reason); }
};

// A CallError with a reason and its words, and nothing else yet.
CallError Refuse(ErrorReason reason, std::string message);

// A CallError with the reason kFieldInvalid for one field.
CallError InvalidField(std::string field, std::string description);

}  // namespace pingti::model
