#include "client/error.h"

#include <gtest/gtest.h>

#include "tests/unit/client/canned.h"

namespace pingti::client {
namespace {

using std::chrono::milliseconds;
using testing::ErrorInfoWith;
using testing::StatusWith;

google::rpc::RetryInfo RetryAfter(std::int64_t seconds, std::int32_t nanos) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(seconds);
  retry.mutable_retry_delay()->set_nanos(nanos);
  return retry;
}

milliseconds DelayOf(std::int64_t seconds, std::int32_t nanos) {
  const auto retry = RetryAfter(seconds, nanos);
  const Error error =
      ErrorFromStatus(StatusWith(grpc::StatusCode::UNAVAILABLE, "busy", {&retry}), "");
  return error.retry_delay.value_or(milliseconds(-1));
}

TEST(ErrorFromStatus, OkIsOk) {
  const Error error = ErrorFromStatus(grpc::Status::OK, "id-1");
  EXPECT_TRUE(error.ok());
  EXPECT_EQ(error.request_id, "id-1");
}

TEST(ErrorFromStatus, DecodesEveryDetail) {
  auto info = ErrorInfoWith("QUOTA_EXCEEDED", "01J");
  (*info.mutable_metadata())["limit"] = "30000";
  google::rpc::QuotaFailure quota;
  quota.add_violations()->set_subject("tenant:acme/class:gpt-4o/tokens_per_minute");
  quota.mutable_violations(0)->set_description("12 tokens left");
  google::rpc::BadRequest bad;
  bad.add_field_violations()->set_field("spec.model");
  bad.mutable_field_violations(0)->set_description("is required");
  google::rpc::PreconditionFailure precondition;
  precondition.add_violations()->set_type("BALANCE");
  const auto retry = RetryAfter(1, 200'000'000);
  const Error error =
      ErrorFromStatus(StatusWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "no tokens left",
                                 {&info, &quota, &bad, &precondition, &retry}),
                      "other-id");
  EXPECT_EQ(error.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(error.message, "no tokens left");
  EXPECT_EQ(error.reason, "QUOTA_EXCEEDED");
  EXPECT_EQ(error.domain, "pingti");
  EXPECT_EQ(error.request_id, "01J");
  EXPECT_EQ(error.metadata.at("limit"), "30000");
  EXPECT_EQ(error.retry_delay, milliseconds(1200));
  ASSERT_EQ(error.quota_violations.size(), 1u);
  EXPECT_EQ(error.quota_violations[0].description, "12 tokens left");
  ASSERT_EQ(error.field_violations.size(), 1u);
  EXPECT_EQ(error.field_violations[0].field, "spec.model");
  ASSERT_EQ(error.precondition_violations.size(), 1u);
  EXPECT_EQ(error.precondition_violations[0].type, "BALANCE");
}

TEST(ErrorFromStatus, RetryDelayIsRoundedUpAndBounded) {
  EXPECT_EQ(DelayOf(0, 1), milliseconds(1));
  EXPECT_EQ(DelayOf(0, 1'000'001), milliseconds(2));
  EXPECT_EQ(DelayOf(0, 0), milliseconds(0));
  EXPECT_EQ(DelayOf(-5, 0), milliseconds(0));
  EXPECT_EQ(DelayOf(315'576'000'000, 999'999'999), std::chrono::hours(24 * 7));
}

TEST(ErrorFromStatus, BrokenDetailsLeaveCodeAndMessage) {
  const Error error = ErrorFromStatus(
      grpc::Status(grpc::StatusCode::INTERNAL, "broken", "\xff\xff not a status"), "id-2");
  EXPECT_EQ(error.code, grpc::StatusCode::INTERNAL);
  EXPECT_EQ(error.message, "broken");
  EXPECT_EQ(error.reason, "");
  EXPECT_EQ(error.request_id, "id-2");
  EXPECT_FALSE(error.retry_delay.has_value());
}

TEST(ErrorFromStatus, TakesTheRequestIdOfRequestInfo) {
  google::rpc::RequestInfo request;
  request.set_request_id("01K");
  EXPECT_EQ(ErrorFromStatus(StatusWith(grpc::StatusCode::INTERNAL, "", {&request}), "x").request_id,
            "01K");
}

}  // namespace
}  // namespace pingti::client
