#include "server/transport/curl_transfer.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/base/strings.h"
#include "tests/unit/transport/transport_fixture.h"

namespace pingti::transport {
namespace {

using testing::Connection;
using testing::RunReady;
using testing::RunUntil;

class CurlTransferTest : public testing::TransportFixture {};

// 24 bytes, in 29 bytes of gzip(1).
constexpr std::string_view kHello = "hello hello hello hello\n";
constexpr std::string_view kHelloGzip(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\xb9"
    "\x00\x00\x88\x59\x0b\x18\x00\x00\x00",
    29);

std::string GzipAnswer() {
  return base::StrCat("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ",
                      kHelloGzip.size(), "\r\n\r\n", kHelloGzip);
}

// Sends body bytes until neither the socket nor the transfer take any more; gives their number.
size_t Fill(base::EventLoop& loop, Connection& peer, size_t bytes_max) {
  const std::string block(64 * 1024, 'x');
  size_t sent = 0;
  for (int idle = 0; idle < 50 && sent < bytes_max;) {
    const size_t now = peer.SendSome(block);
    sent += now;
    idle = now == 0 ? idle + 1 : 0;
    RunReady(loop);
  }
  return sent;
}

TEST_F(CurlTransferTest, ShowsHeaderAndBytesAsTheyArrive) {
  auto exchange = Start();
  Connection& peer = server_.WaitForRequest();
  peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chun");
  RunReady(loop_);
  EXPECT_EQ(exchange->transfer->status(), 0);
  peer.Send("ked\r\n\r\n");
  ASSERT_TRUE(RunUntil(loop_, [&] { return exchange->transfer->status() == 200; }));
  EXPECT_EQ(exchange->transfer->body(), "");
  peer.Send("3\r\nabc\r\n");
  ASSERT_TRUE(RunUntil(loop_, [&] { return exchange->transfer->body() == "abc"; }));
  exchange->transfer->Consume(2);
  EXPECT_EQ(exchange->transfer->body(), "c");
  peer.Send("2\r\nde\r\n0\r\n\r\n");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->body(), "cde");
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  exchange->transfer->Consume(3);
  EXPECT_EQ(exchange->transfer->body(), "");
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, ChunksMayBeSplitAnywhere) {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
      "6\r\nhello \r\n5;ext=1\r\nworld\r\n0\r\nX-Trailer: t\r\n\r\n";
  auto exchange = Start();
  Connection& peer = server_.WaitForRequest();
  for (const char byte : answer) {
    peer.Send(std::string_view(&byte, 1));
    RunReady(loop_);
  }
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->body(), "hello world");
  EXPECT_EQ(exchange->transfer->header("content-type"), "text/event-stream");
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, ABodyThatEndsEarlyIsCut) {
  for (const char* answer : {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhello"}) {
    auto exchange = Start();
    const size_t number = server_.connections().size();
    Connection& peer = server_.WaitForRequest(number);
    peer.Send(answer);
    peer.Close();
    ASSERT_TRUE(RunUntilDone(*exchange));
    EXPECT_EQ(exchange->transfer->error(), TransportError::kCut) << answer;
    EXPECT_EQ(exchange->transfer->body(), "hello");
    EXPECT_EQ(exchange->transfer->status(), 200);
    EXPECT_NE(exchange->transfer->error_text(), "");
    Drop(std::move(exchange));
  }
}

TEST_F(CurlTransferTest, AResetIsCut) {
  auto exchange = Start();
  Connection& peer = server_.WaitForRequest();
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
  ASSERT_TRUE(RunUntil(loop_, [&] { return exchange->transfer->status() == 200; }));
  peer.Reset();
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kCut);
  EXPECT_TRUE(exchange->transfer->connected());
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, AnEndBeforeAnyAnswerIsCut) {
  auto exchange = Start();
  server_.WaitForRequest().Close();
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kCut);
  EXPECT_EQ(exchange->transfer->status(), 0);
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, WhatIsNotHttpIsAProtocolError) {
  auto exchange = Start();
  server_.WaitForRequest().Send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kProtocol);
  Drop(std::move(exchange));
}

// What happens to a request on a connection from the pool that the provider ends without an answer.
class NeverTwiceTest : public CurlTransferTest, public ::testing::WithParamInterface<bool> {};

TEST_P(NeverTwiceTest, ARequestIsNotSentAgain) {
  Connection& peer = PooledConnection();
  auto second = Start();
  server_.WaitForRequest(0, 2);
  GetParam() ? peer.Reset() : peer.Close();
  ASSERT_TRUE(RunUntilDone(*second));
  EXPECT_EQ(second->transfer->error(), TransportError::kCut);
  EXPECT_EQ(second->transfer->error_text(), "the connection ended before the answer began");
  EXPECT_TRUE(second->transfer->connected());
  Drop(std::move(second));
  RunReady(loop_);
  EXPECT_EQ(server_.connections().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Endings, NeverTwiceTest, ::testing::Bool());

TEST_F(CurlTransferTest, ABodyOverItsLimitIsTooLarge) {
  HttpRequest request = Request();
  request.answer_bytes_max = 100;
  auto exchange = Start(std::move(request));
  server_.WaitForRequest().Send("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" +
                                std::string(101, 'x'));
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kTooLarge);
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, ABodyOfExactlyItsLimitIsFine) {
  HttpRequest request = Request();
  request.answer_bytes_max = 100;
  auto exchange = Start(std::move(request));
  server_.WaitForRequest().Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" +
                                std::string(100, 'x'));
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  EXPECT_EQ(exchange->transfer->body().size(), 100u);
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, AHeaderOverItsLimitIsTooLarge) {
  auto exchange = Start();
  std::string head = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 70; ++i)
    absl::StrAppend(&head, "X-", i, ": ", std::string(1000, 'x'), "\r\n");
  server_.WaitForRequest().Send(head + "\r\n");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kTooLarge);
  EXPECT_EQ(exchange->transfer->status(), 0);
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, AnInterimAnswerIsPassedOver) {
  auto exchange = Start();
  Connection& peer = server_.WaitForRequest();
  peer.Send("HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n");
  peer.Send("HTTP/1.1 103 Early Hints\r\nContent-Type: text/html\r\n\r\n");
  RunReady(loop_);
  EXPECT_EQ(exchange->transfer->status(), 0);
  peer.Send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->status(), 200);
  EXPECT_EQ(exchange->transfer->header("content-type"), "application/json");
  EXPECT_EQ(exchange->transfer->header("x-interim"), "");
  EXPECT_EQ(exchange->transfer->body(), "{}");
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, RedirectsAreNotFollowed) {
  auto exchange = Start();
  server_.WaitForRequest().Send("HTTP/1.1 307 Go\r\nLocation: " + server_.url() +
                                "\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->status(), 307);
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  EXPECT_EQ(server_.connections().size(), 1u);
  EXPECT_EQ(server_.connections()[0]->requests(), 1);
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, GzipThatNobodyAskedForIsDecoded) {
  auto exchange = Start();
  server_.WaitForRequest().Send(GzipAnswer());
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone) << exchange->transfer->error_text();
  EXPECT_EQ(exchange->transfer->body(), kHello);
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, TheLimitCountsDecodedBytes) {
  const std::pair<uint64_t, TransportError> limits[] = {
      {kHello.size() - 1, TransportError::kTooLarge}, {kHello.size(), TransportError::kNone}};
  for (const auto& [limit, error] : limits) {
    HttpRequest request = Request();
    request.answer_bytes_max = limit;
    auto exchange = Start(std::move(request));
    server_.WaitForRequest(server_.connections().size()).Send(GzipAnswer());
    ASSERT_TRUE(RunUntilDone(*exchange));
    EXPECT_EQ(exchange->transfer->error(), error) << limit;
    Drop(std::move(exchange));
  }
}

TEST_F(CurlTransferTest, ATransferThatIsNotReadHoldsItsProviderBack) {
  constexpr size_t kAll = 64 << 20;
  HttpRequest request = Request();
  request.answer_bytes_max = kAll;
  request.buffer_bytes_max = 16 * 1024;
  auto exchange = Start(std::move(request));
  Connection& peer = server_.WaitForRequest();
  peer.Send(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", kAll, "\r\n\r\n"));
  const size_t sent = Fill(loop_, peer, kAll);
  EXPECT_LT(sent, kAll);  // the rest is what the kernel buffers
  EXPECT_EQ(transport_.paused(), 1);
  EXPECT_LE(exchange->transfer->body().size(), size_t{32 * 1024});
  EXPECT_FALSE(exchange->transfer->done());

  // Read everything: then it goes on to the end.
  size_t got = 0;
  size_t left = kAll - sent;
  const std::string block(64 * 1024, 'x');
  ASSERT_TRUE(RunUntil(loop_, [&] {
    got += exchange->transfer->body().size();
    exchange->transfer->Consume(exchange->transfer->body().size());
    left -= peer.SendSome(std::string_view(block).substr(0, std::min(left, block.size())));
    return exchange->transfer->done() && exchange->transfer->body().empty();
  }));
  EXPECT_EQ(got, kAll);
  EXPECT_EQ(transport_.paused(), 0);
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  Drop(std::move(exchange));
}

TEST_F(CurlTransferTest, ItGoesOnWhenHalfOfItsBufferIsRead) {
  HttpRequest request = Request();
  request.buffer_bytes_max = 16 * 1024;
  auto exchange = Start(std::move(request));
  Connection& peer = server_.WaitForRequest();
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n");
  peer.Send(std::string(65536, 'x'));
  ASSERT_TRUE(RunUntil(loop_, [&] { return transport_.paused() == 1; }));
  const size_t full = exchange->transfer->body().size();
  EXPECT_GE(full, size_t{16 * 1024});
  exchange->transfer->Consume(full - 8 * 1024 - 1);
  EXPECT_EQ(transport_.paused(), 1);
  exchange->transfer->Consume(1);
  RunReady(loop_);
  EXPECT_GT(exchange->transfer->body().size(), size_t{8 * 1024});
  Drop(std::move(exchange));
  EXPECT_EQ(transport_.paused(), 0);
}

TEST_F(CurlTransferTest, AHandleThatWasPausedIsFreshForTheNext) {
  HttpRequest request = Request();
  request.buffer_bytes_max = 1024;
  auto paused = Start(std::move(request));
  Connection& first = server_.WaitForRequest();
  first.Send("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n");
  first.Send(std::string(65536, 'x'));
  ASSERT_TRUE(RunUntil(loop_, [&] { return transport_.paused() == 1; }));
  Drop(std::move(paused));
  auto next = Start();
  server_.WaitForRequest(1).Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(RunUntilDone(*next));
  EXPECT_EQ(next->transfer->body(), "ok");
  Drop(std::move(next));
}

}  // namespace
}  // namespace pingti::transport
