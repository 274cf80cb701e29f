// A CurlTransport on a loop of its own beside a server that the test plays.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "server/base/task.h"
#include "server/transport/curl_transport.h"
#include "tests/unit/transport/loopback_server.h"

namespace pingti::transport::testing {

// One exchange and what a call would see of it. Counts how often it was woken.
struct Exchange {
  base::Signal signal;
  int wakes = 0;
  std::unique_ptr<HttpTransfer> transfer;
};

class TransportFixture : public ::testing::Test {
 protected:
  HttpRequest Request(std::string body = "{}") {
    HttpRequest request;
    request.url = server_.url();
    request.headers = *HeaderList::Make({{"Content-Type", "application/json"}, {"X-Key", "k"}});
    request.body = std::move(body);
    request.connect_timeout = absl::Seconds(10);
    request.private_network = true;
    request.answer_bytes_max = 1 << 24;
    return request;
  }
  std::unique_ptr<Exchange> Start(HttpRequest request) {
    auto exchange = std::make_unique<Exchange>();
    base::Detach(CountWakes(exchange.get()));
    exchange->transfer = transport_.Start(std::move(request), exchange->signal);
    EXPECT_EQ(exchange->wakes, 0) << "notified from within Start()";
    return exchange;
  }
  std::unique_ptr<Exchange> Start() { return Start(Request()); }
  static base::Task<> CountWakes(Exchange* exchange) {
    // Ends when the fixture says so: a detached task owns itself.
    while (exchange->wakes >= 0) {
      co_await exchange->signal.Wait();
      if (exchange->wakes >= 0) ++exchange->wakes;
    }
  }
  // The only connection of the pool, on which one exchange has ended well.
  Connection& PooledConnection() {
    auto exchange = Start();
    Connection& peer = server_.WaitForRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(RunUntilDone(*exchange));
    Drop(std::move(exchange));
    return peer;
  }
  // Aborts or ends the exchange.
  static void Drop(std::unique_ptr<Exchange> exchange) {
    exchange->transfer.reset();
    exchange->wakes = -1;
    exchange->signal.Notify();
  }
  bool RunUntilDone(Exchange& exchange) {
    return RunUntil(loop_, [&] { return exchange.transfer->done(); });
  }

  base::EventLoop loop_;
  LoopbackServer server_{loop_};
  CurlTransport transport_{loop_, CurlOptions()};
};

}  // namespace pingti::transport::testing
