#include "server/providers/openai/stream_decoder.h"

#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/strings.h"
#include "server/providers/openai/dialect.h"
#include "tests/unit/providers/openai/stream_text.h"

namespace pingti::providers::openai {
namespace {

using testing::Choice;
using testing::Decode;
using testing::Event;
using testing::Finish;
using ::testing::HasSubstr;
using testing::kDone;
using testing::kHi;
using testing::kHiStop;
using testing::kStop;
using ::testing::StartsWith;
using testing::Tools;
using testing::Usage;

TEST(StreamDecoderTest, DecodesAnOrdinaryStream) {
  std::string stream =
      Event(R"({"id":"c-1","model":"m","choices":[{"index":0,"delta":{"role":"assistant",)"
            R"("content":""},"finish_reason":null}],"usage":null})") +
      kHi + kStop + Usage(R"({"prompt_tokens":3,"completion_tokens":1,"total_tokens":4})") + kDone;
  EXPECT_EQ(Decode(stream),
            kHiStop + "id \"c-1\"\nmodel \"m\"\n" + "usage in=3 out=1 cached=0 reasoning=0\n");
}

TEST(StreamDecoderTest, SaysWhenTheTerminatorHasCome) {
  auto dialect = NewOpenAiDialect();
  auto decoder = dialect->NewStreamDecoder({});
  dialect.reset();  // a decoder may outlive it
  model::StreamEvents events;
  EXPECT_FALSE(decoder->Feed(kHi + kStop, &events).has_value());
  EXPECT_FALSE(decoder->terminated());
  EXPECT_FALSE(decoder->Feed(kDone + "data: {broken\n\n", &events).has_value());
  EXPECT_TRUE(decoder->terminated());
  EXPECT_FALSE(decoder->Feed("data: {broken\n\n", &events).has_value());
  EXPECT_FALSE(decoder->End(&events).has_value());
}

// Termination.

TEST(StreamDecoderTest, TakesAFinishWithoutDoneForComplete) {
  EXPECT_EQ(Decode(kHi + kStop), kHiStop);
}

TEST(StreamDecoderTest, TakesWhatHasNeitherForCut) {
  EXPECT_EQ(Decode(kHi), "text 0 \"hi\"\nfailure cut\n");
  EXPECT_EQ(Decode(kHi + ": ping\n\n"), "text 0 \"hi\"\nfailure cut\n");
}

TEST(StreamDecoderTest, MakesUpNoFinishForDone) {
  EXPECT_EQ(Decode(kHi + kDone), "text 0 \"hi\"\nfailure cut\n");
}

TEST(StreamDecoderTest, WantsAFinishForEveryChoiceThatBegan) {
  std::string other = Event(R"({"choices":[{"index":1,"delta":{"content":"yo"}}]})");
  EXPECT_EQ(Decode(kHi + other + kStop + kDone),
            "text 0 \"hi\"\ntext 1 \"yo\"\nend 0 stop\nfailure cut\n");
}

TEST(StreamDecoderTest, TakesNothingForMalformed) {
  EXPECT_EQ(Decode(""), "failure malformed\n");
  EXPECT_EQ(Decode("\n\n"), "failure malformed\n");
  EXPECT_EQ(Decode(kDone), "failure malformed\n");
  EXPECT_EQ(Decode(Usage("null") + kDone), "failure malformed\n");
  EXPECT_EQ(Decode(R"({"choices":[{"index":0,"message":{"content":"hi"}}]})"),
            "failure malformed\n");
}

TEST(StreamDecoderTest, TakesAStreamThatBeganWithoutAChoiceForCut) {
  EXPECT_EQ(Decode(Usage("null")), "failure cut\n");
}

TEST(StreamDecoderTest, CountsTheLastEventWithoutItsBlankLine) {
  std::string stop = kStop;
  stop.resize(stop.size() - 2);
  EXPECT_EQ(Decode(kHi + stop), kHiStop);
  stop.resize(stop.size() - 1);
  EXPECT_EQ(Decode(kHi + stop), "text 0 \"hi\"\nfailure cut\n");
  EXPECT_EQ(Decode(kHi + kStop + "data: [DO"), kHiStop);
}

TEST(StreamDecoderTest, ToleratesTerminators) {
  EXPECT_EQ(Decode(kHi + kStop + "data:   [DONE]  \n\n"), kHiStop);
  EXPECT_EQ(Decode(kHi + kStop + kDone + kDone + kHi), kHiStop);
  EXPECT_EQ(Decode(kHi + kStop + "data:[DONE]"), kHiStop);
}

// Keep-alives and events that are none.

TEST(StreamDecoderTest, IgnoresKeepAlives) {
  std::string noise = ": keep-alive\n\ndata: : keepalive\n\ndata:\n\nevent: ping\n\n" +
                      std::string("event: ping\ndata: {\"type\":\"ping\"}\n\n") +
                      "event: ping\ndata: now\n\n";
  EXPECT_EQ(Decode(noise + kHi + noise + kStop + noise + kDone), kHiStop);
}

TEST(StreamDecoderTest, TakesDataUnderUnknownEventNames) {
  EXPECT_EQ(Decode("event: completion\n" + kHi + "event: message\n" + kStop), kHiStop);
}

// Usage.

TEST(StreamDecoderTest, FindsUsageWhereverItIs) {
  std::string wanted = kHiStop + "usage in=3 out=1 cached=0 reasoning=0\n";
  std::string usage = R"("usage":{"prompt_tokens":3,"completion_tokens":1})";
  std::string finish = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop")";
  EXPECT_EQ(Decode(kHi + Event(finish + "}]," + usage + "}") + kDone), wanted);  // Yi
  EXPECT_EQ(Decode(kHi + Event(finish + "," + usage + "}]}") + kDone), wanted);  // Moonshot
  EXPECT_EQ(Decode(kHi + kStop + Event("{" + usage + "}") + kDone), wanted);     // no choices
  EXPECT_EQ(Decode(Event("{" + usage + R"(,"choices":[]})") + kHi + kStop), wanted);
}

TEST(StreamDecoderTest, TakesTheLastUsageAndNeverTheSum) {
  auto usage = [](int out) {
    return Event(absl::StrCat(R"({"choices":[{"index":0,"delta":{"content":"x"}}],"usage":)",
                              R"({"prompt_tokens":3,"completion_tokens":)", out, "}}"));
  };
  EXPECT_THAT(Decode(usage(1) + usage(2) + usage(3) + kStop),
              HasSubstr("usage in=3 out=3 cached=0 reasoning=0\n"));
}

TEST(StreamDecoderTest, HasNoUsageWhereNoneIsReported) {
  EXPECT_EQ(Decode(kHi + kStop + Usage("null")), kHiStop);
  EXPECT_EQ(Decode(kHi + kStop + Usage(R"({"prompt_tokens":0,"completion_tokens":0})")), kHiStop);
  EXPECT_EQ(Decode(kHi + kStop + Usage("{}")), kHiStop);
}

TEST(StreamDecoderTest, ReadsTheParts) {
  EXPECT_THAT(Decode(kHi + kStop +
                     Usage(R"({"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,)"
                           R"("prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},)"
                           R"("completion_tokens_details":{"reasoning_tokens":5}})")),
              HasSubstr("usage in=9 out=7 cached=4 reasoning=5\n"));
  EXPECT_THAT(Decode(kHi + kStop +
                     Usage(R"({"prompt_tokens":9,"completion_tokens":7,)"
                           R"("prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":1,)"
                           R"("prompt_tokens_details":null})")),
              HasSubstr("usage in=9 out=7 cached=8 reasoning=0\n"));
}

TEST(StreamDecoderTest, DoubtsImpossibleUsage) {
  auto usage = [](std::string_view fields) {
    return Decode(kHi + kStop + Usage(base::StrCat("{", fields, "}")));
  };
  EXPECT_EQ(usage(R"("prompt_tokens":5,"completion_tokens":-3)"),
            kHiStop + "usage in=5 out=0 cached=0 reasoning=0 doubtful\n");
  EXPECT_EQ(usage(R"("prompt_tokens":5.5,"completion_tokens":2.0)"),
            kHiStop + "usage in=6 out=2 cached=0 reasoning=0 doubtful\n");
  EXPECT_EQ(usage(R"("prompt_tokens":"5","completion_tokens":"2")"),
            kHiStop + "usage in=5 out=2 cached=0 reasoning=0 doubtful\n");
  EXPECT_EQ(usage(R"("prompt_tokens":9223372036854775808,"completion_tokens":1e400)"),
            kHiStop + "usage in=100000000 out=100000000 cached=0 reasoning=0 doubtful\n");
  EXPECT_EQ(usage(R"("prompt_tokens":5,"completion_tokens":[1])"),
            kHiStop + "usage in=5 out=0 cached=0 reasoning=0 doubtful\n");
  EXPECT_EQ(usage(R"("prompt_tokens":0,"completion_tokens":5)"),
            kHiStop + "usage in=0 out=5 cached=0 reasoning=0 doubtful\n");
  EXPECT_EQ(usage(R"("prompt_tokens":5,"completion_tokens":1,"prompt_cache_hit_tokens":6)"),
            kHiStop + "usage in=5 out=1 cached=5 reasoning=0 doubtful\n");
  EXPECT_EQ(Decode(kHi + kStop + Usage("\"many\"")),
            kHiStop + "usage in=0 out=0 cached=0 reasoning=0 none doubtful\n");
}

TEST(StreamDecoderTest, DoubtsUsageThatGoesDown) {
  EXPECT_THAT(Decode(kHi + kStop + Usage(R"({"prompt_tokens":5,"completion_tokens":9})") +
                     Usage(R"({"prompt_tokens":5,"completion_tokens":2})")),
              HasSubstr("usage in=5 out=9 cached=0 reasoning=0 doubtful\n"));
}

TEST(StreamDecoderTest, AddsReasoningThatIsReportedBesideTheOutput) {
  EXPECT_THAT(Decode(kHi + kStop +
                     Usage(R"({"prompt_tokens":5,"completion_tokens":2,"total_tokens":17,)"
                           R"("completion_tokens_details":{"reasoning_tokens":10}})")),
              HasSubstr("usage in=5 out=12 cached=0 reasoning=10\n"));
}

// Finishes.

TEST(StreamDecoderTest, MapsFinishes) {
  for (auto [word, name] :
       {std::pair("stop", "stop"), std::pair("STOP", "stop"), std::pair("length", "length"),
        std::pair("tool_calls", "tool_calls"), std::pair("function_call", "tool_calls"),
        std::pair("content_filter", "content_filter"),
        std::pair("content_filter_violence", "content_filter"),
        std::pair("sensitive", "content_filter"), std::pair("SAFETY", "content_filter"),
        std::pair("PROHIBITED_CONTENT", "content_filter"), std::pair("MAX_TOKENS", "length"),
        std::pair("eos", "other")}) {
    EXPECT_EQ(Decode(kHi + Finish(word) + kDone),
              absl::StrCat("text 0 \"hi\"\nend 0 ", name, "\n"));
  }
}

TEST(StreamDecoderTest, TakesAFinishOnce) {
  EXPECT_EQ(Decode(kHi + kStop + Finish("length") + kDone), kHiStop);
}

TEST(StreamDecoderTest, IgnoresEmptyFinishes) {
  EXPECT_EQ(Decode(Choice(R"("delta":{"content":"hi"},"finish_reason":"")") +
                   Choice(R"("delta":{},"finish_reason":null)") + kStop),
            kHiStop);
}

TEST(StreamDecoderTest, TakesContentWithAndAfterTheFinish) {
  EXPECT_EQ(Decode(Choice(R"("delta":{"content":"hi"},"finish_reason":"stop")") + kDone), kHiStop);
  EXPECT_EQ(Decode(kStop + kHi + kDone), kHiStop);
}

TEST(StreamDecoderTest, TakesABrokenOffGenerationForAFailure) {
  EXPECT_EQ(Decode(kHi + Finish("insufficient_system_resource") + kDone),
            "text 0 \"hi\"\nfailure overloaded\n");
  EXPECT_EQ(Decode(kHi + Finish("error") + kDone), "text 0 \"hi\"\nfailure server_error\n");
}

// What is malformed.

TEST(StreamDecoderTest, RefusesMalformedChunks) {
  for (std::string_view data : {R"({"choices":[{"index":0,"delta":{"content":"x"}}])",
                                R"({"choices":[{"index":0,)",
                                R"({"choices":{}})",
                                R"({"choices":[1]})",
                                R"({"choices":[{"index":-1}]})",
                                R"({"choices":[{"index":128}]})",
                                R"({"choices":[{"index":"0"}]})",
                                R"({"choices":[{"index":1.5}]})",
                                R"({"choices":[{"delta":[]}]})",
                                R"({"choices":[{"delta":{"content":5}}]})",
                                R"({"choices":[{"delta":{"content":{}}}]})",
                                R"({"choices":[{"delta":{"content":"\x"}}]})",
                                R"({"choices":[{"finish_reason":1}]})",
                                R"({"choices":[{"delta":{"tool_calls":{}}}]})",
                                R"({"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]})",
                                R"({"choices":[],"x":NaN})",
                                R"({"choices":[]} {})",
                                "[]",
                                "null",
                                "3",
                                "hello",
                                "{\"choices\":[{\"delta\":{\"content\":\"\xFF\"}}]}",
                                "{\"choices\":[{\"delta\":{\"content\":\"a\tb\"}}]}"}) {
    EXPECT_EQ(Decode(kHi + Event(data) + kStop + kDone), "text 0 \"hi\"\nfailure malformed\n")
        << data;
  }
}

TEST(StreamDecoderTest, ToleratesWhatItDoesNotKnow) {
  EXPECT_EQ(Decode(Event(R"({"x":[{"y":{}}],"choices":[{"z":null,"index":null,"delta":)"
                         R"({"content":"hi","audio":{"id":1},"role":7}}]})") +
                   Event("{}") + Event(R"({"choices":null})") + kStop),
            kHiStop);
}

TEST(StreamDecoderTest, BoundsWhatOneStreamMayHave) {
  std::string calls;
  for (int i = 0; i <= static_cast<int>(kToolCallsMax); ++i) {
    calls += Tools(absl::StrCat(R"({"index":)", i, R"(,"id":"c)", i, R"("})"));
  }
  EXPECT_THAT(Decode(calls), ::testing::EndsWith("failure malformed\n"));
  DecoderLimits limits;
  limits.line_bytes_max = 100;
  EXPECT_EQ(Decode(kHi + Event(std::string(200, 'x')), SIZE_MAX, limits),
            "text 0 \"hi\"\nfailure answer_too_large\n");
  EXPECT_EQ(Decode(kHi + Event(std::string(200, 'x')), 1, limits),
            "text 0 \"hi\"\nfailure answer_too_large\n");
}

TEST(StreamDecoderTest, SaysWhichLimitALineIsOver) {
  DecoderLimits limits;
  limits.line_bytes_max = 100;
  auto decoder = NewOpenAiDialect()->NewStreamDecoder(limits);
  model::StreamEvents events;
  const auto failure = decoder->Feed(Event(std::string(200, 'x')), &events);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->limit_bytes, 100);
}

TEST(StreamDecoderTest, RefusesNul) {
  EXPECT_EQ(Decode(kHi + std::string("data: \0\n\n", 9)), "text 0 \"hi\"\nfailure malformed\n");
}

// Errors in the stream.

TEST(StreamDecoderTest, GivesErrorsTheirClass) {
  EXPECT_EQ(Decode(kHi + Event(R"({"error":{"message":"busy","type":"overloaded_error"}})")),
            "text 0 \"hi\"\nfailure overloaded\n");
  EXPECT_EQ(Decode("event: error\ndata: {\"error\":{\"type\":\"overloaded_error\"}}\n\n"),
            "failure overloaded\n");
  EXPECT_EQ(Decode("event: error\ndata: oops\n\n"), "failure server_error\n");
  EXPECT_EQ(Decode(Event(R"({"error":"something broke"})")), "failure server_error\n");
  EXPECT_EQ(Decode(Event(R"({"error":{"code":429,"message":"slow down"}})")),
            "failure rate_limited\n");
  EXPECT_EQ(Decode(Event(R"({"object":"error","message":"too long: maximum context length",)"
                         R"("type":"BadRequestError","code":400})")),
            "failure context_too_long\n");
  EXPECT_EQ(Decode(Event(R"({"choices":[],"base_resp":{"status_code":1008,"status_msg":"x"}})")),
            "failure out_of_credit\n");
  EXPECT_EQ(Decode(kHi + Choice(R"("delta":{"content":""},"error":{"code":502,"message":"x"})")),
            "text 0 \"hi\"\nfailure server_error\n");
}

TEST(StreamDecoderTest, TakesErrorsThatAreNoneForNone) {
  std::string none = R"("error":null,"base_resp":{"status_code":0,"status_msg":""})";
  EXPECT_EQ(
      Decode(Event(R"({"choices":[{"index":0,"delta":{"content":"hi"}}],)" + none + "}") + kStop),
      kHiStop);
}

TEST(StreamDecoderTest, KeepsTheWaitOfAnErrorAndItsText) {
  auto dialect = NewOpenAiDialect();
  auto decoder = dialect->NewStreamDecoder({});
  model::StreamEvents events;
  auto failure = decoder->Feed(
      Event(R"({"error":{"code":"rate_limit_exceeded","message":"Please try again in 2.5s."}})"),
      &events);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->failure_class, model::FailureClass::kRateLimited);
  EXPECT_EQ(failure->retry_after, absl::Milliseconds(2500));
  EXPECT_THAT(failure->upstream_text, StartsWith("{\"error\""));
  EXPECT_THAT(failure->message, ::testing::Not(HasSubstr("Please")));
}

}  // namespace
}  // namespace pingti::providers::openai
