#include "server/transport/curl_transport.h"

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/task.h"
#include "tests/fakes/resolver_gate.h"
#include "tests/unit/transport/transport_fixture.h"

namespace pingti::transport {
namespace {

using testing::Connection;
using testing::Exchange;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RunReady;
using testing::RunUntil;

class CurlEnvironment final : public ::testing::Environment {
 public:
  void SetUp() override { InitialiseCurl(); }
  void TearDown() override { CleanUpCurl(); }
};
[[maybe_unused]] const auto* const kEnvironment =
    ::testing::AddGlobalTestEnvironment(new CurlEnvironment);

class CurlTransportTest : public testing::TransportFixture {};

TEST_F(CurlTransportTest, SendsARequestAndReadsTheAnswer) {
  auto exchange = Start(Request(R"({"a":1})"));
  EXPECT_EQ(exchange->transfer->status(), 0);
  EXPECT_EQ(transport_.transfers(), 1);
  Connection& peer = server_.WaitForRequest();
  EXPECT_THAT(peer.received(), HasSubstr("POST /v1/x HTTP/1.1\r\n"));
  EXPECT_THAT(peer.received(), HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(peer.received(), HasSubstr("\r\nX-Key: k\r\n"));
  EXPECT_THAT(peer.received(), HasSubstr("\r\nAccept-Encoding: identity\r\n"));
  EXPECT_THAT(peer.received(), Not(HasSubstr("Expect:")));
  EXPECT_THAT(peer.received(), HasSubstr("\r\n\r\n{\"a\":1}"));
  EXPECT_TRUE(exchange->transfer->connected());
  peer.Send(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Two:  b \r\n"
      "Content-Length: 5\r\n\r\nhello");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->status(), 200);
  EXPECT_EQ(exchange->transfer->header("content-type"), "application/json");
  EXPECT_EQ(exchange->transfer->header("x-two"), "b");
  EXPECT_EQ(exchange->transfer->header("x-none"), "");
  EXPECT_EQ(exchange->transfer->body(), "hello");
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  EXPECT_EQ(exchange->transfer->error_text(), "");
  EXPECT_GT(exchange->wakes, 0);
  Drop(std::move(exchange));
  EXPECT_EQ(transport_.transfers(), 0);
}

TEST_F(CurlTransportTest, ALargeBodyIsNotHeldBack) {
  // libcurl by itself would wait for "100 Continue" before it sends this.
  auto exchange = Start(Request(std::string(3 << 20, 'x')));
  Connection& peer = server_.WaitForRequest();
  EXPECT_GT(peer.received().size(), size_t{3 << 20});
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kNone);
  Drop(std::move(exchange));
}

TEST_F(CurlTransportTest, AConnectionThatIsRefusedIsAConnectError) {
  server_.Stop();
  auto exchange = Start();
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kConnect);
  EXPECT_FALSE(exchange->transfer->connected());
  Drop(std::move(exchange));
}

TEST_F(CurlTransportTest, AHandshakeThatFailsIsAConnectError) {
  HttpRequest request = Request();
  request.url = "https" + request.url.substr(4);
  auto exchange = Start(std::move(request));
  ASSERT_TRUE(RunUntil(loop_, [&] { return !server_.connections().empty(); }));
  server_.connections()[0]->Send("HTTP/1.1 400 not TLS\r\n\r\n");
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kConnect);
  EXPECT_FALSE(exchange->transfer->connected());
  Drop(std::move(exchange));
}

TEST_F(CurlTransportTest, AHandshakeThatNeverComesIsAConnectTimeout) {
  HttpRequest request = Request();
  request.url = "https" + request.url.substr(4);
  request.connect_timeout = absl::Milliseconds(20);
  auto exchange = Start(std::move(request));
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kConnectTimeout);
  EXPECT_FALSE(exchange->transfer->connected());
  Drop(std::move(exchange));
}

// The loop is everybody's: neither a look-up that is late nor one that nobody wants any more stops
// it.
TEST_F(CurlTransportTest, ANameThatIsNotResolvedHoldsNobodyUp) {
  const fakes::ResolverGate gate;
  ASSERT_EQ(setenv(fakes::ResolverGate::kVariable, gate.path().c_str(), 1), 0);
  HttpRequest request = Request();
  request.url = "http://provider.held.invalid/v1/x";
  request.connect_timeout = absl::Milliseconds(20);
  auto late = Start(request);
  request.connect_timeout = absl::Seconds(60);
  auto unwanted = Start(request);
  ASSERT_TRUE(RunUntilDone(*late));
  EXPECT_EQ(late->transfer->error(), TransportError::kConnectTimeout);
  EXPECT_FALSE(late->transfer->connected());
  Drop(std::move(late));
  Drop(std::move(unwanted));
  PooledConnection();
}

TEST_F(CurlTransportTest, AnotherSchemeIsRefused) {
  HttpRequest request = Request();
  request.url = "file:///etc/hostname";
  auto exchange = Start(std::move(request));
  ASSERT_TRUE(RunUntilDone(*exchange));
  EXPECT_EQ(exchange->transfer->error(), TransportError::kProtocol);
  EXPECT_EQ(exchange->transfer->body(), "");
  Drop(std::move(exchange));
}

TEST_F(CurlTransportTest, DestructionClosesTheConnectionAtOnce) {
  auto exchange = Start();
  Connection& peer = server_.WaitForRequest();
  peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  ASSERT_TRUE(RunUntil(loop_, [&] { return !exchange->transfer->body().empty(); }));
  EXPECT_FALSE(peer.closed_by_peer());
  Drop(std::move(exchange));
  // No timer has to fire: what is ready shows it.
  RunReady(loop_);
  EXPECT_TRUE(peer.closed_by_peer());
}

TEST_F(CurlTransportTest, DestructionBeforeAnyAnswerClosesTheConnection) {
  auto exchange = Start();
  Connection& peer = server_.WaitForRequest();
  Drop(std::move(exchange));
  RunReady(loop_);
  EXPECT_TRUE(peer.closed_by_peer());
}

TEST_F(CurlTransportTest, DestructionRightAfterTheStartIsFine) {
  Drop(Start());
  RunReady(loop_);
  EXPECT_EQ(transport_.transfers(), 0);
}

TEST_F(CurlTransportTest, ACompleteExchangeLeavesItsConnectionForTheNext) {
  for (int i = 1; i <= 3; ++i) {
    auto exchange = Start();
    Connection& peer = server_.WaitForRequest(0, i);
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    ASSERT_TRUE(RunUntilDone(*exchange));
    EXPECT_TRUE(exchange->transfer->connected());
    Drop(std::move(exchange));
  }
  EXPECT_EQ(server_.connections().size(), 1u);
  EXPECT_FALSE(server_.connections()[0]->closed_by_peer());
}

TEST_F(CurlTransportTest, AConnectionThatDiedInThePoolCostsNoCall) {
  PooledConnection().Close();
  RunReady(loop_);
  auto second = Start();
  server_.WaitForRequest(1).Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(RunUntilDone(*second));
  EXPECT_EQ(second->transfer->error(), TransportError::kNone);
  EXPECT_EQ(second->transfer->body(), "ok");
  Drop(std::move(second));
}

TEST_F(CurlTransportTest, ManyExchangesAtOnceDoNotMix) {
  constexpr size_t kMany = 50;
  std::vector<std::unique_ptr<Exchange>> exchanges;
  for (size_t i = 0; i < kMany; ++i) exchanges.push_back(Start(Request(absl::StrCat("n", i, "."))));
  for (size_t i = 0; i < kMany; ++i) {
    Connection& peer = server_.WaitForRequest(i);
    const std::string body = peer.received().substr(peer.received().find("\r\n\r\n") + 4);
    peer.Send(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  }
  for (size_t i = 0; i < kMany; ++i) {
    ASSERT_TRUE(RunUntilDone(*exchanges[i]));
    EXPECT_EQ(exchanges[i]->transfer->body(), absl::StrCat("n", i, "."));
    Drop(std::move(exchanges[i]));
  }
  EXPECT_EQ(server_.connections().size(), kMany);
}

TEST_F(CurlTransportTest, AWokenCallMayEndAllOthers) {
  // The first to be notified destroys every transfer that waits to be notified in the same turn.
  struct Group {
    base::Signal signals[3];
    std::unique_ptr<HttpTransfer> transfers[3];
    int ended = 0;
  };
  Group group;
  const auto wait = [](Group* all, int own) -> base::Task<> {
    co_await all->signals[own].Wait();
    if (all->ended++ > 0) co_return;
    for (auto& transfer : all->transfers) transfer.reset();
    for (int i = 0; i < 3; ++i) {
      if (i != own) all->signals[i].Notify();
    }
  };
  for (int i = 0; i < 3; ++i) {
    base::Detach(wait(&group, i));
    group.transfers[i] = transport_.Start(Request(), group.signals[i]);
  }
  for (size_t i = 0; i < 3; ++i) server_.WaitForRequest(i);
  for (size_t i = 0; i < 3; ++i) {
    server_.connections()[i]->Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }
  ASSERT_TRUE(RunUntil(loop_, [&] { return group.ended == 3; }));
  RunReady(loop_);
  EXPECT_EQ(transport_.transfers(), 0);
}

}  // namespace
}  // namespace pingti::transport
