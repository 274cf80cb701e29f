#include "tests/redis/black_hole_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <vector>

#include "tests/integration/process.h"

namespace pingti::testing_redis {
namespace {

constexpr int kBacklog = 128;
constexpr size_t kBytesAtOnce = 64 * 1024;
constexpr std::string_view kUnix = "unix:";

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::abort();
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

}  // namespace

// Both ends of a connection, and what was read of one and not yet written to the other.
struct BlackHoleProxy::Pair {
  int fds[2] = {-1, -1};
  std::string held[2];  // for fds[i]
  bool over = false;

  // What to wait for at fds[i]: no more is read than can be held.
  short EventsOf(int i) const {
    const short in = held[1 - i].size() < kBytesAtOnce ? POLLIN : 0;
    return static_cast<short>(in | (held[i].empty() ? 0 : POLLOUT));
  }

  void Carry(int i, short events) {
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
      char buffer[kBytesAtOnce];
      const ssize_t size = recv(fds[i], buffer, sizeof buffer, MSG_DONTWAIT);
      if (size > 0) held[1 - i].append(buffer, static_cast<size_t>(size));
      if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) over = true;
    }
    for (const int to : {0, 1}) {
      if (held[to].empty()) continue;
      const ssize_t sent =
          send(fds[to], held[to].data(), held[to].size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) held[to].erase(0, static_cast<size_t>(sent));
    }
  }
};

BlackHoleProxy::BlackHoleProxy(const std::string& target)
    : target_(target),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (wake_ < 0 || bind(listener_, generic, size) != 0 || listen(listener_, kBacklog) != 0 ||
      getsockname(listener_, generic, &size) != 0) {
    Die("proxy of the test");
  }
  address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  thread_ = std::thread([this] { Run(); });
}

BlackHoleProxy::~BlackHoleProxy() {
  wanted_ = Mode::kEnd;
  const uint64_t one = 1;
  if (write(wake_, &one, sizeof one) != sizeof one) Die("proxy of the test");
  thread_.join();
  close(listener_);
  close(wake_);
}

void BlackHoleProxy::SetSwallowing(bool swallowing) {
  const Mode mode = swallowing ? Mode::kSwallow : Mode::kForward;
  wanted_ = mode;
  const uint64_t one = 1;
  if (write(wake_, &one, sizeof one) != sizeof one) Die("proxy of the test");
  if (!integration::Eventually([&] { return reached_ == mode; })) Die("proxy of the test");
}

int BlackHoleProxy::ConnectToTarget() const {
  int fd = -1;
  int result = -1;
  if (target_.starts_with(kUnix)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, target_.c_str() + kUnix.size(), sizeof address.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    result = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  } else {
    const sockaddr_in address = Loopback(std::atoi(target_.c_str() + target_.rfind(':') + 1));
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (result == 0) return fd;
  close(fd);
  return -1;
}

void BlackHoleProxy::Run() {
  std::list<Pair> pairs;
  while (wanted_ != Mode::kEnd) {
    const bool forwards = wanted_ == Mode::kForward;
    reached_ = forwards ? Mode::kForward : Mode::kSwallow;
    std::vector<pollfd> waits = {{.fd = wake_, .events = POLLIN, .revents = 0}};
    if (forwards) {
      waits.push_back({.fd = listener_, .events = POLLIN, .revents = 0});
      for (const Pair& pair : pairs) {
        for (const int i : {0, 1}) {
          waits.push_back({.fd = pair.fds[i], .events = pair.EventsOf(i), .revents = 0});
        }
      }
    }
    if (poll(waits.data(), waits.size(), -1) < 0) continue;
    uint64_t wakes = 0;
    if (read(wake_, &wakes, sizeof wakes) > 0) continue;
    size_t next = 2;
    for (Pair& pair : pairs) {
      for (const int i : {0, 1}) pair.Carry(i, waits[next++].revents);
    }
    std::erase_if(pairs, [](const Pair& pair) {
      if (!pair.over) return false;
      for (const int fd : pair.fds) close(fd);
      return true;
    });
    const int made = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (made < 0) continue;
    const int on = 1;
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Pair pair{.fds = {made, ConnectToTarget()}, .held = {}};
    if (pair.fds[1] >= 0) {
      pairs.push_back(std::move(pair));
    } else {
      close(made);
    }
  }
  for (const Pair& pair : pairs) {
    for (const int fd : pair.fds) close(fd);
  }
}

}  // namespace pingti::testing_redis
