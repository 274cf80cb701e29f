#include "server/model/failure.h"

#include <utility>

#include "server/base/check.h"
#include "server/base/strings.h"

namespace pingti::model {

std::string_view FailureClassName(FailureClass failure_class) {
  switch (failure_class) {
    case FailureClass::kRateLimited:
      return "rate_limited";
    case FailureClass::kOutOfCredit:
      return "out_of_credit";
    case FailureClass::kBadKey:
      return "bad_key";
    case FailureClass::kRegionBlocked:
      return "region_blocked";
    case FailureClass::kBadRequest:
      return "bad_request";
    case FailureClass::kContextTooLong:
      return "context_too_long";
    case FailureClass::kModelNotFound:
      return "model_not_found";
    case FailureClass::kContentFiltered:
      return "content_filtered";
    case FailureClass::kOverloaded:
      return "overloaded";
    case FailureClass::kServerError:
      return "server_error";
    case FailureClass::kConnect:
      return "connect";
    case FailureClass::kHostUnknown:
      return "host_unknown";
    case FailureClass::kFirstTokenTimeout:
      return "first_token_timeout";
    case FailureClass::kStalled:
      return "stalled";
    case FailureClass::kCut:
      return "cut";
    case FailureClass::kMalformed:
      return "malformed";
    case FailureClass::kAnswerTooLarge:
      return "answer_too_large";
    case FailureClass::kTotalTimeout:
      return "total_timeout";
    case FailureClass::kCancelled:
      return "cancelled";
  }
  base::CheckFailed(__FILE__, __LINE__, "known class", "FailureClass out of range");
}

namespace {

struct ReasonRow {
  std::string_view name;
  absl::StatusCode code;
};

// Ordered by the number of the reason.
constexpr ReasonRow kReasons[kErrorReasonCount] = {
    {"UNSPECIFIED", absl::StatusCode::kUnknown},
    {"KEY_MISSING", absl::StatusCode::kUnauthenticated},
    {"KEY_INVALID", absl::StatusCode::kUnauthenticated},
    {"MODEL_NOT_ALLOWED", absl::StatusCode::kPermissionDenied},
    {"TENANT_SUSPENDED", absl::StatusCode::kPermissionDenied},
    {"MODEL_UNKNOWN", absl::StatusCode::kNotFound},
    {"FIELD_INVALID", absl::StatusCode::kInvalidArgument},
    {"EXCEEDS_LIMIT", absl::StatusCode::kInvalidArgument},
    {"CONTEXT_TOO_LONG", absl::StatusCode::kInvalidArgument},
    {"QUOTA_EXCEEDED", absl::StatusCode::kResourceExhausted},
    {"BALANCE_TOO_LOW", absl::StatusCode::kFailedPrecondition},
    {"TARGETS_UNAVAILABLE", absl::StatusCode::kUnavailable},
    {"OVERLOADED", absl::StatusCode::kUnavailable},
    {"DRAINING", absl::StatusCode::kUnavailable},
    {"PROVIDER_REFUSED_KEY", absl::StatusCode::kInternal},
    {"PROVIDER_REJECTED_REQUEST", absl::StatusCode::kInvalidArgument},
    {"ANSWER_INCOMPLETE", absl::StatusCode::kUnavailable},
    {"ANSWER_TOO_LARGE", absl::StatusCode::kResourceExhausted},
    {"DEADLINE", absl::StatusCode::kDeadlineExceeded},
    {"CANCELLED", absl::StatusCode::kCancelled},
    {"NOT_SUPPORTED", absl::StatusCode::kUnimplemented},
    {"INTERNAL", absl::StatusCode::kInternal},
    {"PROVIDER_RATE_LIMITED", absl::StatusCode::kUnavailable},
    {"PROVIDER_LOST", absl::StatusCode::kUnavailable},
    {"QUOTA_UNAVAILABLE", absl::StatusCode::kUnavailable},
    {"MODEL_UNPRICED", absl::StatusCode::kFailedPrecondition},
    {"LEDGER_UNAVAILABLE", absl::StatusCode::kUnavailable},
    {"REQUEST_ID_IN_USE", absl::StatusCode::kAlreadyExists},
    {"ACCOUNT_UNKNOWN", absl::StatusCode::kNotFound},
    {"NOT_ADMIN", absl::StatusCode::kPermissionDenied},
    {"REFERENCE_IN_USE", absl::StatusCode::kAlreadyExists},
    {"LEDGER_OFF", absl::StatusCode::kFailedPrecondition},
    {"TENANT_UNKNOWN", absl::StatusCode::kNotFound},
    {"TENANT_NAME_TAKEN", absl::StatusCode::kAlreadyExists},
    {"TENANT_IN_USE", absl::StatusCode::kFailedPrecondition},
    {"KEY_UNKNOWN", absl::StatusCode::kNotFound},
    {"KEY_ENDED", absl::StatusCode::kFailedPrecondition},
    {"TOO_MANY", absl::StatusCode::kFailedPrecondition},
    {"RIGHT_MISSING", absl::StatusCode::kPermissionDenied},
    {"KEY_BUDGET_EXHAUSTED", absl::StatusCode::kFailedPrecondition},
    {"IDENTITY_TAKEN", absl::StatusCode::kAlreadyExists},
};

}  // namespace

std::string_view ErrorReasonName(ErrorReason reason) {
  return kReasons[static_cast<int>(reason)].name;
}

absl::StatusCode ErrorReasonCode(ErrorReason reason) {
  return kReasons[static_cast<int>(reason)].code;
}

CallError Refuse(ErrorReason reason, std::string message) {
  CallError error;
  error.reason = reason;
  error.message = std::move(message);
  return error;
}

CallError InvalidField(std::string field, std::string description) {
  CallError error;
  error.reason = ErrorReason::kFieldInvalid;
  error.message = base::StrCat(field, ": ", description);
  error.fields.push_back({std::move(field), std::move(description)});
  return error;
}

}  // namespace pingti::model
