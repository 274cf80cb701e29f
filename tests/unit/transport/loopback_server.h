// A server on a free port of 127.0.0.1 that says exactly what a test tells it to, byte by byte.
//
// Lives on the event loop of the test, so that everything happens on one thread and the test runs
// it by RunUntil(). Thread-safety: none. Connections are owned by the server and stay readable
// after their end.
#pragma once

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/event_loop.h"

namespace pingti::transport::testing {

// Runs the loop until `condition` holds; a failure of the test after 20 seconds.
inline bool RunUntil(base::EventLoop& loop, const std::function<bool()>& condition) {
  bool late = false;
  base::Timer watchdog(loop, [&] { late = true; });
  watchdog.Arm(absl::Seconds(20));
  while (!condition() && !late) event_base_loop(loop.base(), EVLOOP_ONCE);
  EXPECT_FALSE(late) << "it never came";
  return !late;
}

// Runs whatever is ready, and nothing that is to come.
inline void RunReady(base::EventLoop& loop) {
  for (int turn = 0; turn < 20; ++turn) event_base_loop(loop.base(), EVLOOP_NONBLOCK);
}

class Connection {
 public:
  Connection(base::EventLoop& loop, int fd)
      : fd_(fd), readable_(event_new(loop.base(), fd, EV_READ | EV_PERSIST, &OnReadable, this)) {
    event_add(readable_, nullptr);
  }
  ~Connection() { Close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // What the peer has sent, requests one after the other.
  const std::string& received() const { return received_; }
  // Whole requests (head and as many bytes as it announced) that have come.
  int requests() const {
    int count = 0;
    std::string_view rest = received_;
    while (true) {
      const size_t head = rest.find("\r\n\r\n");
      if (head == std::string_view::npos) return count;
      const size_t at = rest.find("Content-Length: ");
      const size_t body = at < head ? std::stoul(std::string(rest.substr(at + 16, 20))) : 0;
      if (rest.size() < head + 4 + body) return count;
      rest.remove_prefix(head + 4 + body);
      ++count;
    }
  }
  bool closed_by_peer() const { return closed_by_peer_; }

  // Sends all of `bytes`; they must fit the socket's buffer.
  void Send(std::string_view bytes) { EXPECT_EQ(SendSome(bytes), bytes.size()); }
  // As many as the socket takes.
  size_t SendSome(std::string_view bytes) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }
  void Close() {
    if (fd_ < 0) return;
    event_free(readable_);
    close(std::exchange(fd_, -1));
  }
  // Ends the connection with RST.
  void Reset() {
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    Close();
  }

 private:
  static void OnReadable(int fd, short /*what*/, void* self) {
    auto* connection = static_cast<Connection*>(self);
    char bytes[65536];
    const ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0) {
      connection->received_.append(bytes, static_cast<size_t>(got));
    } else {
      connection->closed_by_peer_ = true;
      event_del(connection->readable_);
    }
  }

  int fd_;
  event* readable_;
  std::string received_;
  bool closed_by_peer_ = false;
};

class LoopbackServer {
 public:
  explicit LoopbackServer(base::EventLoop& loop) : loop_(loop) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_, 64), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    acceptable_ = event_new(loop.base(), fd_, EV_READ | EV_PERSIST, &OnAcceptable, this);
    event_add(acceptable_, nullptr);
  }
  ~LoopbackServer() { Stop(); }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/x"; }
  const std::vector<std::unique_ptr<Connection>>& connections() const { return connections_; }

  // Runs the loop until connection number `index` has sent `requests` whole ones.
  Connection& WaitForRequest(size_t index = 0, int requests = 1) {
    RunUntil(loop_, [&] {
      return connections_.size() > index && connections_[index]->requests() >= requests;
    });
    return *connections_.at(index);
  }

  // From now on connections to the port are refused.
  void Stop() {
    if (fd_ < 0) return;
    event_free(acceptable_);
    close(std::exchange(fd_, -1));
  }

 private:
  static void OnAcceptable(int fd, short /*what*/, void* self) {
    auto* server = static_cast<LoopbackServer*>(self);
    const int accepted = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return;
    server->connections_.push_back(std::make_unique<Connection>(server->loop_, accepted));
  }

  base::EventLoop& loop_;
  int fd_;
  int port_;
  event* acceptable_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace pingti::transport::testing
