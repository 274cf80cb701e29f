// Every fault and usage shape of the simulated provider, at the level of bytes, and a second
// opinion of libcurl on how its answers end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/upstream/clock.h"
#include "tests/upstream/curl_transfer.h"
#include "tests/upstream/provider_fixture.h"
#include "tests/upstream/test_client.h"

namespace pingti::upstream {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

// After so much nothing more comes; what is there on a busy machine comes before.
const int kSilenceMs = ScaledMs(250) + 250;

class FaultsTest : public ProviderTest {
 protected:
  static Response Get(std::string_view fault, bool stream, std::string_view more = "",
                      int silence_ms = kDeadlineMs) {
    std::string prompt = "tell me in Chinese[sim:fault=" + std::string(fault);
    return Chat(port(), ChatBody(prompt + std::string(more) + "]", stream), {}, silence_ms);
  }
  static StreamSummary Events(const Response& response) {
    return Summarize(ParseSse(response.body));
  }
  // What the answer to Get() says without a fault.
  static std::string Text() {
    return Events(Chat(port(), ChatBody("tell me in Chinese[sim:]", true))).text;
  }
  static std::string LastEnded() {
    return Json(Fetch(port(), "GET", "/sim/requests?last=1").body)[0]["ended"].GetString();
  }
};

TEST_F(FaultsTest, HarmlessFaultsSayTheSameText) {
  std::string text = Text();
  ASSERT_GT(text.size(), 40u);
  for (const char* fault : {"1",      "2",  "2crlf", "2cr",    "2mixed", "2split", "3",  "3two",
                            "4",      "5",  "9",     "9named", "17",     "22",     "37", "37first",
                            "37last", "38", "39",    "40",     "41",     "42",     "42b"}) {
    Response response = Get(fault, true, ",trickle_ms=0");
    StreamSummary stream = Events(response);
    EXPECT_EQ(stream.text, text) << fault;
    EXPECT_EQ(stream.malformed, 0) << fault;
    EXPECT_EQ(stream.finish_reason, "stop") << fault;
    EXPECT_EQ(stream.done, std::string_view(fault) != "17") << fault;
    EXPECT_EQ(response.ended, HowEnded::kComplete) << fault;
    EXPECT_EQ(response.headers["x-sim-fault"], fault);
    EXPECT_EQ(LastEnded(), std::string_view(fault) == "17" ? "fault" : "completed") << fault;
  }
}

TEST_F(FaultsTest, SplitsAtEveryByte) {
  for (bool stream : {true, false}) {
    Response response = Get("1", stream);
    EXPECT_EQ(response.ended, HowEnded::kComplete);
    EXPECT_THAT(response.chunk_sizes, Each(1u));
    EXPECT_EQ(response.chunk_sizes.size(), response.body.size());
    EXPECT_GT(response.data_segments, 10);
    EXPECT_THAT(response.body, HasSubstr("你"));
  }
}

size_t CountOf(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(FaultsTest, EndsLinesAsAsked) {
  std::string crlf = Get("2crlf", true).body;
  EXPECT_EQ(CountOf(crlf, "\n"), CountOf(crlf, "\r\n"));
  EXPECT_EQ(CountOf(crlf, "\r"), CountOf(crlf, "\r\n"));
  std::string cr = Get("2cr", true).body;
  EXPECT_EQ(CountOf(cr, "\n"), 0u);
  EXPECT_GT(CountOf(cr, "\r\r"), 3u);
  std::string mixed = Get("2mixed", true).body;
  EXPECT_GT(CountOf(mixed, "\r\n"), 0u);
  EXPECT_GT(CountOf(mixed, "\r"), CountOf(mixed, "\r\n"));
  EXPECT_GT(CountOf(mixed, "\n"), CountOf(mixed, "\r\n"));
  Response split = Get("2split", true);
  size_t at = 0;
  bool cut_between = false;
  for (size_t size : split.chunk_sizes) {
    at += size;
    cut_between = cut_between || split.body.substr(at - 1, 2) == "\r\n";
  }
  EXPECT_TRUE(cut_between);
}

TEST_F(FaultsTest, SpacesAndSplitsDataLinesAsAsked) {
  EXPECT_THAT(Get("3", true).body, HasSubstr("data:{"));
  EXPECT_THAT(Get("3", true).body, Not(HasSubstr("data: ")));
  EXPECT_THAT(Get("3two", true).body, HasSubstr("data:  {"));
  std::string lines = Get("4", true).body;
  EXPECT_GT(CountOf(lines, "\ndata: "), 3 * CountOf(lines, "\n\n"));
  EXPECT_THAT(lines, HasSubstr("\ndata:\n"));
}

TEST_F(FaultsTest, PingsFillTheSilence) {
  Response response = Get("5", true, ",first_token_ms=2000,ping_ms=100");
  EXPECT_THAT(response.body, HasSubstr(": OPENROUTER PROCESSING\n\n"));
  EXPECT_THAT(response.body, HasSubstr(": ping\n"));
  EXPECT_GE(CountOf(response.body.substr(0, response.body.find("你好")), "\n: "), 8u);
  EXPECT_GE(response.arrivals.size(), 5u);
}

TEST_F(FaultsTest, NamesEventsAsAsked) {
  std::vector<SseEvent> foreign = ParseSse(Get("9", true).body);
  EXPECT_TRUE(std::any_of(foreign.begin(), foreign.end(),
                          [](const SseEvent& event) { return event.name == "x.unknown"; }));
  std::vector<SseEvent> named = ParseSse(Get("9named", true).body);
  EXPECT_TRUE(std::all_of(named.begin(), named.end(), [](const SseEvent& event) {
    return event.name == "chat.completion.chunk";
  }));
}

TEST_F(FaultsTest, LeavesOutTheTerminator) {
  StreamSummary no_done = Events(Get("17", true));
  EXPECT_FALSE(no_done.done);
  EXPECT_EQ(no_done.finish_reason, "stop");
  Response neither = Get("18", true);
  EXPECT_EQ(neither.ended, HowEnded::kComplete);  // of HTTP, not of the answer
  EXPECT_FALSE(Events(neither).done);
  EXPECT_EQ(Events(neither).finish_reason, "");
  EXPECT_EQ(Events(neither).text, Text());
}

TEST_F(FaultsTest, Resets) {
  Response before = Get("19a", true);
  EXPECT_EQ(before.ended, HowEnded::kReset);
  EXPECT_EQ(before.status, 200);
  EXPECT_EQ(Events(before).text, "");
  EXPECT_EQ(LastEnded(), "fault");
  for (const char* fault : {"19", "19b"}) {
    Response after = Get(fault, true);
    EXPECT_EQ(after.ended, HowEnded::kReset);
    EXPECT_NE(Events(after).text, "");
    EXPECT_LT(Events(after).text.size(), Text().size());
    EXPECT_EQ(Events(after).finish_reason, "");
  }
  Response nothing = Get("19a", false);
  EXPECT_EQ(nothing.ended, HowEnded::kReset);
  EXPECT_EQ(nothing.raw, "");
  Response half = Get("19b", false);
  EXPECT_EQ(half.ended, HowEnded::kReset);
  EXPECT_THAT(half.body, HasSubstr("chat.completion"));
}

TEST_F(FaultsTest, EndsEarly) {
  for (const char* fault : {"20", "20a"}) {
    for (bool stream : {true, false}) {
      Response response = Get(fault, stream);
      EXPECT_EQ(response.ended, HowEnded::kEof) << fault;
      EXPECT_TRUE(response.headers.contains("transfer-encoding"));
      EXPECT_THAT(response.raw, Not(HasSubstr("\r\n0\r\n\r\n")));
      EXPECT_GT(response.body.size(), 100u);
      EXPECT_EQ(LastEnded(), "fault");
    }
  }
  for (bool stream : {true, false}) {
    Response response = Get("20b", stream);
    EXPECT_EQ(response.ended, HowEnded::kEof);
    EXPECT_FALSE(response.headers.contains("transfer-encoding"));
    EXPECT_FALSE(response.headers.contains("content-length"));
    EXPECT_FALSE(response.body.ends_with("}") || response.body.ends_with("\n"));
    Response counted = Get("20c", stream);
    EXPECT_EQ(counted.ended, HowEnded::kEof);
    EXPECT_GT(std::stoul(counted.headers["content-length"]), counted.body.size());
  }
}

TEST_F(FaultsTest, Stalls) {
  for (bool stream : {true, false}) {
    for (const char* fault : {"21", "21a"}) {
      Response head = Get(fault, stream, "", kSilenceMs);
      EXPECT_EQ(head.ended, HowEnded::kSilence);
      EXPECT_EQ(head.raw, "");
    }
    Response body = Get("21b", stream, "", kSilenceMs);
    EXPECT_EQ(body.ended, HowEnded::kSilence);
    EXPECT_EQ(body.status, 200);
    EXPECT_EQ(body.body, "");
    Response middle = Get("21c", stream, "", kSilenceMs);
    EXPECT_EQ(middle.ended, HowEnded::kSilence);
    EXPECT_GT(middle.body.size(), 100u);
    if (stream) {
      EXPECT_NE(Events(middle).text, "");
      EXPECT_FALSE(Events(middle).done);
    }
  }
}

TEST_F(FaultsTest, Trickles) {
  int64_t start = MonotonicNs();
  Response response = Chat(port(), ChatBody("[sim:fault=22,trickle_ms=1,output_tokens=1]", false));
  EXPECT_EQ(response.ended, HowEnded::kComplete);
  EXPECT_THAT(response.chunk_sizes, Each(1u));
  EXPECT_GE(MonotonicNs() - start, static_cast<int64_t>(response.body.size()) * 1'000'000);
}

TEST_F(FaultsTest, SendsErrorsUnder200) {
  for (const char* fault : {"26", "26a"}) {
    StreamSummary first = Events(Get(fault, true));
    EXPECT_TRUE(first.error);
    EXPECT_EQ(first.text, "");
    EXPECT_EQ(ParseSse(Get(fault, true).body)[0].name, "error");
  }
  StreamSummary after = Events(Get("26b", true));
  EXPECT_TRUE(after.error);
  EXPECT_NE(after.text, "");
  EXPECT_FALSE(after.done);
  Response unary = Get("26a", false);
  EXPECT_EQ(unary.status, 200);
  EXPECT_STREQ(Json(unary.body)["error"]["type"].GetString(), "overloaded_error");
}

TEST_F(FaultsTest, SendsNothingAndPages) {
  for (bool stream : {true, false}) {
    Response empty = Get("30", stream);
    EXPECT_EQ(empty.ended, HowEnded::kComplete);
    EXPECT_EQ(empty.status, 200);
    EXPECT_EQ(empty.body, "");
    EXPECT_EQ(ParseSse(Get("30b", stream).body).size(), 0u);
    Response cdn = Get("31", stream);
    EXPECT_EQ(cdn.status, 502);
    EXPECT_EQ(Get("31b", stream).status, 200);
    EXPECT_EQ(Get("31c", stream).status, 403);
    for (const char* fault : {"31", "31b", "31c"}) {
      Response page = Get(fault, stream);
      EXPECT_EQ(page.ended, HowEnded::kComplete);
      EXPECT_THAT(page.headers["content-type"], HasSubstr("text/html"));
      EXPECT_THAT(page.body, HasSubstr("SIMULATED-HTML-BODY"));
    }
  }
  std::vector<SseEvent> only_done = ParseSse(Get("30c", true).body);
  ASSERT_EQ(only_done.size(), 1u);
  EXPECT_EQ(only_done[0].data, "[DONE]");
}

TEST_F(FaultsTest, SendsEmptyChoices) {
  auto sizes = [](const char* fault) { return Events(Get(fault, true)).choices_sizes; };
  EXPECT_EQ(sizes("37first").front(), 0);
  EXPECT_EQ(sizes("37first").back(), 1);
  EXPECT_EQ(sizes("37last").front(), 1);
  EXPECT_EQ(sizes("37last").back(), 0);
  EXPECT_EQ(sizes("37").front(), 0);
  EXPECT_EQ(sizes("37").back(), 0);
  EXPECT_THAT(Get("37", true).body, HasSubstr("prompt_filter_results"));
}

// The usages of a stream's chunks.
std::vector<std::string> Usages(int port, std::string_view shape) {
  std::string prompt = "hi[sim:chunks=5,usage_shape=" + std::string(shape) + "]";
  return Summarize(ParseSse(Chat(port, ChatBody(prompt, true)).body)).usages;
}

TEST_F(FaultsTest, ReportsUsageInEveryShape) {
  EXPECT_THAT(Usages(port(), "openai"), Each("-"));
  EXPECT_THAT(Usages(port(), "none"), Each("-"));
  EXPECT_THAT(Usages(port(), "choice"), Each("-"));  // it is inside the choice
  std::string in_choice = Chat(port(), ChatBody("[sim:usage_shape=choice]", true)).body;
  EXPECT_THAT(in_choice, HasSubstr(R"("finish_reason":"stop","usage":{"prompt_tokens":)"));

  std::vector<std::string> finish = Usages(port(), "finish_chunk");
  EXPECT_GT(Json(finish.back())["completion_tokens"].GetInt(), 0);
  EXPECT_EQ(std::count(finish.begin(), finish.end(), "-"), std::ssize(finish) - 1);

  std::vector<std::string> every = Usages(port(), "every_chunk");
  int last = 0;
  for (const std::string& usage : every) {
    int now = Json(usage)["completion_tokens"].GetInt();
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_GT(last, 5);

  EXPECT_EQ(Usages(port(), "null_then_real").front(), "null");
  EXPECT_GT(Json(Usages(port(), "null_then_real").back())["prompt_tokens"].GetInt(), 0);
  EXPECT_EQ(Json(Usages(port(), "zero").back())["total_tokens"].GetInt(), 0);
  EXPECT_EQ(Json(Usages(port(), "prompt_zero").back())["prompt_tokens"].GetInt(), 0);
  EXPECT_GT(Json(Usages(port(), "prompt_zero").back())["completion_tokens"].GetInt(), 0);
  std::vector<std::string> doubtful = Usages(port(), "doubtful");
  EXPECT_THAT(doubtful, ::testing::Contains(HasSubstr("9223372036854775808")));
  EXPECT_THAT(doubtful, ::testing::Contains(HasSubstr("-5")));
  EXPECT_THAT(doubtful, ::testing::Contains(HasSubstr("12.5")));
}

TEST_F(FaultsTest, ReportsUsageInEveryShapeUnary) {
  auto answer = [&](std::string_view fault) { return Json(Get(fault, false).body); };
  EXPECT_FALSE(answer("39").HasMember("usage"));
  EXPECT_EQ(answer("40")["usage"]["total_tokens"].GetInt(), 0);
  EXPECT_EQ(answer("41")["usage"]["prompt_tokens"].GetInt(), 0);
  EXPECT_GT(answer("41")["usage"]["completion_tokens"].GetInt(), 0);
  EXPECT_GT(answer("38")["usage"]["completion_tokens"].GetInt(), 0);
  EXPECT_EQ(answer("42b")["usage"]["prompt_tokens"].GetInt(), -5);
  JsonDocument choice = Json(Chat(port(), ChatBody("[sim:usage_shape=choice]", false)).body);
  EXPECT_FALSE(choice.HasMember("usage"));
  EXPECT_GT(choice["choices"][0]["usage"]["completion_tokens"].GetInt(), 0);
}

CURLcode CurlResult(int port, std::string_view prompt, bool stream) {
  return CurlTransfer(port, prompt, stream).Perform();
}

TEST_F(FaultsTest, LibcurlAgreesOnHowAnswersEnd) {
  for (bool stream : {true, false}) {
    EXPECT_EQ(CurlResult(port(), "fine", stream), CURLE_OK);
    EXPECT_EQ(CurlResult(port(), "[sim:fault=1]", stream), CURLE_OK);
    EXPECT_EQ(CurlResult(port(), "[sim:segment_bytes=3]", stream), CURLE_OK);
    EXPECT_EQ(CurlResult(port(), "[sim:fault=19b]", stream), CURLE_RECV_ERROR);
    EXPECT_EQ(CurlResult(port(), "[sim:fault=20a]", stream), CURLE_PARTIAL_FILE);
    EXPECT_EQ(CurlResult(port(), "[sim:fault=20b]", stream), CURLE_OK);  // curl cannot know
    EXPECT_EQ(CurlResult(port(), "[sim:fault=20c]", stream), CURLE_PARTIAL_FILE);
  }
}

TEST_F(FaultsTest, ServesManyPacedStreamsWithoutLoss) {
  constexpr int kStreams = 300;
  CURLM* multi = curl_multi_init();
  std::vector<std::unique_ptr<CurlTransfer>> transfers;
  for (int i = 0; i < kStreams; ++i) {
    transfers.push_back(std::make_unique<CurlTransfer>(
        port(), "[sim:chunks=32,chunk_bytes=24,chunk_interval_ms=5,send_time=1]", true));
    curl_multi_add_handle(multi, transfers.back()->handle);
  }
  int running = kStreams;
  while (running > 0) {
    ASSERT_EQ(curl_multi_perform(multi, &running), CURLM_OK);
    curl_multi_poll(multi, nullptr, 0, 100, nullptr);
  }
  for (const auto& transfer : transfers) {
    StreamSummary stream = Summarize(ParseSse(transfer->body));
    EXPECT_EQ(stream.content_chunks, 32);
    EXPECT_EQ(stream.text.size(), 32u * 24);
    EXPECT_TRUE(stream.done);
    curl_multi_remove_handle(multi, transfer->handle);
  }
  transfers.clear();
  curl_multi_cleanup(multi);
  JsonDocument stats = Json(Fetch(port(), "GET", "/sim/stats").body);
  EXPECT_EQ(stats["streams_finished"].GetInt(), kStreams);
  EXPECT_EQ(stats["chunks_sent"].GetInt(), kStreams * 32);
  EXPECT_EQ(stats["in_flight"].GetInt(), 0);
}

}  // namespace
}  // namespace pingti::upstream
