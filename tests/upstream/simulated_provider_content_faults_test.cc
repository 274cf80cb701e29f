// What the simulated provider's faults of contents and its refusals look like on the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/upstream/provider_fixture.h"
#include "tests/upstream/test_client.h"

namespace pingti::upstream {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ContentFaultsTest : public ProviderTest {
 protected:
  static Response Get(std::string_view fault, bool stream) {
    return Chat(port(), ChatBody("Hello[sim:fault=" + std::string(fault) + "]", stream));
  }
};

TEST_F(ContentFaultsTest, AnswersAreWhole) {
  // 52lone is no JSON for whoever is strict.
  for (const char* fault :
       {"45", "46", "47", "48", "48empty", "49", "50", "50cut", "51", "52", "52arguments"}) {
    const Response stream = Get(fault, true);
    EXPECT_EQ(stream.ended, HowEnded::kComplete) << fault;
    EXPECT_THAT(stream.body, Not(HasSubstr("[simulated]"))) << fault;
    EXPECT_TRUE(Summarize(ParseSse(stream.body)).done) << fault;
    const JsonDocument answer = Json(Get(fault, false).body);
    EXPECT_EQ(answer["choices"].Size(), 1u) << fault;
    EXPECT_GT(answer["usage"]["completion_tokens"].GetInt(), 0) << fault;
    EXPECT_STREQ(answer["choices"][0]["finish_reason"].GetString(),
                 Summarize(ParseSse(stream.body)).finish_reason.c_str())
        << fault;
  }
}

TEST_F(ContentFaultsTest, PutsToolCallsTogetherOddly) {
  EXPECT_THAT(Get("46", true).body, Not(HasSubstr(R"("tool_calls":[{"index")")));
  EXPECT_THAT(Get("47", true).body, Not(HasSubstr(R"("tool_calls":[{"index":1)")));
  EXPECT_THAT(Get("48", true).body, HasSubstr(R"([{"index":1,"id":"call_2","type":"function",)"
                                              R"("function":{"arguments":"{\"zone)"));
  EXPECT_THAT(Get("48empty", true).body, HasSubstr(R"("id":"")"));
  EXPECT_THAT(Get("49", true).body, HasSubstr(R"("finish_reason":"stop")"));
  EXPECT_THAT(Get("50", true).body, HasSubstr(R"(Paris, }})"));
  EXPECT_THAT(Get("50cut", true).body, HasSubstr(R"("finish_reason":"length")"));
  EXPECT_STREQ(
      Json(Get("51", false).body)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
          .GetString(),
      "");
}

TEST_F(ContentFaultsTest, TearsSurrogatePairsApart) {
  EXPECT_THAT(Get("52", true).body, HasSubstr(R"("content":"a\ud83d")"));
  EXPECT_THAT(Get("52", true).body, HasSubstr(R"("content":"\ude00b")"));
  EXPECT_THAT(Get("52lone", false).body, HasSubstr(R"("content":"a\ud83db\ude00c\ud83d")"));
  EXPECT_THAT(Get("52arguments", true).body, HasSubstr(R"("arguments":"\ude00)"));
}

TEST_F(ContentFaultsTest, SaysWhenToComeBackInEveryForm) {
  for (const bool stream : {true, false}) {
    auto said = [&](const char* fault, const char* header = "retry-after") {
      Response response = Get(fault, stream);
      EXPECT_EQ(response.status, std::string_view(fault) == "33busy" ? 503 : 429) << fault;
      EXPECT_TRUE(Json(response.body).HasMember("error")) << fault;
      return response.headers.contains(header) ? response.headers[header] : "(none)";
    };
    EXPECT_EQ(said("33"), "7");
    EXPECT_EQ(said("33fraction"), "1.5");
    EXPECT_THAT(said("33date"), ::testing::MatchesRegex("[A-Z]..,.*:.*GMT"));
    EXPECT_THAT(said("33date850"), ::testing::MatchesRegex("[A-Z].*day, .*-.*-.*GMT"));
    EXPECT_THAT(said("33datec"), ::testing::MatchesRegex("[A-Z].. [A-Z].*:.* 20.."));
    EXPECT_THAT(said("33past"), HasSubstr("GMT"));
    EXPECT_EQ(said("33far"), "274579");
    EXPECT_EQ(said("33garbage"), "soon, perhaps");
    EXPECT_EQ(said("33ms"), "3");
    EXPECT_EQ(said("33ms", "retry-after-ms"), "2500");
    EXPECT_EQ(said("33no", "x-should-retry"), "false");
    EXPECT_EQ(said("33yes", "x-should-retry"), "true");
    EXPECT_EQ(said("33busy"), "274579");
    EXPECT_EQ(said("35"), "(none)");
  }
}

TEST_F(ContentFaultsTest, RefusesByStatus) {
  struct Case {
    const char* fault;
    int status;
    const char* code;  // of the error; "(none)": null
  };
  for (const Case& c : {Case{"34", 429, "rate_limit_exceeded"},
                        {"34account", 429, "insufficient_quota"},
                        {"34minute", 429, "insufficient_quota"},
                        {"36", 401, "invalid_api_key"},
                        {"36key", 403, "(none)"},
                        {"36context", 400, "context_length_exceeded"},
                        {"36large", 413, "request_too_large"},
                        {"36wrong", 422, "unprocessable_entity"}}) {
    const Response response = Get(c.fault, true);
    EXPECT_EQ(response.status, c.status) << c.fault;
    EXPECT_STREQ(Json(response.body)["error"]["code"].GetString(), c.code) << c.fault;
  }
}

TEST_F(ContentFaultsTest, ClosesWithoutAnAnswer) {
  const Response response = Get("59", true);
  EXPECT_EQ(response.ended, HowEnded::kEof);
  EXPECT_EQ(response.raw, "");
}

}  // namespace
}  // namespace pingti::upstream
