// The simulated provider's API, knobs and books, seen from outside: the real binary on a free port.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/upstream/clock.h"
#include "tests/upstream/provider_fixture.h"
#include "tests/upstream/test_client.h"

namespace pingti::upstream {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class SimulatedProviderTest : public ProviderTest {
 protected:
  static Response Ask(std::string_view prompt, std::string_view more = "",
                      std::string_view model = "gpt-4o") {
    return Chat(port(), ChatBody(prompt, false, more, model));
  }
  static StreamSummary Stream(std::string_view prompt, std::string_view more = "",
                              std::string_view model = "gpt-4o") {
    return Summarize(ParseSse(Chat(port(), ChatBody(prompt, true, more, model)).body));
  }
  static std::string TextOf(const Response& response, int choice = 0) {
    JsonDocument json = Json(response.body);
    if (json.HasParseError() || !json.HasMember("choices")) return "no answer: " + response.body;
    return json["choices"][static_cast<size_t>(choice)]["message"]["content"].GetString();
  }
  static JsonDocument Stats() { return Json(Fetch(port(), "GET", "/sim/stats").body); }
  static JsonDocument Recent(int count) {
    return Json(Fetch(port(), "GET", "/sim/requests?last=" + std::to_string(count)).body);
  }

  // Sends a request with these knobs and hangs up: nanoseconds until the provider has noticed.
  static int64_t NoticesHangUpAfterNs(std::string_view knobs) {
    Fetch(port(), "POST", "/sim/reset");
    RawConnection connection(port());
    connection.Send(HttpRequestBytes("POST", "/v1/chat/completions", ChatBody(knobs, true)));
    int64_t deadline = MonotonicNs() + kDeadlineMs * int64_t{1'000'000};
    while (Recent(1).Size() == 0 && MonotonicNs() < deadline) {
    }
    EXPECT_STREQ(Recent(1)[0]["ended"].GetString(), "in_flight") << knobs;
    EXPECT_EQ(Stats()["in_flight"].GetInt(), 1);
    int64_t closed = MonotonicNs();
    connection.Close();
    int64_t noticed = 0;
    while (noticed == 0 && MonotonicNs() < deadline) {
      noticed = Recent(1)[0]["disconnect_ns"].GetInt();
    }
    EXPECT_GE(noticed, closed) << knobs;
    EXPECT_STREQ(Recent(1)[0]["ended"].GetString(), "client_closed");
    EXPECT_EQ(Stats()["disconnects"].GetInt(), 1);
    EXPECT_EQ(Stats()["streams_aborted"].GetInt(), 1);
    return noticed - closed;
  }
};

TEST_F(SimulatedProviderTest, FirstLineNamesTheAddress) {
  EXPECT_EQ(first_line(), "listening on 127.0.0.1:" + std::to_string(port()));
}

TEST_F(SimulatedProviderTest, AnswersDeterministicallyAndSaysThatItIsSimulated) {
  Response first = Ask("what is a facade?");
  ASSERT_EQ(first.status, 200);
  EXPECT_EQ(first.ended, HowEnded::kComplete);
  EXPECT_THAT(TextOf(first), StartsWith("[simulated] "));
  EXPECT_THAT(TextOf(first), HasSubstr("what is a facade?"));
  EXPECT_EQ(TextOf(first), TextOf(Ask("what is a facade?")));
  EXPECT_NE(TextOf(first), TextOf(Ask("what is a proxy?")));
  JsonDocument json = Json(first.body);
  EXPECT_STREQ(json["object"].GetString(), "chat.completion");
  EXPECT_STREQ(json["model"].GetString(), "gpt-4o");
  EXPECT_STREQ(json["system_fingerprint"].GetString(), "fp_simulated");
  EXPECT_THAT(json["id"].GetString(), StartsWith("chatcmpl-simulated-"));
  EXPECT_STREQ(json["choices"][0]["finish_reason"].GetString(), "stop");
  EXPECT_THAT(first.headers["x-request-id"], StartsWith("req_"));
}

TEST_F(SimulatedProviderTest, AnswersInChinese) {
  EXPECT_THAT(TextOf(Ask("say hello in Chinese")), StartsWith("你好"));
  EXPECT_THAT(TextOf(Ask("今天天气怎么样")), StartsWith("你好"));
  EXPECT_THAT(TextOf(Ask("今天天气怎么样")), HasSubstr("[simulated]"));
  EXPECT_THAT(TextOf(Ask("déjà vu")), Not(HasSubstr("你好")));
}

TEST_F(SimulatedProviderTest, StreamSaysTheSameAsUnary) {
  for (std::string_view prompt : {"hello", "用中文回答"}) {
    StreamSummary stream = Stream(prompt);
    EXPECT_EQ(stream.text, TextOf(Ask(prompt)));
    EXPECT_TRUE(stream.done);
    EXPECT_EQ(stream.finish_reason, "stop");
    EXPECT_EQ(stream.malformed, 0);
    EXPECT_GT(stream.content_chunks, 5);
  }
}

TEST_F(SimulatedProviderTest, CountsFourBytesPerToken) {
  // 5 + 6 bytes of prompt.
  Response response = Chat(port(), R"({"model":"m","messages":[{"role":"system","content":"12345"},
      {"role":"user","content":[{"type":"text","text":"123456"}]}]})");
  JsonDocument json = Json(response.body);
  ASSERT_EQ(response.status, 200) << response.body;
  auto text_bytes = static_cast<int>(TextOf(response).size());
  EXPECT_EQ(json["usage"]["prompt_tokens"].GetInt(), 3);
  EXPECT_EQ(json["usage"]["completion_tokens"].GetInt(), (text_bytes + 3) / 4);
  EXPECT_EQ(json["usage"]["total_tokens"].GetInt(), 3 + (text_bytes + 3) / 4);
}

TEST_F(SimulatedProviderTest, HonoursMaxTokens) {
  for (std::string_view field : {R"(,"max_tokens":3)", R"(,"max_completion_tokens":3)"}) {
    Response response = Ask("hello", field);
    EXPECT_EQ(TextOf(response).size(), 12u);
    EXPECT_EQ(Json(response.body)["usage"]["completion_tokens"].GetInt(), 3);
    EXPECT_STREQ(Json(response.body)["choices"][0]["finish_reason"].GetString(), "length");
    EXPECT_EQ(Stream("hello", field).finish_reason, "length");
  }
  EXPECT_EQ(TextOf(Ask("hello in Chinese", R"(,"max_tokens":1)")), "你");  // 4 bytes: one character
}

TEST_F(SimulatedProviderTest, HonoursStopAndN) {
  std::string whole = TextOf(Ask("hello"));
  std::string cut = TextOf(Ask("hello", R"(,"stop":["nowhere at all","provider"])"));
  EXPECT_EQ(cut, whole.substr(0, whole.find("provider")));
  Response three = Ask("hello", R"(,"n":3)");
  ASSERT_EQ(Json(three.body)["choices"].Size(), 3u);
  EXPECT_EQ(Json(three.body)["choices"][2]["index"].GetInt(), 2);
  StreamSummary stream = Stream("hello", R"(,"n":3)");
  EXPECT_EQ(stream.text.size(),
            TextOf(three, 0).size() + TextOf(three, 1).size() + TextOf(three, 2).size());
}

constexpr std::string_view kTools =
    R"(,"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object",
    "properties":{"city":{"type":"string"},"days":{"type":"integer"},
    "unit":{"enum":["celsius","kelvin"]}}}}}])";

TEST_F(SimulatedProviderTest, CallsToolsWhenAsked) {
  JsonDocument json = Json(Ask("please call tool", kTools).body);
  JsonValue choice = json["choices"][0];
  EXPECT_STREQ(choice["finish_reason"].GetString(), "tool_calls");
  EXPECT_TRUE(choice["message"]["content"].IsNull());
  JsonValue call = choice["message"]["tool_calls"][0];
  EXPECT_STREQ(call["function"]["name"].GetString(), "weather");
  JsonDocument arguments = Json(call["function"]["arguments"].GetString());
  ASSERT_FALSE(arguments.HasParseError());
  EXPECT_TRUE(arguments["city"].IsString());
  EXPECT_TRUE(arguments["days"].IsInt());
  EXPECT_STREQ(arguments["unit"].GetString(), "celsius");

  StreamSummary stream = Stream("please call tool", kTools);
  EXPECT_EQ(stream.tool_name, "weather");
  EXPECT_EQ(stream.tool_arguments, call["function"]["arguments"].GetString());
  EXPECT_GT(stream.content_chunks, 3);  // in fragments
  EXPECT_EQ(stream.finish_reason, "tool_calls");
  EXPECT_THAT(TextOf(Ask("no need to", kTools)), StartsWith("[simulated]"));
}

TEST_F(SimulatedProviderTest, AnswersWithJson) {
  JsonDocument object = Json(TextOf(Ask("x", R"(,"response_format":{"type":"json_object"})")));
  ASSERT_FALSE(object.HasParseError());
  EXPECT_TRUE(object["simulated"].GetBool());
  JsonDocument typed = Json(TextOf(
      Ask("x", R"(,"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":
      {"type":"object","properties":{"names":{"type":"array","items":{"type":"string"}},
      "deep":{"type":"object","properties":{"ok":{"type":"boolean"}}}}}}})")));
  ASSERT_FALSE(typed.HasParseError());
  EXPECT_TRUE(typed["names"][0].IsString());
  EXPECT_TRUE(typed["deep"]["ok"].IsBool());
}

TEST_F(SimulatedProviderTest, GivesLogprobsThatSpellTheText) {
  Response response = Ask("hello", R"(,"logprobs":true,"top_logprobs":2)");
  JsonDocument json = Json(response.body);
  std::string spelled;
  for (const auto& entry : json["choices"][0]["logprobs"]["content"].GetArray()) {
    spelled += entry["token"].GetString();
    EXPECT_LT(entry["logprob"].GetDouble(), 0);
    EXPECT_EQ(entry["top_logprobs"].Size(), 2u);
    EXPECT_EQ(entry["bytes"].Size(), entry["token"].GetStringLength());
  }
  EXPECT_EQ(spelled, TextOf(response));
  std::string stream = Chat(port(), ChatBody("hello", true, R"(,"logprobs":true)")).body;
  EXPECT_THAT(stream, HasSubstr(R"("logprobs":{"content":[{"token":)"));
}

TEST_F(SimulatedProviderTest, ReasonsAndCites) {
  JsonDocument json = Json(Ask("why?", "", "deep-reason-1").body);
  EXPECT_THAT(json["choices"][0]["message"]["reasoning_content"].GetString(),
              HasSubstr("simulated reasoning"));
  EXPECT_GT(json["usage"]["completion_tokens_details"]["reasoning_tokens"].GetInt(), 0);
  EXPECT_EQ(Stream("why?", "", "deep-reason-1").reasoning,
            json["choices"][0]["message"]["reasoning_content"].GetString());
  EXPECT_NE(Stream("[sim:reasoning=1]").reasoning, "");
  JsonDocument rag = Json(Ask("news", "", "yi-large-rag").body);
  EXPECT_STREQ(rag["choices"][0]["quote"][0]["num"].GetString(), "1");
  std::string stream = Chat(port(), ChatBody("news", true, "", "yi-large-rag")).body;
  EXPECT_THAT(stream, HasSubstr(R"("delta":{"quote":[{"num":"1","url":)"));
}

TEST_F(SimulatedProviderTest, ReportsStreamUsageOnlyWhenAsked) {
  StreamSummary without = Stream("hello");
  EXPECT_THAT(without.usages, ::testing::Each("-"));
  StreamSummary with = Stream("hello", R"(,"stream_options":{"include_usage":true})");
  std::string last = with.usages.back();
  EXPECT_EQ(with.choices_sizes.back(), 0);
  EXPECT_GT(Json(last)["completion_tokens"].GetInt(), 0);
  with.usages.pop_back();
  EXPECT_THAT(with.usages, ::testing::Each("null"));
}

TEST_F(SimulatedProviderTest, ListsModelsAndHealth) {
  JsonDocument models = Json(Fetch(port(), "GET", "/v1/models").body);
  EXPECT_GT(models["data"].Size(), 3u);
  EXPECT_STREQ(models["data"][0]["owned_by"].GetString(), "simulated");
  EXPECT_EQ(Fetch(port(), "GET", "/healthz").status, 200);
  EXPECT_EQ(Fetch(port(), "GET", "/v1/chat/completions").status, 404);
}

TEST_F(SimulatedProviderTest, RefusesBadRequests) {
  for (std::string_view body :
       {"", "no json", "[]", R"({"messages":[{"role":"user","content":"x"}]})", R"({"model":"m"})",
        R"({"model":"m","messages":[]})", R"({"model":"m","messages":[{"content":"x"}]})",
        R"({"model":"m","messages":[{"role":"user"}],"temperature":3})",
        R"({"model":"m","messages":[{"role":"user"}],"n":0})",
        R"({"model":"m","messages":[{"role":"user"}],"stop":["1","2","3","4","5"]})"}) {
    Response response = Chat(port(), body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_STREQ(Json(response.body)["error"]["type"].GetString(), "invalid_request_error");
  }
}

TEST_F(SimulatedProviderTest, KnobsComeByFourWaysAndTheNearestWins) {
  auto chunks = [](const Response& response) {
    return Summarize(ParseSse(response.body)).content_chunks;
  };
  EXPECT_EQ(Stream("x", "", "m+sim:chunks=3,chunk_bytes=5").content_chunks, 3);
  EXPECT_EQ(Stream("[sim:chunks=4,chunk_bytes=5] x", "", "m+sim:chunks=3").content_chunks, 4);
  std::string body = ChatBody("[sim:chunks=4,chunk_bytes=5] x", true, "", "m+sim:chunks=3");
  EXPECT_EQ(chunks(Chat(port(), body, {"X-Sim-Chunks: 6"})), 6);
  EXPECT_EQ(Fetch(port(), "POST", "/sim/defaults", R"({"chunks":2,"chunk_bytes":7})").status, 200);
  EXPECT_EQ(Stream("x").content_chunks, 2);
  EXPECT_EQ(Stream("[sim:chunks=4] x").text.size(), 28u);
  EXPECT_EQ(Fetch(port(), "DELETE", "/sim/defaults").status, 200);
  EXPECT_NE(Stream("x").content_chunks, 2);
}

TEST_F(SimulatedProviderTest, RefusesUnknownKnobs) {
  EXPECT_EQ(Ask("[sim:falut=18]").status, 400);
  EXPECT_EQ(Ask("[sim:fault=999]").status, 400);
  EXPECT_EQ(Ask("[sim:status=999]").status, 400);
  EXPECT_EQ(Ask("[sim:chunks=-1]").status, 400);
  EXPECT_EQ(Ask("[sim:chunks=1").status, 400);
  EXPECT_EQ(Ask("[sim:chunks=100000,chunk_bytes=1000000]").status, 400);
  EXPECT_EQ(Ask("[sim:output_tokens=100000]", R"(,"n":100)").status, 400);
  EXPECT_EQ(Ask("x", "", "m+sim:usage_shape=round").status, 400);
  EXPECT_EQ(Chat(port(), ChatBody("x", false), {"x-sim-speed: 3"}).status, 400);
  EXPECT_EQ(Fetch(port(), "POST", "/sim/defaults", R"({"speed":3})").status, 400);
  EXPECT_EQ(Fetch(port(), "POST", "/sim/defaults", "[]").status, 400);
  EXPECT_EQ(Ask("x").status, 200);
  EXPECT_THAT(Ask("[sim:falut=18]").body, HasSubstr("simulated_misuse"));
}

TEST_F(SimulatedProviderTest, SizesOfAnswersAreExact) {
  EXPECT_EQ(TextOf(Ask("[sim:output_tokens=1000]")).size(), 4000u);
  EXPECT_EQ(Json(Ask("[sim:output_tokens=1000]").body)["usage"]["completion_tokens"].GetInt(),
            1000);
  EXPECT_EQ(Stream("[sim:chunks=50]").content_chunks, 50);
  EXPECT_EQ(Stream("[sim:chunks=100] in Chinese").content_chunks, 100);
  EXPECT_EQ(Stream("[sim:chunk_bytes=1,output_tokens=10]").content_chunks, 40);
  StreamSummary many = Stream("[sim:chunks=1000,chunk_bytes=100]");
  EXPECT_EQ(many.content_chunks, 1000);
  EXPECT_EQ(many.text.size(), 100'000u);
}

// Milliseconds from `from_ns` to the first arrival whose bytes, with all before them, hold `what`.
double MsUntil(const Response& response, int64_t from_ns, std::string_view what) {
  std::string so_far;
  for (const Arrival& arrival : response.arrivals) {
    so_far += arrival.bytes;
    if (so_far.find(what) != std::string::npos) {
      return static_cast<double>(arrival.at_ns - from_ns) / 1e6;
    }
  }
  return -1;
}

TEST_F(SimulatedProviderTest, KeepsItsTimes) {
  int64_t start = MonotonicNs();
  Response late = Chat(port(), ChatBody("[sim:latency_ms=60]", false));
  EXPECT_GE(MsUntil(late, start, "HTTP/1.1"), 60);
  // Who is not scheduled for a while sees several chunks at once; not five times in a row.
  bool apart = false;
  for (int i = 0; i < 5 && !apart; ++i) {
    start = MonotonicNs();
    Response stream =
        Chat(port(), ChatBody("[sim:first_token_ms=80,chunk_interval_ms=20,chunks=5]", true));
    double head = MsUntil(stream, start, "assistant");
    double first = MsUntil(stream, start, "[simulated]");
    EXPECT_GE(head, 0);
    EXPECT_GE(first, 80);
    EXPECT_GE(MsUntil(stream, start, "[DONE]"), 80 + 4 * 20);
    apart = head < first && stream.arrivals.size() >= 4;
  }
  EXPECT_TRUE(apart);
  start = MonotonicNs();
  // 16 bytes are 4 tokens: 40 ms for each of 5 chunks after the first.
  Response paced =
      Chat(port(), ChatBody("[sim:tokens_per_second=100,chunks=6,chunk_bytes=16]", true));
  EXPECT_GE(MsUntil(paced, start, "[DONE]"), 5 * 40);
}

TEST_F(SimulatedProviderTest, WritesItsSendTimeIntoChunks) {
  int64_t before = MonotonicNs();
  Response response =
      Chat(port(), ChatBody("[sim:send_time=1,chunks=5,chunk_bytes=40,chunk_interval_ms=5]", true));
  int64_t after = MonotonicNs();
  StreamSummary stream = Summarize(ParseSse(response.body));
  EXPECT_EQ(stream.content_chunks, 5);
  ASSERT_EQ(stream.text.size(), 200u);
  int64_t last = before;
  for (size_t i = 0; i < 5; ++i) {
    std::string chunk = stream.text.substr(i * 40, 40);
    ASSERT_THAT(chunk, StartsWith("t="));
    int64_t sent = std::strtoll(chunk.c_str() + 2, nullptr, 10);
    EXPECT_GT(sent, last);
    EXPECT_LT(sent, after);
    last = sent;
    EXPECT_EQ(chunk.find_first_not_of('.', chunk.find(';') + 1), std::string::npos);
  }
  EXPECT_GE(last - before, 4 * 5'000'000);
  EXPECT_THAT(TextOf(Ask("[sim:send_time=1]")), StartsWith("t="));
}

TEST_F(SimulatedProviderTest, SendsInSegments) {
  Response whole = Ask("hello");
  Response cut = Ask("[sim:segment_bytes=7]hello");
  EXPECT_LE(whole.data_segments, 3);
  EXPECT_GE(cut.data_segments, 10);
  EXPECT_EQ(TextOf(cut).size(), TextOf(whole).size());
}

TEST_F(SimulatedProviderTest, CannedAnswersAreAlwaysTheSame) {
  Fetch(port(), "POST", "/sim/defaults", R"({"canned":true,"chunks":12,"chunk_bytes":10})");
  Response one = Ask("one");
  EXPECT_EQ(one.raw, Ask("two").raw);
  EXPECT_THAT(TextOf(one), StartsWith("[simulated]"));
  Response raw = Chat(port(), ChatBody("x", true, R"(,"stream_options":{"include_usage": true})"));
  StreamSummary stream = Summarize(ParseSse(raw.body));
  EXPECT_EQ(stream.content_chunks, 12);
  EXPECT_EQ(stream.text.size(), 120u);
  EXPECT_TRUE(stream.done);
  EXPECT_EQ(Json(stream.usages.back())["completion_tokens"].GetInt(), 30);
  EXPECT_EQ(Stream("[sim:chunks=3]x").content_chunks, 3);  // knobs still reach it
  EXPECT_EQ(Stream("x").usages.back(), "-");
  JsonDocument stats = Stats();
  EXPECT_EQ(stats["requests"].GetInt(), 5);
  EXPECT_EQ(stats["streams_finished"].GetInt(), 3);
  EXPECT_EQ(stats["chunks_sent"].GetInt(), 12 + 3 + 12);
  EXPECT_THAT(Recent(5)[0]["body"].GetString(), HasSubstr("one"));
}

TEST_F(SimulatedProviderTest, CountsWhatItServed) {
  Response unary = Ask("hello");
  StreamSummary stream = Stream("hello", R"(,"stream_options":{"include_usage":true})");
  Ask("[sim:status=500]");
  JsonDocument usage = Json(stream.usages.back());
  JsonDocument stats = Stats();
  EXPECT_EQ(stats["requests"].GetInt(), 3);
  EXPECT_EQ(stats["by_status"]["200"].GetInt(), 2);
  EXPECT_EQ(stats["by_status"]["500"].GetInt(), 1);
  EXPECT_EQ(stats["streams_started"].GetInt(), 1);
  EXPECT_EQ(stats["streams_finished"].GetInt(), 1);
  EXPECT_EQ(stats["in_flight"].GetInt(), 0);
  EXPECT_EQ(stats["prompt_tokens"].GetInt(), 2 * usage["prompt_tokens"].GetInt());
  EXPECT_EQ(stats["completion_tokens"].GetInt(), 2 * usage["completion_tokens"].GetInt());
  EXPECT_EQ(stats["chunks_sent"].GetInt(), stream.content_chunks);
  EXPECT_EQ(stats["connections_open"].GetInt(), 1);  // the one that asks
  Fetch(port(), "POST", "/sim/reset");
  EXPECT_EQ(Stats()["requests"].GetInt(), 0);
  EXPECT_EQ(Recent(10).Size(), 0u);
}

TEST_F(SimulatedProviderTest, RemembersRequests) {
  std::string body = ChatBody("remember me", true, R"(,"user":"u-17")");
  Chat(port(), body, {"Authorization: Bearer sk-secret-part-9876"});
  Ask("later");
  JsonDocument recent = Recent(2);
  ASSERT_EQ(recent.Size(), 2u);
  JsonValue record = recent[0];
  EXPECT_STREQ(record["key_tail"].GetString(), "9876");
  EXPECT_STREQ(record["model"].GetString(), "gpt-4o");
  EXPECT_STREQ(record["user"].GetString(), "u-17");
  EXPECT_STREQ(record["body"].GetString(), body.c_str());
  EXPECT_STREQ(record["ended"].GetString(), "completed");
  EXPECT_TRUE(record["stream"].GetBool());
  EXPECT_GT(record["end_ns"].GetInt(), record["arrival_ns"].GetInt());
  EXPECT_EQ(record["disconnect_ns"].GetInt(), 0);
  EXPECT_NE(std::string(record["prompt_hash"].GetString()), recent[1]["prompt_hash"].GetString());
  std::string raw = Fetch(port(), "GET", "/sim/requests").body;
  EXPECT_THAT(raw, Not(HasSubstr("sk-secret")));
  EXPECT_EQ(Recent(1).Size(), 1u);
  EXPECT_STREQ(Recent(1)[0]["body"].GetString(), ChatBody("later", false).c_str());
}

TEST_F(SimulatedProviderTest, NoticesDisconnectsAtOnceInEveryPhase) {
  const int64_t most = ScaledMs(100) * int64_t{1'000'000};
  for (std::string_view knobs :
       {"[sim:latency_ms=60000]", "[sim:first_token_ms=60000]", "[sim:fault=21a]",
        "[sim:chunk_interval_ms=1,chunks=100000]", "[sim:output_tokens=4000000]"}) {
    // The best of three: a machine that is busy elsewhere says nothing about the provider.
    int64_t took = NoticesHangUpAfterNs(knobs);
    for (int i = 0; i < 2 && took >= most; ++i) took = std::min(took, NoticesHangUpAfterNs(knobs));
    EXPECT_LT(took, most) << knobs;
  }
}

}  // namespace
}  // namespace pingti::upstream
