// The simulated provider over HTTP/2 in clear text, as libcurl sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "tests/upstream/curl_transfer.h"
#include "tests/upstream/provider_fixture.h"
#include "tests/upstream/test_client.h"

namespace pingti::upstream {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kFrameHeadBytes = 9;
enum Type : uint8_t {
  kData = 0,
  kHeaders = 1,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kWindowUpdate = 8
};
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kEndHeaders = 4;

// A frame of a stream below 65536, and a header field as HPACK has it without any compression.
std::string Frame(Type type, uint8_t flags, uint32_t stream, std::string_view payload) {
  const size_t size = payload.size();
  const char head[kFrameHeadBytes] = {static_cast<char>(size >> 16),
                                      static_cast<char>(size >> 8),
                                      static_cast<char>(size),
                                      static_cast<char>(type),
                                      static_cast<char>(flags),
                                      0,
                                      0,
                                      static_cast<char>(stream >> 8),
                                      static_cast<char>(stream)};
  return std::string(head, sizeof head).append(payload);
}
std::string Field(std::string_view name, std::string_view value) {
  std::string field(1, '\0');
  field.append(1, static_cast<char>(name.size())).append(name);
  return field.append(1, static_cast<char>(value.size())).append(value);
}

// One chat completion over HTTP/2.
struct Http2Transfer : CurlTransfer {
  Http2Transfer(int port, std::string_view prompt, bool stream)
      : CurlTransfer(port, prompt, stream) {
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE});
  }
};

class Http2Test : public ProviderTest {
 protected:
  static JsonDocument Last() { return Json(Fetch(port(), "GET", "/sim/requests?last=1").body); }
  static JsonDocument Stats() { return Json(Fetch(port(), "GET", "/sim/stats").body); }
};

TEST_F(Http2Test, AnswersAsOverHttp1) {
  for (const bool stream : {false, true}) {
    Http2Transfer transfer(port(), "Hello", stream);
    ASSERT_EQ(transfer.Perform(), CURLE_OK);
    EXPECT_EQ(transfer.Get(CURLINFO_RESPONSE_CODE), 200);
    EXPECT_EQ(transfer.Get(CURLINFO_HTTP_VERSION), CURL_HTTP_VERSION_2_0);
    EXPECT_STREQ(Last()[0]["protocol"].GetString(), "HTTP/2");
    EXPECT_STREQ(Last()[0]["ended"].GetString(), "completed");
    const Response other = Chat(port(), ChatBody("Hello", stream));
    EXPECT_STREQ(Last()[0]["protocol"].GetString(), "HTTP/1.1");
    if (stream) {
      const StreamSummary summary = Summarize(ParseSse(transfer.body));
      EXPECT_TRUE(summary.done);
      EXPECT_EQ(summary.text, Summarize(ParseSse(other.body)).text);
    } else {
      EXPECT_STREQ(Json(transfer.body)["choices"][0]["message"]["content"].GetString(),
                   Json(other.body)["choices"][0]["message"]["content"].GetString());
    }
  }
}

// The client's first bytes in any pieces, and what only begins like them.
TEST_F(Http2Test, IsToldApartByItsPreface) {
  RawConnection connection(port());
  for (const char byte : kPreface) ASSERT_TRUE(connection.Send({&byte, 1}));
  ASSERT_TRUE(connection.Send(Frame(kSettings, 0, 0, "")));
  const Response response = connection.Read(ScaledMs(300));
  EXPECT_EQ(response.raw.substr(3, 1), "\4");  // its own come first
  RawConnection other(port());
  const std::string request = HttpRequestBytes("PRINT", "/v1/models", "");
  ASSERT_TRUE(other.Send(request.substr(0, 3)));
  ASSERT_TRUE(other.Send(request.substr(3)));
  EXPECT_EQ(other.Read().status, 404);
}

TEST_F(Http2Test, EndsStreamsAsItsFaultsSay) {
  struct Case {
    const char* fault;
    CURLcode code;
    bool content;
  };
  for (const Case& c :
       {Case{"23error", CURLE_HTTP2_STREAM, false}, Case{"23errorlate", CURLE_HTTP2_STREAM, true},
        Case{"23goaway", CURLE_HTTP2, false}, Case{"23goawaylate", CURLE_PARTIAL_FILE, true},
        // libcurl repeats what was refused, five times.
        Case{"23refused", CURLE_RECV_ERROR, false}, Case{"23refusedlate", CURLE_RECV_ERROR, true},
        Case{"23stopped", CURLE_OK, true}}) {
    Fetch(port(), "POST", "/sim/reset");
    Http2Transfer transfer(port(), "Hello[sim:fault=" + std::string(c.fault) + "]", true);
    EXPECT_EQ(transfer.Perform(), c.code) << c.fault;
    const StreamSummary summary = Summarize(ParseSse(transfer.body));
    EXPECT_EQ(summary.content_chunks > 0, c.content) << c.fault;
    EXPECT_FALSE(summary.done) << c.fault;
    EXPECT_STREQ(Last()[0]["ended"].GetString(), "fault") << c.fault;
    const bool repeated = std::string_view(c.fault) == "23refused";
    EXPECT_EQ(Stats()["requests"].GetInt(), repeated ? 6 : 1) << c.fault;
    EXPECT_EQ(Stats()["in_flight"].GetInt(), 0) << c.fault;
  }
}

TEST_F(Http2Test, FaultsOfHttp2AreRefusedOverHttp1) {
  for (const bool stream : {false, true}) {
    const Response response = Chat(port(), ChatBody("Hello[sim:fault=23refused]", stream));
    EXPECT_EQ(response.status, 400);
    EXPECT_THAT(response.body, HasSubstr("needs HTTP/2"));
  }
}

// libcurl 7.88 cannot have two streams on such a connection; frames written by hand can.
TEST_F(Http2Test, StreamsOfOneConnectionDoNotMix) {
  constexpr uint32_t kStreams = 20;
  RawConnection connection(port());
  std::string bytes(kPreface);
  bytes += Frame(kSettings, 0, 0, "");
  // All of them are larger than the window with which a connection begins.
  bytes += Frame(kWindowUpdate, 0, 0, std::string("\0\xff\xff\xff", 4));
  for (uint32_t i = 0; i < kStreams; ++i) {
    const std::string prompt = "Number " + std::to_string(i) + ".[sim:chunk_interval_ms=5]";
    const uint32_t id = 2 * i + 1;
    bytes += Frame(kHeaders, kEndHeaders, id,
                   Field(":method", "POST") + Field(":scheme", "http") +
                       Field(":path", "/v1/chat/completions") + Field(":authority", "simulated"));
    bytes += Frame(kData, kEndStream, id, ChatBody(prompt, true));
  }
  ASSERT_TRUE(connection.Send(bytes));
  const Response response = connection.Read(ScaledMs(500));
  std::map<uint32_t, std::string> bodies;
  std::set<uint32_t> ended;
  std::string_view rest = response.raw;
  while (rest.size() >= kFrameHeadBytes) {
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(rest[at]); };
    const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    const uint32_t id = byte(7) << 8 | byte(8);
    ASSERT_GE(rest.size(), kFrameHeadBytes + size);
    if (byte(3) == kData) bodies[id] += rest.substr(kFrameHeadBytes, size);
    if (byte(3) == kData && (byte(4) & kEndStream) != 0) ended.insert(id);
    rest.remove_prefix(kFrameHeadBytes + size);
  }
  EXPECT_EQ(ended.size(), kStreams);
  for (uint32_t i = 0; i < kStreams; ++i) {
    const StreamSummary summary = Summarize(ParseSse(bodies[2 * i + 1]));
    EXPECT_THAT(summary.text, HasSubstr("\"Number " + std::to_string(i) + ".\""));
    EXPECT_EQ(summary.malformed, 0);
    EXPECT_TRUE(summary.done);
  }
  EXPECT_EQ(Stats()["streams_finished"].GetInt(), kStreams);
}

// A client that resets its stream has gone from it, while its connection stays.
TEST_F(Http2Test, AStreamThatItsClientResetsIsADisconnect) {
  RawConnection connection(port());
  ASSERT_TRUE(connection.Send(
      std::string(kPreface) + Frame(kSettings, 0, 0, "") +
      Frame(kHeaders, kEndHeaders, 1,
            Field(":method", "POST") + Field(":scheme", "http") +
                Field(":path", "/v1/chat/completions") + Field(":authority", "simulated")) +
      Frame(kData, kEndStream, 1, ChatBody("Hello[sim:latency_ms=60000]", true)) +
      Frame(kRstStream, 0, 1, std::string("\0\0\0\x8", 4)) + Frame(kPing, 0, 0, "12345678")));
  connection.Read(ScaledMs(200));
  EXPECT_STREQ(Last()[0]["ended"].GetString(), "client_closed");
  EXPECT_EQ(Stats()["disconnects"].GetInt(), 1);
  EXPECT_EQ(Stats()["in_flight"].GetInt(), 0);
}

}  // namespace
}  // namespace pingti::upstream
