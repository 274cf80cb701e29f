#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/strings.h"
#include "server/providers/openai/dialect.h"

namespace pingti::providers::openai {
namespace {

using model::Failure;
using model::FailureClass;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(784111777);

Failure Classify(int status, std::string_view body, std::string_view type = "application/json",
                 std::string_view retry_after = "", std::string_view retry_after_ms = "") {
  return NewOpenAiDialect()->Classify(status, type, body, retry_after, retry_after_ms, kNow);
}

std::string ClassOf(int status, std::string_view body, std::string_view type = "application/json") {
  return std::string(model::FailureClassName(Classify(status, body, type).failure_class));
}

// The body of an error in OpenAI's shape.
std::string Error(std::string_view code, std::string_view type, std::string_view message = "m") {
  return base::StrCat(R"({"error":{"message":")", message, R"(","type":")", type,
                      R"(","param":null,"code":)",
                      code.empty() ? std::string("null") : base::StrCat("\"", code, "\""), "}}");
}

TEST(ClassifyTest, TellsThe429sApart) {
  EXPECT_EQ(ClassOf(429, Error("rate_limit_exceeded", "tokens", "Rate limit reached")),
            "rate_limited");
  EXPECT_EQ(ClassOf(429, Error("", "rate_limit_reached_error")), "rate_limited");
  EXPECT_EQ(ClassOf(429, Error("insufficient_quota", "insufficient_quota")), "out_of_credit");
  EXPECT_EQ(ClassOf(429, Error("", "exceeded_current_quota_error")), "out_of_credit");
  EXPECT_EQ(ClassOf(429, Error("", "engine_overloaded_error")), "overloaded");
  EXPECT_EQ(ClassOf(429, ""), "rate_limited");
  EXPECT_EQ(ClassOf(429, "error code: 1015", "text/plain"), "rate_limited");
  EXPECT_EQ(ClassOf(429, "<html></html>", "text/html"), "rate_limited");
}

TEST(ClassifyTest, TakesARequestOverTheWholeLimitForABadOne) {
  EXPECT_EQ(ClassOf(429, Error("rate_limit_exceeded", "tokens",
                               "Request too large for m: Limit 30000, Requested 31538.")),
            "bad_request");
}

TEST(ClassifyTest, KnowsZhipusNumbers) {
  auto zhipu = [](int status, std::string_view code) {
    return ClassOf(status, base::StrCat(R"({"error":{"code":")", code, R"(","message":"m"}})"));
  };
  EXPECT_EQ(zhipu(401, "1002"), "bad_key");
  EXPECT_EQ(zhipu(429, "1113"), "out_of_credit");
  EXPECT_EQ(zhipu(429, "1304"), "out_of_credit");
  EXPECT_EQ(zhipu(429, "1302"), "rate_limited");
  EXPECT_EQ(zhipu(429, "1305"), "overloaded");
  EXPECT_EQ(zhipu(400, "1211"), "model_not_found");
  EXPECT_EQ(zhipu(400, "1261"), "context_too_long");
  EXPECT_EQ(zhipu(400, "1301"), "content_filtered");
}

TEST(ClassifyTest, KnowsDashScope) {
  EXPECT_EQ(ClassOf(400, R"({"code":"Arrearage","message":"Access denied","request_id":"r"})"),
            "out_of_credit");
  EXPECT_EQ(ClassOf(429, R"({"code":"Throttling.RateQuota","message":"Requests rate limit"})"),
            "rate_limited");
  EXPECT_EQ(ClassOf(429, Error("insufficient_quota", "insufficient_quota",
                               "Allocated quota exceeded, please increase your quota limit.")),
            "rate_limited");
  EXPECT_EQ(ClassOf(403, Error("AllocationQuota.FreeTierOnly", "x")), "out_of_credit");
  EXPECT_EQ(ClassOf(400, Error("data_inspection_failed", "x")), "content_filtered");
  EXPECT_EQ(ClassOf(400, Error("invalid_parameter_error", "invalid_request_error",
                               "Range of input length should be [1, 6000]")),
            "context_too_long");
}

TEST(ClassifyTest, KnowsVolcengineAndMiniMax) {
  EXPECT_EQ(ClassOf(403, Error("AccountOverdueError", "Forbidden")), "out_of_credit");
  EXPECT_EQ(ClassOf(404, Error("ModelNotOpen", "NotFound")), "model_not_found");
  EXPECT_EQ(ClassOf(400, Error("InputTextRiskDetection", "BadRequest")), "content_filtered");
  EXPECT_EQ(ClassOf(429, Error("RateLimitExceeded.EndpointTPMExceeded", "TooManyRequests")),
            "rate_limited");
  auto minimax = [](std::string_view code) {
    return ClassOf(200, base::StrCat(R"({"base_resp":{"status_code":)", code, "}}"));
  };
  EXPECT_EQ(minimax("1002"), "rate_limited");
  EXPECT_EQ(minimax("1004"), "bad_key");
  EXPECT_EQ(minimax("1008"), "out_of_credit");
  EXPECT_EQ(minimax("1027"), "content_filtered");
  EXPECT_EQ(minimax("1000"), "server_error");
}

TEST(ClassifyTest, KnowsARegionBlock) {
  EXPECT_EQ(ClassOf(403, Error("unsupported_country_region_territory", "request_forbidden",
                               "Country, region, or territory not supported")),
            "region_blocked");
}

TEST(ClassifyTest, KnowsKeysAndModelsAndContexts) {
  EXPECT_EQ(ClassOf(401, Error("invalid_api_key", "invalid_request_error")), "bad_key");
  EXPECT_EQ(ClassOf(401, ""), "bad_key");
  EXPECT_EQ(ClassOf(403, Error("", "permission_error")), "bad_key");
  EXPECT_EQ(ClassOf(404, Error("model_not_found", "invalid_request_error")), "model_not_found");
  EXPECT_EQ(ClassOf(400, Error("", "invalid_request_error", "Model Not Exist")), "model_not_found");
  EXPECT_EQ(ClassOf(400, Error("context_length_exceeded", "invalid_request_error")),
            "context_too_long");
  EXPECT_EQ(ClassOf(400, Error("", "invalid_request_error",
                               "This model's maximum context length is 16384 tokens.")),
            "context_too_long");
  EXPECT_EQ(ClassOf(400, Error("", "invalid_request_error",
                               "Invalid request: Your request exceeded model token limit: 8192")),
            "context_too_long");
  EXPECT_EQ(ClassOf(402, Error("", "unknown_error", "Insufficient Balance")), "out_of_credit");
}

TEST(ClassifyTest, TakesYisFieldsAtTopLevel) {
  EXPECT_EQ(
      ClassOf(400, R"({"code":"context_length_exceeded","message":"m","type":"t","param":null})"),
      "context_too_long");
}

TEST(ClassifyTest, GoesByTheStatusWhereTheBodySaysNothing) {
  for (auto [status, name] : {std::pair(301, "server_error"), std::pair(400, "bad_request"),
                              std::pair(402, "out_of_credit"), std::pair(403, "bad_key"),
                              std::pair(404, "model_not_found"), std::pair(405, "bad_request"),
                              std::pair(408, "server_error"), std::pair(413, "bad_request"),
                              std::pair(422, "bad_request"), std::pair(500, "server_error"),
                              std::pair(502, "server_error"), std::pair(503, "overloaded"),
                              std::pair(520, "server_error"), std::pair(524, "server_error"),
                              std::pair(529, "overloaded")}) {
    for (std::string_view body : {"", "{}", "not json", "{\"error\":null}", "{\"detail\":[1]}"}) {
      EXPECT_EQ(ClassOf(status, body), name) << status << " " << body;
    }
  }
  EXPECT_EQ(ClassOf(503, Error("", "server_error", "The engine is currently overloaded")),
            "overloaded");
}

TEST(ClassifyTest, TakesErrorsInOtherShapes) {
  EXPECT_EQ(ClassOf(400, R"({"error":"prompt is too long"})"), "context_too_long");
  EXPECT_EQ(ClassOf(400, R"({"detail":"maximum context length"})"), "context_too_long");
  EXPECT_EQ(ClassOf(429, R"([{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}])"),
            "rate_limited");
  EXPECT_EQ(ClassOf(400, R"({"type":"error","error":{"type":"overloaded_error","message":"m"}})"),
            "overloaded");
}

TEST(ClassifyTest, TakesPagesForServerErrors) {
  std::string page = "<!DOCTYPE html><html><body>secret page</body></html>";
  for (int status : {200, 302, 403, 404, 500, 502, 520}) {
    EXPECT_EQ(ClassOf(status, page, "text/html; charset=utf-8"), "server_error") << status;
    EXPECT_EQ(ClassOf(status, "\n " + page, ""), "server_error") << status;
  }
  EXPECT_EQ(ClassOf(503, page, "text/html"), "overloaded");
  EXPECT_EQ(ClassOf(401, page, "text/html"), "bad_key");
}

TEST(ClassifyTest, JudgesA200ThatIsNoStream) {
  EXPECT_EQ(ClassOf(200, R"({"error":{"message":"busy","type":"overloaded_error"}})"),
            "overloaded");
  EXPECT_EQ(ClassOf(200, R"({"error":{"message":"m","type":"invalid_request_error"}})"),
            "bad_request");
  EXPECT_EQ(ClassOf(200, R"({"error":{"message":"m","code":"429"}})"), "rate_limited");
  EXPECT_EQ(ClassOf(200, R"({"error":{"message":"m"}})"), "server_error");
  EXPECT_EQ(ClassOf(200, R"({"code":500,"msg":"404 NOT_FOUND","success":false})"), "server_error");
  EXPECT_EQ(ClassOf(200, R"({"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]})"),
            "malformed");
  EXPECT_EQ(ClassOf(200, ""), "malformed");
}

TEST(ClassifyTest, FindsTheWait) {
  EXPECT_EQ(Classify(429, "", "", "7").retry_after, absl::Seconds(7));
  EXPECT_EQ(Classify(429, "", "", "7", "250").retry_after, absl::Milliseconds(250));
  EXPECT_EQ(Classify(503, "<html>", "text/html", "Sun, 06 Nov 1994 08:49:47 GMT").retry_after,
            absl::Seconds(10));
  std::string body = Error("rate_limit_exceeded", "requests", "Please try again in 7m12s. Visit x");
  EXPECT_EQ(Classify(429, body).retry_after, absl::Seconds(432));
  EXPECT_EQ(Classify(429, body, "application/json", "3").retry_after, absl::Seconds(3));
  EXPECT_EQ(Classify(429, "").retry_after, std::nullopt);
  EXPECT_EQ(Classify(400, Error("", "x", "try again in 5s")).retry_after, std::nullopt);
}

TEST(ClassifyTest, KeepsTheProvidersWordsOutOfTheMessage) {
  Failure failure = Classify(401, Error("invalid_api_key", "x", "Incorrect API key: sk-abcdef"));
  EXPECT_EQ(failure.upstream_status, 401);
  EXPECT_THAT(failure.message, Not(HasSubstr("Incorrect")));
  EXPECT_THAT(failure.upstream_text, HasSubstr("Incorrect API key"));
  EXPECT_THAT(failure.upstream_text, Not(HasSubstr("abcdef")));
  EXPECT_LE(Classify(500, std::string(100'000, 'x')).upstream_text.size(), 256u);
}

TEST(ClassifyTest, SurvivesHugeBodies) {
  std::string body =
      R"({"error":{"code":"insufficient_quota","message":")" + std::string(2 << 20, 'x') + "\"}}";
  EXPECT_EQ(ClassOf(429, body), "rate_limited");
  EXPECT_EQ(ClassOf(500, std::string(1 << 20, '[')), "server_error");
}

}  // namespace
}  // namespace pingti::providers::openai
