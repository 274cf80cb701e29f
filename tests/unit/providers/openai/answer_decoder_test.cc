#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/strings.h"
#include "server/providers/openai/dialect.h"
#include "tests/unit/providers/describe.h"

namespace pingti::providers::openai {
namespace {

using testing::Describe;

std::string DecodeBody(std::string_view body, std::string_view type = "application/json") {
  auto result = NewOpenAiDialect()->DecodeAnswer(type, body);
  if (auto* failure = std::get_if<model::Failure>(&result)) return Describe(*failure);
  return Describe(std::get<model::Answer>(result));
}

// An answer whose only choice has `fields`.
std::string BodyWithChoice(std::string_view fields) {
  return base::StrCat(R"({"choices":[{"index":0,)", fields, "}]}");
}
std::string BodyWithMessage(std::string_view fields) {
  return BodyWithChoice(
      base::StrCat(R"("message":{"role":"assistant",)", fields, R"(},"finish_reason":"stop")"));
}

const std::string kSaysHi = "text 0 \"hi\"\nend 0 stop\n";

TEST(AnswerDecoderTest, DecodesAnOrdinaryAnswer) {
  EXPECT_EQ(
      DecodeBody(R"({"id":"cmpl-1","object":"chat.completion","created":1858403,"model":"yi",)"
                 R"("choices":[{"index":0,"message":{"role":"assistant","content":"hi"},)"
                 R"("logprobs":null,"finish_reason":"stop"}],)"
                 R"("usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}})"),
      kSaysHi + "id \"cmpl-1\"\nmodel \"yi\"\nusage in=5 out=1 cached=0 reasoning=0\n");
}

TEST(AnswerDecoderTest, DecodesEveryKindOfContent) {
  EXPECT_EQ(DecodeBody(BodyWithChoice(
                R"("message":{"content":"t","reasoning_content":"r","refusal":"no","tool_calls":)"
                R"([{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},)"
                R"({"id":"b","function":{"name":"g","arguments":{"y":2}}}]},)"
                R"("quote":[{"num":"1","url":"u","title":"t"}],"logprobs":{"content":)"
                R"([{"token":"t","logprob":-1.5,"bytes":[116],"top_logprobs":[]}]},)"
                R"("finish_reason":"tool_calls")")),
            "reasoning 0 \"r\"\ntext 0 \"t\"\nlogprob 0 \"t\" -1.5 bytes=0 alternatives=0\n"
            "refusal 0 \"no\"\ntool 0 #0 id=\"a\" name=\"f\" args=\"{\"x\":1}\"\n"
            "tool 0 #1 id=\"b\" name=\"g\" args=\"{\"y\":2}\"\ncite 0 [1] \"u\" \"t\"\n"
            "end 0 tool_calls\n");
}

TEST(AnswerDecoderTest, TakesAFunctionCallAndAnnotations) {
  EXPECT_EQ(DecodeBody(BodyWithChoice(
                R"("message":{"content":null,"tool_calls":[],"function_call":)"
                R"({"name":"f","arguments":"{\"x\":1}"},"annotations":[{"type":"url_citation",)"
                R"("url_citation":{"url":"u","title":"t"}}]},"finish_reason":"function_call")")),
            "tool 0 #0 id=\"function_call\" name=\"f\" args=\"{\"x\":1}\"\n"
            "cite 0 [] \"u\" \"t\"\nend 0 tool_calls\n");
}

TEST(AnswerDecoderTest, OrdersChoices) {
  EXPECT_EQ(
      DecodeBody(R"({"choices":[{"index":1,"message":{"content":"b"},"finish_reason":"length"},)"
                 R"({"index":0,"message":{"content":"a"},"finish_reason":"stop"}]})"),
      "text 0 \"a\"\nend 0 stop\ntext 1 \"b\"\nend 1 length\n");
  EXPECT_EQ(DecodeBody(R"({"choices":[{"message":{"content":"a"},"finish_reason":"stop"},)"
                       R"({"message":{"content":"b"},"finish_reason":"stop"}]})"),
            "text 0 \"a\"\nend 0 stop\ntext 1 \"b\"\nend 1 stop\n");
  EXPECT_EQ(DecodeBody(R"({"choices":[{"index":0,"message":{},"finish_reason":"stop"},)"
                       R"({"index":0,"message":{},"finish_reason":"stop"}]})"),
            "failure malformed\n");
}

TEST(AnswerDecoderTest, ReplacesLoneSurrogates) {
  EXPECT_EQ(DecodeBody(BodyWithMessage(R"("content":"\ud83d\ude00 \ud83d")")),
            "text 0 \"\xF0\x9F\x98\x80 \xEF\xBF\xBD\"\nend 0 stop\n");
}

TEST(AnswerDecoderTest, TakesAFinishWithoutText) {
  EXPECT_EQ(
      DecodeBody(BodyWithChoice(R"("message":{"content":null},"finish_reason":"content_filter")")),
      "end 0 content_filter\n");
}

TEST(AnswerDecoderTest, TakesABlockedPromptForFilteredContent) {
  EXPECT_EQ(DecodeBody(R"({"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[]},)"
                       R"("usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}})"),
            "end 0 content_filter\nusage in=9 out=0 cached=0 reasoning=0\n");
  EXPECT_EQ(DecodeBody(R"({"choices":[],"prompt_feedback":{"block_reason":"OTHER"}})"),
            "end 0 content_filter\n");
}

TEST(AnswerDecoderTest, TakesFeedbackWithoutABlockForNothing) {
  for (const char* feedback : {R"({"safetyRatings":[]})", R"({"blockReason":""})", "null",
                               R"({"blockReason":null})", R"({"blockReason":7})", "[]"}) {
    const std::string field = std::string(R"("promptFeedback":)") + feedback;
    EXPECT_EQ(DecodeBody("{" + field + "}"), "failure malformed\n") << feedback;
    EXPECT_EQ(DecodeBody("{" + field + R"(,"choices":[{"message":{"content":"hi"},)" +
                         R"("finish_reason":"stop"}]})"),
              "text 0 \"hi\"\nend 0 stop\n")
        << feedback;
  }
}

TEST(AnswerDecoderTest, ReadsUsageMetadata) {
  const std::string choice = R"({"choices":[{"message":{"content":"hi"},"finish_reason":"STOP"}],)";
  EXPECT_EQ(DecodeBody(choice + R"("usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2,)"
                                R"("thoughtsTokenCount":5,"cachedContentTokenCount":4,)"
                                R"("totalTokenCount":16}})"),
            "text 0 \"hi\"\nend 0 stop\nusage in=9 out=7 cached=4 reasoning=5\n");
  EXPECT_EQ(
      DecodeBody(choice + R"("usage":{"prompt_tokens":3,"completion_tokens":1},)"
                          R"("usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2}})"),
      "text 0 \"hi\"\nend 0 stop\nusage in=3 out=1 cached=0 reasoning=0\n");
}

TEST(AnswerDecoderTest, MakesUpNoFinish) {
  EXPECT_EQ(DecodeBody(BodyWithChoice(R"("message":{"content":"hi"})")), "failure cut\n");
  EXPECT_EQ(DecodeBody(BodyWithChoice(R"("message":{"content":"hi"},"finish_reason":null)")),
            "failure cut\n");
  EXPECT_EQ(
      DecodeBody(BodyWithChoice(R"("message":{"content":"hi"},"finish_reason":"network_error")")),
      "failure server_error\n");
}

TEST(AnswerDecoderTest, FindsErrorsInAnswers) {
  EXPECT_EQ(DecodeBody(R"({"error":{"message":"m","type":"overloaded_error"}})"),
            "failure overloaded\n");
  EXPECT_EQ(DecodeBody(R"({"error":"no"})"), "failure server_error\n");
  EXPECT_EQ(DecodeBody(R"({"base_resp":{"status_code":1002,"status_msg":"m"},"choices":null})"),
            "failure rate_limited\n");
}

TEST(AnswerDecoderTest, RefusesWhatIsNoAnswer) {
  for (std::string_view body :
       {"", " \n\n", "{}", "[]", "null", "hello", R"({"choices":[]})", R"({"choices":null})",
        R"({"choices":[{"index":0)", R"({"choices":[{"message":"hi","finish_reason":"stop"}]})",
        R"({"choices":[{"message":{"content":1},"finish_reason":"stop"}]})"}) {
    EXPECT_EQ(DecodeBody(body), "failure malformed\n") << body;
  }
  EXPECT_EQ(DecodeBody("<html>"), "failure server_error\n");
  EXPECT_EQ(DecodeBody("login", "text/html"), "failure server_error\n");
  EXPECT_EQ(DecodeBody(BodyWithMessage("\"content\":\"\xFF\"")), "failure malformed\n");
}

TEST(AnswerDecoderTest, TakesBlankLinesThatKeptTheConnectionAlive) {
  EXPECT_EQ(DecodeBody("\n\n\r\n" + BodyWithMessage(R"("content":"hi")") + "\n"), kSaysHi);
  EXPECT_EQ(DecodeBody("\xEF\xBB\xBF" + BodyWithMessage(R"("content":"hi")")), kSaysHi);
}

TEST(AnswerDecoderTest, PutsAStreamTogetherThatNobodyAskedFor) {
  std::string stream =
      "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\"}}]}\n\n"
      "data: {\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\","
      "\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[{\"index\":0,"
      "\"function\":{\"arguments\":\"}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"i\"},"
      "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
  std::string wanted =
      "text 0 \"hi\"\nend 0 stop\ntool 1 #0 id=\"a\" name=\"f\" args=\"{}\"\nend 1 tool_calls\n"
      "id \"c\"\nusage in=1 out=2 cached=0 reasoning=0\n";
  EXPECT_EQ(DecodeBody(stream + "data: [DONE]\n\n"), wanted);
  EXPECT_EQ(DecodeBody(": ping\n\n" + stream, "text/event-stream"), wanted);
  EXPECT_EQ(DecodeBody(stream.substr(0, stream.size() / 2)), "failure cut\n");
  EXPECT_EQ(DecodeBody("id: 1\n" + stream, "text/event-stream; charset=utf-8"), wanted);
}

}  // namespace
}  // namespace pingti::providers::openai
