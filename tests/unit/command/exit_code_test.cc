#include "client/command/exit_code.h"

#include <gtest/gtest.h>

namespace pingti::command {
namespace {

using grpc::StatusCode;

client::Error ErrorOf(StatusCode code, const std::string& reason = "", bool started = false) {
  client::Error error = client::LocalError(code, "what happened");
  error.reason = reason;
  error.answer_started = started;
  return error;
}

TEST(ExitCodeOf, DistinguishesKinds) {
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNAUTHENTICATED, "KEY_MISSING")), 3);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::PERMISSION_DENIED, "MODEL_NOT_ALLOWED")), 3);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::INVALID_ARGUMENT, "FIELD_INVALID")), 4);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::NOT_FOUND, "MODEL_UNKNOWN")), 4);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNIMPLEMENTED, "NOT_SUPPORTED")), 4);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")), 5);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNAVAILABLE, "OVERLOADED")), 5);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNAVAILABLE, "PROVIDER_RATE_LIMITED")), 5);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::FAILED_PRECONDITION, "BALANCE_TOO_LOW")), 5);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::FAILED_PRECONDITION, "KEY_BUDGET_EXHAUSTED")), 5);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNAVAILABLE, "TARGETS_UNAVAILABLE")), 6);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNAVAILABLE)), 6);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::DEADLINE_EXCEEDED, "DEADLINE", true)), 7);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::CANCELLED, "CANCELLED", true)), 8);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::INTERNAL, "INTERNAL")), 1);
}

TEST(ExitCodeOf, WhatBrokeOffIsIncomplete) {
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNAVAILABLE, "ANSWER_INCOMPLETE")), 9);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNAVAILABLE, "", true)), 9);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::UNAVAILABLE, "DRAINING", true)), 9);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::INTERNAL, "INTERNAL", true)), 9);
  EXPECT_EQ(ExitCodeOf(ErrorOf(StatusCode::RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE", true)), 9);
}

TEST(ExitCodeOf, AMessageOverTheLimitIsNotCuredByWaiting) {
  client::Error error = ErrorOf(StatusCode::RESOURCE_EXHAUSTED);
  error.message = "Received message larger than max (30000000 vs. 20971520)";
  EXPECT_EQ(ExitCodeOf(error), 4);
  EXPECT_EQ(DescribeError(error, {}).rfind("message too large", 0), 0u);
}

TEST(DescribeError, SaysWhenToTryAgainAndForWhichRequest) {
  client::Error error = ErrorOf(StatusCode::RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED");
  error.message = "12 tokens left of 30,000";
  error.retry_delay = std::chrono::milliseconds(1200);
  error.request_id = "01J";
  error.quota_violations = {{"bucket", "12 tokens left"}};
  EXPECT_EQ(DescribeError(error, {}),
            "quota exceeded: 12 tokens left of 30,000 (try again in 1.2 s) [request 01J]");
}

TEST(DescribeError, NamesFieldsAndNearModels) {
  client::Error error = ErrorOf(StatusCode::INVALID_ARGUMENT, "FIELD_INVALID");
  error.message = "the request is invalid";
  error.field_violations = {{"spec.sampling.temperature", "must be 0 to 2"}};
  EXPECT_EQ(DescribeError(error, {}),
            "invalid request: the request is invalid; spec.sampling.temperature: must be 0 to 2");
  error = ErrorOf(StatusCode::NOT_FOUND, "MODEL_UNKNOWN");
  error.message = "no model gpt-4p";
  error.metadata = {{"near", "gpt-4o,gpt-4"}};
  EXPECT_EQ(DescribeError(error, {}), "not found: no model gpt-4p (near: gpt-4o,gpt-4)");
}

TEST(DescribeError, HelpsWithoutAKeyAndWithoutAServer) {
  const std::string no_key = DescribeError(ErrorOf(StatusCode::UNAUTHENTICATED, "KEY_MISSING"),
                                           {.target = "t", .has_key = false});
  EXPECT_NE(no_key.find("--key"), std::string::npos);
  const std::string wrong_key = DescribeError(ErrorOf(StatusCode::UNAUTHENTICATED, "KEY_INVALID"),
                                              {.target = "t", .has_key = true});
  EXPECT_EQ(wrong_key.find("--key"), std::string::npos);
  const std::string no_server =
      DescribeError(ErrorOf(StatusCode::UNAVAILABLE), {.target = "host:1", .has_key = true});
  EXPECT_NE(no_server.find("(target host:1)"), std::string::npos);
}

TEST(DescribeError, IsOneSafeLineThatSaysNothingTwice) {
  client::Error error = ErrorOf(StatusCode::DEADLINE_EXCEEDED);
  error.message = "Deadline Exceeded";
  EXPECT_EQ(DescribeError(error, {}), "deadline exceeded");
  error.message = "a\nb\x1b[2J";
  EXPECT_EQ(DescribeError(error, {}), "deadline exceeded: a^Jb^[[2J");
}

}  // namespace
}  // namespace pingti::command
