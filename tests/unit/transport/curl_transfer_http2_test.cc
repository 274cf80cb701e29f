// Exchanges over HTTP/2 in clear text with a peer whose frames are written by hand (RFC 9113).
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/strings.h"
#include "server/transport/curl_transfer.h"
#include "tests/unit/transport/transport_fixture.h"

namespace pingti::transport {
namespace {

using testing::Connection;
using testing::Exchange;
using testing::RunReady;
using testing::RunUntil;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kFrameHeadBytes = 9;

enum Type : uint8_t { kData = 0, kHeaders = 1, kRstStream = 3, kSettings = 4, kGoAway = 7 };
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kAck = 1;
constexpr uint8_t kEndHeaders = 4;
enum Code : uint32_t { kNoError = 0, kInternalError = 2, kRefusedStream = 7 };

std::string Number(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string Frame(Type type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame = Number(static_cast<uint32_t>(payload.size())).substr(1);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  return base::StrCat(frame, Number(stream), payload);
}

std::string Settings() { return Frame(kSettings, 0, 0, "") + Frame(kSettings, kAck, 0, ""); }

// `:status: 200` is the eighth entry of HPACK's static table.
std::string Ok(uint32_t stream) { return Frame(kHeaders, kEndHeaders, stream, "\x88"); }

std::string Reset(uint32_t stream, Code code) { return Frame(kRstStream, 0, stream, Number(code)); }

std::string GoAway(uint32_t last_stream, Code code) {
  return Frame(kGoAway, 0, 0, Number(last_stream) + Number(code));
}

struct SeenFrame {
  uint8_t type;
  uint8_t flags;
  uint32_t stream;
};

// The whole frames that the peer has sent after its preface.
std::vector<SeenFrame> FramesOf(const Connection& peer) {
  std::vector<SeenFrame> frames;
  std::string_view rest = peer.received();
  if (!rest.starts_with(kPreface)) return frames;
  rest.remove_prefix(kPreface.size());
  while (rest.size() >= kFrameHeadBytes) {
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(rest[at]); };
    const size_t size = kFrameHeadBytes + (byte(0) << 16 | byte(1) << 8 | byte(2));
    if (rest.size() < size) break;
    frames.push_back({byte(3), byte(4), static_cast<uint32_t>(byte(7) << 8 | byte(8))});
    rest.remove_prefix(size);
  }
  return frames;
}

// The streams whose requests are there whole.
std::vector<uint32_t> RequestsOf(const Connection& peer) {
  std::vector<uint32_t> streams;
  for (const SeenFrame& frame : FramesOf(peer)) {
    const bool ends = frame.type == kData || frame.type == kHeaders;
    if (ends && (frame.flags & kEndStream) != 0) streams.push_back(frame.stream);
  }
  return streams;
}

class CurlTransferHttp2Test : public testing::TransportFixture {
 protected:
  HttpRequest Http2Request() {
    HttpRequest request = Request();
    request.version = config::HttpVersion::kHttp2;
    return request;
  }
  std::unique_ptr<Exchange> StartHttp2() { return Start(Http2Request()); }
  // Runs the loop until connection number `index` has sent `requests` whole ones.
  Connection& WaitForHttp2(size_t index = 0, size_t requests = 1) {
    RunUntil(loop_, [&] {
      const auto& all = server_.connections();
      return all.size() > index && RequestsOf(*all[index]).size() >= requests;
    });
    return *server_.connections().at(index);
  }
  void ExpectNoOtherRequest() {
    RunReady(loop_);
    ASSERT_EQ(server_.connections().size(), 1u);
    EXPECT_EQ(RequestsOf(*server_.connections()[0]).size(), 1u);
  }
};

TEST_F(CurlTransferHttp2Test, SendsARequestAndReadsTheAnswer) {
  auto exchange = StartHttp2();
  Connection& peer = WaitForHttp2();
  EXPECT_TRUE(std::string_view(peer.received()).starts_with(kPreface));
  EXPECT_TRUE(exchange->transfer->connected());
  peer.Send(Settings() + Ok(1));
  ASSERT_TRUE(RunUntil(loop_, [&] { return exchange->transfer->status() == 200; }));
  peer.Send(Frame(kData, 0, 1, "hello"));
  ASSERT_TRUE(RunUntil(loop_, [&] { return exchange->transfer->body() == "hello"; }));
  EXPECT_FALSE(exchange->transfer->done());
  peer.Send(Frame(kData, kEndStream, 1, " world"));
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->body(), "hello world");
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  Drop(std::move(exchange));
}

// libcurl 7.88 would fail with each second exchange on a connection. One of HTTP/1.1 to the same
// host is not taken either.
TEST_F(CurlTransferHttp2Test, InClearTextAConnectionServesOnce) {
  PooledConnection();
  for (size_t i = 1; i <= 3; ++i) {
    auto exchange = StartHttp2();
    Connection& peer = WaitForHttp2(i);
    peer.Send(Settings() + Ok(1) + Frame(kData, kEndStream, 1, "ok"));
    ASSERT_TRUE(RunUntilDone(*exchange));
    EXPECT_EQ(exchange->transfer->body(), "ok");
    EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
    Drop(std::move(exchange));
    RunReady(loop_);
    EXPECT_TRUE(peer.closed_by_peer());
  }
  // Its handle is as before for an exchange over HTTP/1.1.
  auto exchange = Start();
  server_.WaitForRequest(0, 2).Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(RunUntilDone(*exchange));
  Drop(std::move(exchange));
  EXPECT_EQ(server_.connections().size(), 4u);
}

// With TLS the provider chooses: HTTP/2 is offered first, and HTTP/1.1 only where nothing else is
// asked for.
TEST_F(CurlTransferHttp2Test, WithTlsHttp2IsOfferedBesideHttp1) {
  for (const bool http2 : {true, false}) {
    HttpRequest request = http2 ? Http2Request() : Request();
    request.url = "https" + request.url.substr(4);
    auto exchange = Start(std::move(request));
    const size_t index = http2 ? 0 : 1;
    ASSERT_TRUE(RunUntil(loop_, [&] {
      return server_.connections().size() > index &&
             server_.connections()[index]->received().find("http/1.1") != std::string::npos;
    }));
    // The protocols in the client's hello, each after its length.
    const std::string& hello = server_.connections()[index]->received();
    EXPECT_EQ(hello.find("\x02h2\x08http/1.1") != std::string::npos, http2);
    EXPECT_NE(hello.find("\x08http/1.1"), std::string::npos);
    Drop(std::move(exchange));
  }
}

// One that holds its connection back, or ends it, must not meet the others.
TEST_F(CurlTransferHttp2Test, EachExchangeHasAConnectionOfItsOwn) {
  auto first = StartHttp2();
  WaitForHttp2(0).Send(Settings() + Ok(1));
  ASSERT_TRUE(RunUntil(loop_, [&] { return first->transfer->status() == 200; }));
  auto second = StartHttp2();
  WaitForHttp2(1).Send(Settings() + Ok(1) + Frame(kData, kEndStream, 1, "ok"));
  ASSERT_TRUE(RunUntilDone(*second));
  EXPECT_FALSE(first->transfer->done());
  EXPECT_EQ(RequestsOf(*server_.connections()[0]).size(), 1u);
  Drop(std::move(second));
  Drop(std::move(first));
}

TEST_F(CurlTransferHttp2Test, DestructionClosesTheConnectionAtOnce) {
  auto exchange = StartHttp2();
  Connection& peer = WaitForHttp2();
  peer.Send(Settings() + Ok(1) + Frame(kData, 0, 1, "hello"));
  ASSERT_TRUE(RunUntil(loop_, [&] { return !exchange->transfer->body().empty(); }));
  Drop(std::move(exchange));
  // No timer has to fire: what is ready shows it.
  RunReady(loop_);
  EXPECT_TRUE(peer.closed_by_peer());
}

// The provider says that it has not looked at the request. Whether it is sent again is for the call
// to decide: libcurl by itself would.
class NotProcessedTest : public CurlTransferHttp2Test,
                         public ::testing::WithParamInterface<std::string> {};

TEST_P(NotProcessedTest, IsCutAndNotSentAgain) {
  auto exchange = StartHttp2();
  WaitForHttp2().Send(Settings() + GetParam());
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kCut);
  EXPECT_NE(exchange->transfer->error_text(), "");
  EXPECT_EQ(exchange->transfer->status(), 0);
  EXPECT_TRUE(exchange->transfer->connected());
  ExpectNoOtherRequest();
  Drop(std::move(exchange));
  ExpectNoOtherRequest();
}

INSTANTIATE_TEST_SUITE_P(Frames, NotProcessedTest,
                         ::testing::Values(Reset(1, kRefusedStream), GoAway(0, kNoError),
                                           GoAway(0, kInternalError), Reset(1, kInternalError)));

// How a stream, or its connection, ends in the middle of an answer.
class EndedInTheMiddleTest : public CurlTransferHttp2Test,
                             public ::testing::WithParamInterface<std::string> {};

TEST_P(EndedInTheMiddleTest, IsCut) {
  auto exchange = StartHttp2();
  Connection& peer = WaitForHttp2();
  peer.Send(Settings() + Ok(1) + Frame(kData, 0, 1, "hello"));
  ASSERT_TRUE(RunUntil(loop_, [&] { return exchange->transfer->body() == "hello"; }));
  peer.Send(GetParam());
  RunReady(loop_);
  peer.Close();
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kCut);
  EXPECT_NE(exchange->transfer->error_text(), "");
  EXPECT_EQ(exchange->transfer->status(), 200);
  EXPECT_EQ(exchange->transfer->body(), "hello");
  Drop(std::move(exchange));
}

INSTANTIATE_TEST_SUITE_P(Frames, EndedInTheMiddleTest,
                         ::testing::Values(Reset(1, kInternalError), Reset(1, kRefusedStream),
                                           GoAway(1, kNoError), GoAway(0, kInternalError), ""));

// Stopped without an error: what is missing shows only where its length is known.
TEST_F(CurlTransferHttp2Test, AStreamThatIsStoppedIsCutWhereItsLengthIsKnown) {
  // content-length is entry 28 of HPACK's static table; its value comes as it is.
  const std::string with_length(
      "\x88\x0f\x0d\x02"
      "10",
      6);
  for (const bool known : {true, false}) {
    auto exchange = StartHttp2();
    Connection& peer = WaitForHttp2(known ? 0 : 1);
    peer.Send(Settings() + (known ? Frame(kHeaders, kEndHeaders, 1, with_length) : Ok(1)) +
              Frame(kData, 0, 1, "hello"));
    ASSERT_TRUE(RunUntil(loop_, [&] { return exchange->transfer->body() == "hello"; }));
    peer.Send(Reset(1, kNoError));
    ASSERT_TRUE(RunUntilDone(*exchange));
    EXPECT_EQ(exchange->transfer->error(), known ? TransportError::kCut : TransportError::kNone);
    Drop(std::move(exchange));
  }
}

TEST_F(CurlTransferHttp2Test, WhatIsNotHttp2IsCut) {
  auto exchange = StartHttp2();
  ASSERT_TRUE(RunUntil(loop_, [&] { return !server_.connections().empty(); }));
  Connection& peer = *server_.connections()[0];
  peer.Send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kCut);
  EXPECT_EQ(exchange->transfer->status(), 0);
  Drop(std::move(exchange));
}

// More than all buffers and the window of the stream take.
TEST_F(CurlTransferHttp2Test, ATransferThatIsNotReadHoldsItsProviderBackAndLosesNothing) {
  constexpr size_t kFrames = 4096;
  const std::string frame = Frame(kData, 0, 1, std::string(16 * 1024, 'x'));
  HttpRequest request = Http2Request();
  request.answer_bytes_max = kFrames * frame.size();
  request.buffer_bytes_max = 16 * 1024;
  auto exchange = Start(std::move(request));
  Connection& peer = WaitForHttp2();
  peer.Send(Settings() + Ok(1));
  // The test does not look at the window: what is refused is refused by the transfer not reading.
  std::string left;
  size_t frames = 0;
  const auto fill = [&] {
    while (true) {
      if (left.empty() && frames++ < kFrames) left = frame;
      if (left.empty()) return;
      const size_t sent = peer.SendSome(left);
      left.erase(0, sent);
      if (!left.empty()) return;
    }
  };
  for (int turn = 0; turn < 200; ++turn) {
    fill();
    RunReady(loop_);
  }
  EXPECT_LT(frames, kFrames / 2);
  EXPECT_EQ(transport_.paused(), 1);
  EXPECT_LE(exchange->transfer->body().size(), size_t{64 * 1024});
  EXPECT_FALSE(exchange->transfer->done());
  size_t got = 0;
  bool ended = false;
  ASSERT_TRUE(RunUntil(loop_, [&] {
    got += exchange->transfer->body().size();
    exchange->transfer->Consume(exchange->transfer->body().size());
    fill();
    if (left.empty() && frames > kFrames && !std::exchange(ended, true)) {
      peer.Send(Frame(kData, kEndStream, 1, ""));
    }
    return exchange->transfer->done() && exchange->transfer->body().empty();
  }));
  EXPECT_EQ(got, kFrames * 16 * 1024);
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  EXPECT_EQ(transport_.paused(), 0);
  Drop(std::move(exchange));
}

// However much of it comes in one piece.
TEST_F(CurlTransferHttp2Test, TheEndOfAnAnswerIsNeverLost) {
  size_t index = 0;
  for (const size_t first : {2'000u, 6'000u, 10'000u, 16'000u}) {
    for (const size_t last : {1u, 4'000u, 13'000u, 16'384u}) {
      auto exchange = StartHttp2();
      Connection& peer = WaitForHttp2(index++);
      peer.Send(Settings() + Ok(1));
      ASSERT_TRUE(RunUntil(loop_, [&] { return exchange->transfer->status() == 200; }));
      peer.Send(Frame(kData, 0, 1, std::string(first, 'x')) +
                Frame(kData, kEndStream, 1, std::string(last, 'x')));
      ASSERT_TRUE(RunUntilDone(*exchange)) << first << " and " << last;
      EXPECT_EQ(exchange->transfer->body().size(), first + last);
      EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
      Drop(std::move(exchange));
    }
  }
}

// All of it is there before the reader begins.
TEST_F(CurlTransferHttp2Test, AnAnswerThatEndsWhileNobodyReadsLosesNothing) {
  HttpRequest request = Http2Request();
  request.buffer_bytes_max = 1024;
  auto exchange = Start(std::move(request));
  Connection& peer = WaitForHttp2();
  const std::string part(10'000, 'x');
  peer.Send(Settings() + Ok(1));
  for (int i = 0; i < 9; ++i) peer.Send(Frame(kData, 0, 1, part));
  peer.Send(Frame(kData, kEndStream, 1, part));
  ASSERT_TRUE(RunUntil(loop_, [&] { return transport_.paused() == 1; }));
  RunReady(loop_);
  size_t got = 0;
  ASSERT_TRUE(RunUntil(loop_, [&] {
    got += exchange->transfer->body().size();
    exchange->transfer->Consume(exchange->transfer->body().size());
    return exchange->transfer->done() && exchange->transfer->body().empty();
  }));
  EXPECT_EQ(got, 100'000u);
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  Drop(std::move(exchange));
}

}  // namespace
}  // namespace pingti::transport
