// The simulated provider's errors, its own rate limits, HTTP at its edges, and its command line.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/upstream/provider_fixture.h"
#include "tests/upstream/test_client.h"

namespace pingti::upstream {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class LimitsTest : public ProviderTest {
 protected:
  static Response Ask(std::string_view prompt, const std::vector<std::string>& headers = {}) {
    return Chat(port(), ChatBody(prompt, false), headers);
  }
};
struct ErrorCase {
  const char* name;
  int status;
  const char* type;
  const char* code;  // null: JSON null
};

TEST_F(LimitsTest, FailsEveryNthRequest) {
  int refused = 0;
  for (int i = 0; i < 9; ++i) {
    refused += Ask("[sim:status=503,fail_every=3]").status == 503 ? 1 : 0;
  }
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(Ask("[sim:status=503,fail_every=0]").status, 503);
}

TEST_F(LimitsTest, SpeaksWithAVoiceOfItsOwn) {
  const auto text = [](const char* knobs) {
    const std::string prompt = std::string("Hello[sim:voice=alpha") + knobs + "]";
    const Response response = Chat(port(), ChatBody(prompt, false, R"(,"user":"u7")"));
    return std::string(Json(response.body)["choices"][0]["message"]["content"].GetString());
  };
  EXPECT_THAT(text(""), StartsWith("alpha/u7/0 alpha/u7/1 alpha/u7/2 "));
  EXPECT_EQ(text(",chunks=3,chunk_bytes=5"), "alpha/u7/0 alph");
  EXPECT_EQ(text(",output_tokens=1"), "alph");
}

TEST(LogTest, NamesEachRequest) {
  ProviderProcess provider({"--log-requests"});
  ASSERT_NE(provider.port(), 0);
  Chat(provider.port(), ChatBody("Hello", false, R"(,"user":"u7")"));
  EXPECT_EQ(provider.Wait(/*terminate=*/true), 0);
  EXPECT_THAT(provider.Output(), ::testing::ContainsRegex("chat [0-9]+ u7\n"));
}

TEST_F(LimitsTest, SendsEveryErrorInOpenAiShape) {
  constexpr ErrorCase kCases[] = {
      {"400", 400, "invalid_request_error", "context_length_exceeded"},
      {"400bad", 400, "invalid_request_error", nullptr},
      {"400filter", 400, "invalid_request_error", "content_filter"},
      {"401", 401, "invalid_request_error", "invalid_api_key"},
      {"402", 402, "invalid_request_error", "insufficient_balance"},
      {"403", 403, "request_forbidden", "unsupported_country_region_territory"},
      {"404", 404, "invalid_request_error", "model_not_found"},
      {"408", 408, "server_error", "request_timeout"},
      {"413", 413, "invalid_request_error", "request_too_large"},
      {"422", 422, "invalid_request_error", "unprocessable_entity"},
      {"429", 429, "tokens", "rate_limit_exceeded"},
      {"429requests", 429, "requests", "rate_limit_exceeded"},
      {"429large", 429, "tokens", "rate_limit_exceeded"},
      {"429quota", 429, "insufficient_quota", "insufficient_quota"},
      {"500", 500, "server_error", nullptr},
      {"502", 502, "server_error", nullptr},
      {"503", 503, "server_error", nullptr},
      {"504", 504, "server_error", nullptr},
      {"529", 529, "overloaded_error", "overloaded"},
  };
  for (const ErrorCase& error : kCases) {
    for (bool stream : {false, true}) {
      std::string prompt = std::string("[sim:status=") + error.name + "]";
      Response response = Chat(port(), ChatBody(prompt, stream));
      EXPECT_EQ(response.status, error.status) << error.name;
      EXPECT_EQ(response.headers["content-type"], "application/json");
      JsonDocument json = Json(response.body);
      ASSERT_FALSE(json.HasParseError()) << response.body;
      EXPECT_STREQ(json["error"]["type"].GetString(), error.type);
      EXPECT_TRUE(json["error"].HasMember("param"));
      EXPECT_GT(json["error"]["message"].GetStringLength(), 0u);
      if (error.code == nullptr) {
        EXPECT_TRUE(json["error"]["code"].IsNull()) << error.name;
      } else {
        EXPECT_STREQ(json["error"]["code"].GetString(), error.code);
      }
    }
  }
}

TEST_F(LimitsTest, SendsRetryAfterVerbatim) {
  Response response =
      Ask("x", {"x-sim-status: 429", "x-sim-retry-after: Fri, 31 Dec 1999 23:59:59 GMT",
                "x-sim-retry-after-ms: 1500"});
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers["retry-after"], "Fri, 31 Dec 1999 23:59:59 GMT");
  EXPECT_EQ(response.headers["retry-after-ms"], "1500");
}

TEST_F(LimitsTest, FailsTheFirstTimesOfAKey) {
  std::string prompt = "[sim:status=503,fail_times=2,key=a]";
  EXPECT_EQ(Ask(prompt).status, 503);
  EXPECT_EQ(Ask(prompt).status, 503);
  EXPECT_EQ(Ask("[sim:status=503,fail_times=2,key=b]").status, 503);
  EXPECT_EQ(Ask(prompt).status, 200);
  EXPECT_EQ(Ask(prompt).status, 200);
  Fetch(port(), "POST", "/sim/reset");
  EXPECT_EQ(Ask(prompt).status, 503);
  EXPECT_EQ(Ask("[sim:fault=31,fail_times=1,key=c]").status, 502);
  EXPECT_EQ(Ask("[sim:fault=31,fail_times=1,key=c]").status, 200);
}

TEST_F(LimitsTest, EnforcesRequestsPerMinute) {
  Fetch(port(), "POST", "/sim/defaults", R"({"rpm":2})");
  std::vector<std::string> key = {"Authorization: Bearer sk-aaaaaaaa"};
  Response first = Ask("x", key);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.headers["x-ratelimit-limit-requests"], "2");
  EXPECT_EQ(first.headers["x-ratelimit-remaining-requests"], "1");
  EXPECT_EQ(first.headers["x-ratelimit-reset-requests"], "30s");
  EXPECT_EQ(Ask("x", key).status, 200);
  Response refused = Ask("x", key);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers["x-ratelimit-remaining-requests"], "0");
  std::string message = Json(refused.body)["error"]["message"].GetString();
  EXPECT_THAT(message, StartsWith("Rate limit reached for gpt-4o in organization org-simulated on "
                                  "requests per min (RPM): Limit 2, Used 2, Requested 1. Please "
                                  "try again in "));
  EXPECT_STREQ(Json(refused.body)["error"]["type"].GetString(), "requests");
  // wait = (2 + 1 - 2) / 2 x 60 s, less what has passed since.
  int wait_ms = std::stoi(refused.headers["retry-after-ms"]);
  EXPECT_LE(wait_ms, 30'000);
  EXPECT_GT(wait_ms, 25'000);
  EXPECT_EQ(std::stoi(refused.headers["retry-after"]), (wait_ms + 999) / 1000);
  EXPECT_EQ(Ask("x", {"Authorization: Bearer sk-bbbbbbbb"}).status, 200);  // has its own bucket
}

TEST_F(LimitsTest, EnforcesTokensPerMinute) {
  Fetch(port(), "POST", "/sim/defaults", R"({"tpm":1000})");
  auto ask = [&](int max_tokens) {
    return Chat(port(), ChatBody("x", false, ",\"max_tokens\":" + std::to_string(max_tokens)));
  };
  Response first = ask(700);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.headers["x-ratelimit-remaining-tokens"], "300");
  EXPECT_EQ(first.headers["x-ratelimit-reset-tokens"], "42s");
  Response refused = ask(600);
  EXPECT_EQ(refused.status, 429);
  EXPECT_STREQ(Json(refused.body)["error"]["type"].GetString(), "tokens");
  int wait_ms = std::stoi(refused.headers["retry-after-ms"]);
  EXPECT_LE(wait_ms, 18'000);  // (700 + 600 - 1000) / 1000 x 60 s
  EXPECT_GT(wait_ms, 13'000);
  EXPECT_EQ(ask(300).status, 200);  // the refusal took nothing
  Response large = ask(1001);
  EXPECT_EQ(large.status, 429);
  EXPECT_THAT(Json(large.body)["error"]["message"].GetString(), StartsWith("Request too large"));
  EXPECT_FALSE(large.headers.contains("retry-after"));
}

TEST_F(LimitsTest, ReadsRequestsInAnyPieces) {
  std::string request =
      HttpRequestBytes("POST", "/v1/chat/completions", ChatBody("piecewise", false));
  RawConnection bytewise(port());
  for (char c : request) ASSERT_TRUE(bytewise.Send({&c, 1}));
  EXPECT_THAT(bytewise.Read().body, HasSubstr("piecewise"));
  RawConnection pipelined(port());
  ASSERT_TRUE(pipelined.Send(request + request + request));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pipelined.Read().ended, HowEnded::kComplete);
}

TEST_F(LimitsTest, ReadsChunkedAndExpectingRequests) {
  std::string body = ChatBody("in chunks", false);
  std::string chunked = "POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (char c : body) chunked += std::string("1;x=y\r\n") + c + "\r\n";
  RawConnection connection(port());
  ASSERT_TRUE(connection.Send(chunked + "0\r\nTrailer: x\r\n\r\n"));
  EXPECT_THAT(connection.Read().body, HasSubstr("in chunks"));
  std::string expecting =
      HttpRequestBytes("POST", "/v1/chat/completions", body, {"Expect: 100-continue"});
  ASSERT_TRUE(connection.Send(expecting.substr(0, expecting.find("\r\n\r\n") + 4)));
  Response interim = connection.Read(ScaledMs(500));  // has no length: ends with silence
  EXPECT_EQ(interim.raw, "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(connection.Send(body));
  EXPECT_EQ(connection.Read().status, 200);
}

TEST_F(LimitsTest, ClosesWhenAsked) {
  RawConnection connection(port());
  ASSERT_TRUE(connection.Send(HttpRequestBytes("POST", "/v1/chat/completions", ChatBody("x", false),
                                               {"Connection: close"})));
  Response response = connection.Read();
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(connection.Read().ended, HowEnded::kEof);
}

TEST_F(LimitsTest, TakesLargeBodiesAndRefusesTooLargeOnes) {
  std::string image(20 * 1024 * 1024, 'A');
  Response response = Chat(
      port(), R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see"},
      {"type":"image_url","image_url":{"url":"data:image/png;base64,)" +
                  image + R"("}}]}]})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(Json(response.body)["usage"]["prompt_tokens"].GetInt(), 1);
  JsonDocument recent = Json(Fetch(port(), "GET", "/sim/requests?last=1").body);
  EXPECT_EQ(recent[0]["body"].GetStringLength(), 64u * 1024);
  auto status_of = [&](std::string_view bytes) {
    RawConnection connection(port());
    connection.Send(bytes);
    return connection.Read().status;
  };
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nContent-Length: 70000000\r\n\r\n"), 413);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n"), 413);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nx: " + std::string(70'000, 'h')), 431);
  EXPECT_EQ(status_of("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nContent-Length: -4\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), 400);
}

TEST(CommandLineTest, ServesOnSeveralThreadsAndStopsOnSigterm) {
  std::string file = ::testing::TempDir() + "/simulated_provider_port_" + std::to_string(getpid());
  ProviderProcess provider({"--port", "0", "--threads", "4", "--port-file", file, "--defaults",
                            R"({"chunks":3})", "--rpm", "1000"});
  ASSERT_NE(provider.port(), 0);
  for (int i = 0; i < 40; ++i) {
    Response response = Chat(provider.port(), ChatBody("x", true));
    EXPECT_EQ(Summarize(ParseSse(response.body)).content_chunks, 3);
    EXPECT_EQ(response.headers["x-ratelimit-limit-requests"], "1000");
  }
  JsonDocument stats = Json(Fetch(provider.port(), "GET", "/sim/stats").body);
  EXPECT_EQ(stats["requests"].GetInt(), 40);
  EXPECT_EQ(Json(Fetch(provider.port(), "GET", "/sim/requests?last=40").body).Size(), 40u);
  Fetch(provider.port(), "POST", "/sim/defaults", R"({"chunks":5})");
  for (int i = 0; i < 20; ++i) {  // every thread has seen it
    Response response = Chat(provider.port(), ChatBody("x", true));
    EXPECT_EQ(Summarize(ParseSse(response.body)).content_chunks, 5);
  }
  int port_in_file = 0;
  std::ifstream(file) >> port_in_file;
  EXPECT_EQ(port_in_file, provider.port());
  std::filesystem::remove(file);
  EXPECT_EQ(provider.Wait(/*terminate=*/true), 0);
}

TEST(CommandLineTest, FailsOnATakenPortAndOnBadArguments) {
  ProviderProcess first;
  std::string port = std::to_string(first.port());
  for (const char* threads : {"1", "2"}) {
    ProviderProcess second({"--port", port, "--threads", threads});
    EXPECT_EQ(second.port(), 0);
    EXPECT_EQ(second.Wait(/*terminate=*/false), 1);
  }
  ProviderProcess bad({"--defaults", R"({"fault":"none such"})"});
  EXPECT_EQ(bad.Wait(/*terminate=*/false), 1);
}

TEST(CommandLineTest, HelpListsKnobsErrorsAndFaults) {
  ProviderProcess help({"--help"});
  EXPECT_EQ(help.Wait(/*terminate=*/false), 0);
  std::string text = help.Output();
  for (const char* word : {"simulated", "first_token_ms", "429quota", "21c", "send_time"}) {
    EXPECT_THAT(text, HasSubstr(word));
  }
}

TEST(CommandLineTest, ChecksApiKeys) {
  ProviderProcess provider({"--api-key", "sk-right"});
  std::string body = ChatBody("x", false);
  EXPECT_EQ(Chat(provider.port(), body, {"Authorization: Bearer sk-right"}).status, 200);
  Response wrong = Chat(provider.port(), body, {"Authorization: Bearer sk-wrong"});
  EXPECT_EQ(wrong.status, 401);
  EXPECT_STREQ(Json(wrong.body)["error"]["code"].GetString(), "invalid_api_key");
  EXPECT_EQ(Chat(provider.port(), body).status, 401);
}

}  // namespace
}  // namespace pingti::upstream
