// What of a stream is content: texts, citations, choices, log probabilities, tool calls.
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/strings.h"
#include "server/providers/openai/chunk_reader.h"
#include "tests/unit/providers/openai/stream_text.h"

namespace pingti::providers::openai {
namespace {

using testing::Choice;
using testing::Decode;
using testing::Delta;
using testing::Event;
using testing::Finish;
using ::testing::HasSubstr;
using testing::kDone;
using testing::kHi;
using testing::kHiStop;
using testing::kStop;
using testing::Tools;

// Content.

TEST(StreamContentTest, TakesContentInItsForms) {
  EXPECT_EQ(Decode(Delta(R"("content":null)") + Delta(R"("content":"")") + kHi + kStop), kHiStop);
  EXPECT_EQ(
      Decode(Delta(R"("content":[{"type":"text","text":"h"},{"type":"text","text":"i"}])") + kStop),
      kHiStop);
  EXPECT_EQ(Decode(Delta(R"("content":["h","i",{"type":"image"},{"text":null}])") + kStop),
            kHiStop);
  EXPECT_EQ(Decode(Event(R"({"choices":[{"delta":{"content":"hi"}}]})") + kStop), kHiStop);
  EXPECT_EQ(Decode(Choice(R"("delta":null)") + kHi + kStop), kHiStop);
}

TEST(StreamContentTest, TakesFieldsInAnyOrder) {
  EXPECT_EQ(Decode(Event(R"({"choices":[{"finish_reason":"stop","delta":{"content":"hi"},)"
                         R"("index":3}],"model":"m","id":"c"})")),
            "text 3 \"hi\"\nend 3 stop\nid \"c\"\nmodel \"m\"\n");
}

TEST(StreamContentTest, TakesReasoningUnderBothNames) {
  EXPECT_EQ(
      Decode(Delta(R"("content":null,"reasoning_content":"a")") + Delta(R"("reasoning":"b")") +
             Delta(R"("reasoning":"c","reasoning_content":"c")") + kHi + kStop),
      "reasoning 0 \"a\"\nreasoning 0 \"b\"\nreasoning 0 \"c\"\n" + kHiStop);
}

TEST(StreamContentTest, TakesRefusals) {
  EXPECT_EQ(Decode(Delta(R"("refusal":"I ")") + Delta(R"("refusal":"won't","content":null)") +
                   Delta(R"("content":[{"type":"refusal","refusal":"!"}],"refusal":null)") + kStop),
            "refusal 0 \"I \"\nrefusal 0 \"won't\"\nrefusal 0 \"!\"\nend 0 stop\n");
}

TEST(StreamContentTest, IgnoresYisOwnFields) {
  EXPECT_EQ(Decode(Event(R"({"choices":[{"delta":{"content":"hi"},"index":0}],"content":"hi",)"
                         R"("lastOne":false})") +
                   Event(R"({"choices":[{"delta":{},"index":0,"finish_reason":"stop"}],)"
                         R"("content":"","lastOne":true})") +
                   kDone),
            kHiStop);
}

TEST(StreamContentTest, TakesCitations) {
  std::string quote = R"([{"num":1,"url":"u1","title":"t1"},{"num":"2","url":"u2"}])";
  std::string wanted = "cite 0 [1] \"u1\" \"t1\"\ncite 0 [2] \"u2\" \"\"\n" + kHiStop;
  EXPECT_EQ(Decode(Delta("\"quote\":" + quote) + kHi + kStop), wanted);
  EXPECT_EQ(Decode(Choice("\"delta\":{},\"quote\":" + quote) + kHi + kStop), wanted);
  EXPECT_EQ(Decode(Delta("\"quote\":" + quote) + Delta("\"quote\":" + quote) + kHi + kStop),
            wanted);
  EXPECT_EQ(Decode(Delta(R"("quote":null)") + kHi + kStop), kHiStop);
}

TEST(StreamContentTest, TakesAnnotationsForCitations) {
  const std::string wanted = "cite 0 [] \"u1\" \"t1\"\ncite 0 [] \"u2\" \"\"\n" + kHiStop;
  const std::string one =
      R"({"type":"url_citation","url_citation":{"url":"u1","title":"t1","start_index":0}})";
  const std::string two = R"({"url_citation":{"url":"u2"},"type":"url_citation"})";
  EXPECT_EQ(Decode(Delta("\"annotations\":[" + one + "," + two + "]") + kHi + kStop), wanted);
  EXPECT_EQ(Decode(Delta("\"annotations\":[" + one + "]") +
                   Delta("\"annotations\":[" + one + "," + two + "]") + kHi + kStop),
            wanted);
  EXPECT_EQ(Decode(Delta(R"("annotations":[{"type":"url_citation","url":"u1","title":"t1"},)"
                         R"({"type":"url_citation","url":"u2"}])") +
                   kHi + kStop),
            wanted);
  for (const char* none :
       {"null", "[]", "7", "[7]", R"([{"type":"file_citation","file_citation":{"file_id":"f"}}])",
        R"([{"type":"url_citation","url_citation":null}])"}) {
    EXPECT_EQ(Decode(Delta(base::StrCat("\"annotations\":", none)) + kHi + kStop), kHiStop) << none;
  }
}

TEST(StreamContentTest, BoundsTheAnnotations) {
  std::string many;
  for (size_t i = 0; i <= kCitationsMax; ++i) {
    absl::StrAppend(&many, i > 0 ? "," : "", R"({"url":"u)", i, "\"}");
  }
  const std::string outcome = Decode(Delta("\"annotations\":[" + many + "]") + kHi + kStop);
  EXPECT_THAT(outcome, HasSubstr(absl::StrCat("\"u", kCitationsMax - 1, "\"")));
  EXPECT_THAT(outcome, ::testing::Not(HasSubstr(absl::StrCat("\"u", kCitationsMax, "\""))));
}

TEST(StreamContentTest, KeepsChoicesApart) {
  auto piece = [](int index, std::string_view text) {
    return Event(base::StrCat(R"({"choices":[{"index":)", index, R"(,"delta":{"content":")", text,
                              "\"}}]}"));
  };
  std::string both = Event(R"({"choices":[{"index":1,"delta":{},"finish_reason":"length"},)"
                           R"({"index":0,"delta":{"content":"!"},"finish_reason":"stop"}]})");
  EXPECT_EQ(Decode(piece(0, "a") + piece(1, "b") + piece(0, "c") + both + kDone),
            "text 0 \"a\"\ntext 1 \"b\"\ntext 0 \"c\"\ntext 0 \"!\"\nend 1 length\nend 0 stop\n");
}

TEST(StreamContentTest, TakesAWholeMessageWhereNoPieceCameBefore) {
  std::string whole = Choice(R"("message":{"content":"hi"},"finish_reason":"stop")");
  EXPECT_EQ(Decode(whole + kDone), kHiStop);
  EXPECT_EQ(Decode(kHi + whole + kDone), kHiStop);
}

TEST(StreamContentTest, AttachesLogprobs) {
  std::string logprobs =
      R"("logprobs":{"content":[{"token":"hi","logprob":-0.5,"bytes":[104,105],"top_logprobs":)"
      R"([{"token":"hi","logprob":-0.5,"bytes":[104,105]},{"token":"yo","logprob":-2}]}]})";
  EXPECT_EQ(Decode(Choice(R"("delta":{"content":"hi"},)" + logprobs) + kStop),
            "text 0 \"hi\"\nlogprob 0 \"hi\" -0.5 bytes=0 alternatives=2\nend 0 stop\n");
  EXPECT_EQ(Decode(Choice(R"("delta":{"content":"hi"},"logprobs":null)") + kStop), kHiStop);
}

TEST(StreamContentTest, KeepsTheLogprobsOfTokensWithoutTextForTheNextText) {
  std::string half =
      Choice(R"("delta":{"content":""},"logprobs":{"content":[{"token":"\ufffd","logprob":-1,)"
             R"("bytes":[228,189]}]})");
  EXPECT_EQ(Decode(half + kHi + kStop),
            "text 0 \"hi\"\nlogprob 0 \"\xEF\xBF\xBD\" -1 bytes=2 alternatives=0\nend 0 stop\n");
  EXPECT_EQ(Decode(half + kStop),
            "text 0 \"\"\nlogprob 0 \"\xEF\xBF\xBD\" -1 bytes=2 alternatives=0\nend 0 stop\n");
}

// Tool calls.

TEST(StreamContentTest, DecodesToolCalls) {
  EXPECT_EQ(
      Decode(Tools(R"({"index":0,"id":"c1","type":"function","function":{"name":"f",)"
                   R"("arguments":""}})") +
             Tools(R"({"index":0,"function":{"arguments":"{\"a\""}})") +
             Tools(R"({"index":0,"function":{"arguments":":1}"}})") + Finish("tool_calls") + kDone),
      "tool 0 #0 id=\"c1\" name=\"f\" args=\"\"\n"
      "tool 0 #0 id=\"\" name=\"\" args=\"{\"a\"\"\n"
      "tool 0 #0 id=\"\" name=\"\" args=\":1}\"\nend 0 tool_calls\n");
}

TEST(StreamContentTest, TakesToolCallsThatFinishWithStop) {
  EXPECT_THAT(Decode(Tools(R"({"index":0,"id":"c1","function":{"name":"f"}})") + kStop),
              HasSubstr("end 0 tool_calls\n"));
}

TEST(StreamContentTest, TakesAFunctionCallForAToolCall) {
  auto call = [](std::string_view fields) {
    return Delta(base::StrCat(R"("function_call":{)", fields, "}"));
  };
  const std::string wanted =
      "tool 0 #0 id=\"function_call\" name=\"f\" args=\"{\"\n"
      "tool 0 #0 id=\"\" name=\"\" args=\"}\"\nend 0 tool_calls\n";
  const std::string first = call(R"("name":"f","arguments":"{")");
  for (const char* finish : {"function_call", "stop"}) {
    EXPECT_EQ(Decode(first + call(R"("arguments":"}")") + Finish(finish)), wanted);
    EXPECT_EQ(Decode(first + call(R"("name":"f","arguments":"}")") + Finish(finish)), wanted);
  }
  for (const char* none : {"null", "{}", "\"\"", "[]", R"({"name":"","arguments":""})"}) {
    EXPECT_EQ(Decode(Delta(base::StrCat("\"function_call\":", none)) + kHi + kStop), kHiStop)
        << none;
  }
  // The same call in both forms is one.
  EXPECT_EQ(Decode(Delta(R"("function_call":{"name":"f","arguments":"{}"},"tool_calls":)"
                         R"([{"index":0,"id":"c1","function":{"name":"f","arguments":"{}"}}])") +
                   Finish("tool_calls")),
            "tool 0 #0 id=\"c1\" name=\"f\" args=\"{}\"\nend 0 tool_calls\n");
  EXPECT_THAT(Decode(call(R"("name":7)") + kStop), HasSubstr("failure malformed\n"));
}

TEST(StreamContentTest, GivesArgumentsAsTheyAre) {
  EXPECT_EQ(
      Decode(Tools(R"({"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\": nope"}})") +
             Finish("length")),
      "tool 0 #0 id=\"c1\" name=\"f\" args=\"{\"a\": nope\"\nend 0 length\n");
  EXPECT_EQ(
      Decode(Tools(R"({"index":0,"id":"c1","function":{"name":"f","arguments":{"a":[1, 2]} }})") +
             Finish("tool_calls")),
      "tool 0 #0 id=\"c1\" name=\"f\" args=\"{\"a\":[1, 2]}\"\nend 0 tool_calls\n");
}

// Text that is hard to write down.

TEST(StreamContentTest, JoinsSurrogatesAcrossDeltas) {
  std::string first = Delta(R"("content":"a\ud83d")");
  std::string second = Delta(R"("content":"\ude00b")");
  EXPECT_EQ(Decode(first + second + kStop),
            "text 0 \"a\"\ntext 0 \"\xF0\x9F\x98\x80"
            "b\"\nend 0 stop\n");
  EXPECT_EQ(Decode(first + kHi + kStop), "text 0 \"a\"\ntext 0 \"\xEF\xBF\xBDhi\"\nend 0 stop\n");
  EXPECT_EQ(Decode(first + kStop), "text 0 \"a\"\ntext 0 \"\xEF\xBF\xBD\"\nend 0 stop\n");
  EXPECT_EQ(Decode(first), "text 0 \"a\"\ntext 0 \"\xEF\xBF\xBD\"\nfailure cut\n");
}

TEST(StreamContentTest, KeepsTheHalvesOfDifferentTextsApart) {
  EXPECT_EQ(Decode(Delta(R"("reasoning":"\ud83d","content":"\ud83d")") +
                   Delta(R"("content":"\ude00")") + Delta(R"("reasoning":"\ude01")") + kStop),
            "text 0 \"\xF0\x9F\x98\x80\"\nreasoning 0 \"\xF0\x9F\x98\x81\"\nend 0 stop\n");
}

}  // namespace
}  // namespace pingti::providers::openai
