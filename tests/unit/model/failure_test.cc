#include "server/model/failure.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace pingti::model {
namespace {

TEST(FailureClassTest, EachHasANameOfItsOwnThatSuitsALabel) {
  std::set<std::string_view> names;
  for (int i = 0; i < kFailureClassCount; ++i) {
    const std::string_view name = FailureClassName(static_cast<FailureClass>(i));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_FALSE(name.empty());
    for (const char c : name) EXPECT_TRUE((c >= 'a' && c <= 'z') || c == '_') << name;
  }
  EXPECT_EQ(FailureClassName(FailureClass::kFirstTokenTimeout), "first_token_timeout");
}

TEST(FailureClassDeathTest, AClassOutOfRangeEndsTheProcess) {
  EXPECT_DEATH(FailureClassName(static_cast<FailureClass>(kFailureClassCount)), "out of range");
}

TEST(ErrorReasonTest, EachHasANameOfItsOwnAndACode) {
  std::set<std::string_view> names;
  for (int i = 1; i < kErrorReasonCount; ++i) {
    const auto reason = static_cast<ErrorReason>(i);
    EXPECT_TRUE(names.insert(ErrorReasonName(reason)).second) << ErrorReasonName(reason);
    EXPECT_NE(ErrorReasonCode(reason), absl::StatusCode::kOk) << ErrorReasonName(reason);
    EXPECT_NE(ErrorReasonCode(reason), absl::StatusCode::kUnknown) << ErrorReasonName(reason);
  }
}

TEST(ErrorReasonTest, HasTheCodeOfTheTableOfErrors) {
  const std::pair<ErrorReason, absl::StatusCode> table[] = {
      {ErrorReason::kKeyMissing, absl::StatusCode::kUnauthenticated},
      {ErrorReason::kKeyInvalid, absl::StatusCode::kUnauthenticated},
      {ErrorReason::kModelNotAllowed, absl::StatusCode::kPermissionDenied},
      {ErrorReason::kTenantSuspended, absl::StatusCode::kPermissionDenied},
      {ErrorReason::kModelUnknown, absl::StatusCode::kNotFound},
      {ErrorReason::kFieldInvalid, absl::StatusCode::kInvalidArgument},
      {ErrorReason::kExceedsLimit, absl::StatusCode::kInvalidArgument},
      {ErrorReason::kContextTooLong, absl::StatusCode::kInvalidArgument},
      {ErrorReason::kQuotaExceeded, absl::StatusCode::kResourceExhausted},
      {ErrorReason::kBalanceTooLow, absl::StatusCode::kFailedPrecondition},
      {ErrorReason::kTargetsUnavailable, absl::StatusCode::kUnavailable},
      {ErrorReason::kOverloaded, absl::StatusCode::kUnavailable},
      {ErrorReason::kDraining, absl::StatusCode::kUnavailable},
      {ErrorReason::kProviderRefusedKey, absl::StatusCode::kInternal},
      {ErrorReason::kProviderRejectedRequest, absl::StatusCode::kInvalidArgument},
      {ErrorReason::kAnswerIncomplete, absl::StatusCode::kUnavailable},
      {ErrorReason::kDeadline, absl::StatusCode::kDeadlineExceeded},
      {ErrorReason::kCancelled, absl::StatusCode::kCancelled},
      {ErrorReason::kNotSupported, absl::StatusCode::kUnimplemented},
      {ErrorReason::kInternal, absl::StatusCode::kInternal},
      {ErrorReason::kAccountUnknown, absl::StatusCode::kNotFound},
      {ErrorReason::kNotAdmin, absl::StatusCode::kPermissionDenied},
      {ErrorReason::kReferenceInUse, absl::StatusCode::kAlreadyExists},
      {ErrorReason::kLedgerOff, absl::StatusCode::kFailedPrecondition},
      {ErrorReason::kTenantUnknown, absl::StatusCode::kNotFound},
      {ErrorReason::kTenantNameTaken, absl::StatusCode::kAlreadyExists},
      {ErrorReason::kTenantInUse, absl::StatusCode::kFailedPrecondition},
      {ErrorReason::kKeyUnknown, absl::StatusCode::kNotFound},
      {ErrorReason::kKeyEnded, absl::StatusCode::kFailedPrecondition},
      {ErrorReason::kTooMany, absl::StatusCode::kFailedPrecondition},
      {ErrorReason::kRightMissing, absl::StatusCode::kPermissionDenied},
      {ErrorReason::kKeyBudgetExhausted, absl::StatusCode::kFailedPrecondition},
      {ErrorReason::kIdentityTaken, absl::StatusCode::kAlreadyExists},
  };
  for (const auto& [reason, code] : table) {
    EXPECT_EQ(ErrorReasonCode(reason), code) << ErrorReasonName(reason);
  }
}

TEST(CallErrorTest, InvalidFieldNamesTheFieldInMessageAndDetails) {
  const CallError error = InvalidField("spec.model", "is empty");
  EXPECT_EQ(error.reason, ErrorReason::kFieldInvalid);
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.message, "spec.model: is empty");
  ASSERT_EQ(error.fields.size(), 1u);
  EXPECT_EQ(error.fields[0].field, "spec.model");
  EXPECT_EQ(error.fields[0].description, "is empty");
}

TEST(FailureTest, ALocalOneHasNothingOfAProvider) {
  const Failure failure = LocalFailure(FailureClass::kStalled, "silence");
  EXPECT_EQ(failure.failure_class, FailureClass::kStalled);
  EXPECT_EQ(failure.message, "silence");
  EXPECT_EQ(failure.upstream_status, 0);
  EXPECT_TRUE(failure.upstream_text.empty());
  EXPECT_FALSE(failure.retry_after.has_value());
}

}  // namespace
}  // namespace pingti::model
