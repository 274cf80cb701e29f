#include "tests/upstream/server.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "server/base/strings.h"
#include "tests/upstream/connection.h"
#include "tests/upstream/http2_connection.h"
#include "tests/upstream/service.h"
#include "tests/upstream/tls_front.h"

namespace pingti::upstream {
namespace {

constexpr int kBacklog = 4096;

absl::Status SocketError(std::string_view what) {
  return absl::UnavailableError(base::StrCat(what, ": ", std::strerror(errno)));
}

// A listening socket; `*port` 0 becomes the port that the kernel chose.
absl::StatusOr<int> Listen(const std::string& address, bool shared, int* port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SocketError("socket");
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (shared) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<uint16_t>(*port));
  socklen_t size = sizeof(where);
  if (inet_pton(AF_INET, address.c_str(), &where.sin_addr) != 1) {
    close(fd);
    return absl::InvalidArgumentError(base::StrCat("not an IPv4 address: ", address));
  }
  if (bind(fd, reinterpret_cast<sockaddr*>(&where), size) != 0 || listen(fd, kBacklog) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    absl::Status status = SocketError(base::StrCat("cannot listen on ", address, ":", *port));
    close(fd);
    return status;
  }
  *port = ntohs(where.sin_port);
  return fd;
}

}  // namespace

class Server::Loop {
 public:
  Loop(World& world, int number) : service_(world, number) {}

  ~Loop() {
    tls_front_.reset();
    Connection::CloseAll(context_);
    Http2Connection::CloseAll(context_);
    if (listener_ != nullptr) evconnlistener_free(listener_);
    if (stop_ != nullptr) event_free(stop_);
    if (context_.base != nullptr) event_base_free(context_.base);
    if (stop_fd_ >= 0) close(stop_fd_);
  }

  // Takes the socket over.
  absl::Status Init(int listen_fd) {
    // Precise timers: the coarse clock is wrong by up to 4 ms, and chunks may be 1 ms apart.
    event_config* config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    context_.base = event_base_new_with_config(config);
    event_config_free(config);
    context_.service = &service_;
    stop_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (context_.base == nullptr || stop_fd_ < 0) {
      close(listen_fd);
      return SocketError("event loop");
    }
    stop_ = event_new(
        context_.base, stop_fd_, EV_READ,
        [](evutil_socket_t, short, void* base) {
          event_base_loopbreak(static_cast<event_base*>(base));
        },
        context_.base);
    event_add(stop_, nullptr);
    listener_ = evconnlistener_new(context_.base, &Loop::Accepted, this,
                                   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, listen_fd);
    return listener_ != nullptr ? absl::OkStatus() : SocketError("listener");
  }

  // Takes the socket over.
  absl::Status ServeTls(int listen_fd, int plain_port, const Authority& authority) {
    absl::StatusOr<std::unique_ptr<TlsFront>> front =
        TlsFront::Make(context_.base, listen_fd, plain_port, authority);
    if (!front.ok()) return front.status();
    tls_front_ = *std::move(front);
    return absl::OkStatus();
  }

  void Run() { event_base_dispatch(context_.base); }

  // From any thread.
  void Stop() {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(stop_fd_, &one, sizeof(one));
  }

 private:
  static void Accepted(evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* self) {
    LoopContext& context = static_cast<Loop*>(self)->context_;
    const size_t open = context.connections.size() + context.http2_connections.size();
    if (open >= kConnectionsPerLoopMax) {
      close(fd);
      return;
    }
    Connection::Open(context, fd);
  }

  Service service_;
  LoopContext context_;
  std::unique_ptr<TlsFront> tls_front_;  // of the first loop
  evconnlistener* listener_ = nullptr;
  event* stop_ = nullptr;
  int stop_fd_ = -1;
};

Server::Server(ServerOptions options)
    : options_(std::move(options)),
      world_(options_.base, options_.api_keys, options_.threads, options_.log_requests) {}

Server::~Server() { Stop(); }

absl::Status Server::Start() {
  port_ = options_.port;
  bool shared = options_.threads > 1;
  if (shared && port_ != 0) {
    // A shared port would be granted beside another of our own processes: ask for it alone first.
    absl::StatusOr<int> probe = Listen(options_.address, false, &port_);
    if (!probe.ok()) return probe.status();
    close(*probe);
  }
  for (int i = 0; i < options_.threads; ++i) {
    absl::StatusOr<int> fd = Listen(options_.address, shared, &port_);
    if (!fd.ok()) return fd.status();
    loops_.push_back(std::make_unique<Loop>(world_, i));
    if (absl::Status status = loops_.back()->Init(*fd); !status.ok()) return status;
  }
  if (!options_.tls_ca_file.empty()) {
    if (absl::Status status = StartTls(); !status.ok()) return status;
  }
  for (const auto& loop : loops_) threads_.emplace_back([&loop = *loop] { loop.Run(); });
  return absl::OkStatus();
}

absl::Status Server::StartTls() {
  absl::StatusOr<Authority> authority = Authority::Make();
  if (!authority.ok()) return authority.status();
  std::ofstream file(options_.tls_ca_file);
  file << authority->Pem();
  if (!file.flush()) {
    return absl::UnavailableError(base::StrCat("cannot write ", options_.tls_ca_file));
  }
  absl::StatusOr<int> fd = Listen(options_.address, false, &tls_port_);
  if (!fd.ok()) return fd.status();
  return loops_.front()->ServeTls(*fd, port_, *authority);
}

void Server::Stop() {
  for (const auto& loop : loops_) loop->Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  loops_.clear();
}

}  // namespace pingti::upstream
