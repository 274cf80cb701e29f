#include "tests/upstream/tls_front.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

constexpr size_t kSessionsMax = 1024;
constexpr size_t kHelloBytesMax = 4096;
// Bytes that wait for one side before the other one is read from again.
constexpr size_t kWaitingBytesMax = 1024 * 1024;

constexpr TlsFault kTlsFaults[] = {
    {.name = "58expired", .title = "its certificate has expired", .expired = true},
    {.name = "58otherhost",
     .title = "its certificate is another host's",
     .certified_host = "simulated.example"},
    {.name = "58stall", .title = "the handshake stalls", .stalls = true},
};

// A ClientHello has the name of the host in clear text.
const TlsFault* FaultOfHello(std::string_view hello) {
  for (const TlsFault& fault : kTlsFaults) {
    if (hello.find(base::StrCat(fault.name, kTlsDomain)) != std::string_view::npos) return &fault;
  }
  return nullptr;
}

}  // namespace

std::string TlsFaultHelp() {
  std::string help =
      base::StrCat("Faults of TLS (host <name>", kTlsDomain, "; ", kTlsGoodName, ": none):\n");
  for (const TlsFault& fault : kTlsFaults) {
    base::StrAppend(&help, "  ", fault.name, " ", fault.title, "\n");
  }
  return help;
}

// One client: first its ClientHello is looked at, then bytes go both ways until one side ends.
class TlsFront::Session {
 public:
  Session(TlsFront& front, evutil_socket_t fd) : front_(front), fd_(fd) {
    hello_ = event_new(
        front_.base_, fd_, EV_READ | EV_PERSIST,
        [](evutil_socket_t, short, void* self) { static_cast<Session*>(self)->OnHello(); }, this);
    event_add(hello_, nullptr);
  }
  ~Session() {
    if (hello_ != nullptr) event_free(hello_);
    for (bufferevent* side : {outer_, inner_}) {
      if (side != nullptr) bufferevent_free(side);
    }
    if (outer_ == nullptr) close(fd_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  void OnHello() {
    char bytes[kHelloBytesMax];
    const ssize_t size = recv(fd_, bytes, sizeof(bytes), stalls_ ? 0 : MSG_PEEK);
    if (size <= 0) return End();
    if (stalls_) return;
    const TlsFault* fault = FaultOfHello({bytes, static_cast<size_t>(size)});
    stalls_ = fault != nullptr && fault->stalls;
    if (!stalls_) Begin(front_.ContextOf(fault));
  }

  void Begin(SSL_CTX* context) {
    event_free(std::exchange(hello_, nullptr));
    outer_ = bufferevent_openssl_socket_new(front_.base_, fd_, SSL_new(context),
                                            BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    inner_ = bufferevent_socket_new(front_.base_, -1, BEV_OPT_CLOSE_ON_FREE);
    if (outer_ == nullptr || inner_ == nullptr) return End();
    for (bufferevent* side : {outer_, inner_}) {
      bufferevent_setcb(side, &Session::OnReadable, &Session::OnWritten, &Session::OnEvent, this);
    }
    sockaddr_in plain{};
    plain.sin_family = AF_INET;
    plain.sin_port = htons(static_cast<uint16_t>(front_.plain_port_));
    plain.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bufferevent_socket_connect(inner_, reinterpret_cast<sockaddr*>(&plain), sizeof(plain)) !=
        0) {
      return End();
    }
    bufferevent_enable(outer_, EV_READ | EV_WRITE);
    bufferevent_enable(inner_, EV_READ | EV_WRITE);
  }

  bufferevent* Other(bufferevent* side) const { return side == outer_ ? inner_ : outer_; }
  static evbuffer* Waiting(bufferevent* side) { return bufferevent_get_output(side); }

  static void OnReadable(bufferevent* side, void* self) {
    bufferevent* other = static_cast<Session*>(self)->Other(side);
    bufferevent_write_buffer(other, bufferevent_get_input(side));
    if (evbuffer_get_length(Waiting(other)) > kWaitingBytesMax) bufferevent_disable(side, EV_READ);
  }

  static void OnWritten(bufferevent* side, void* self) {
    auto* session = static_cast<Session*>(self);
    if (session->ending_) return session->End();
    bufferevent_enable(session->Other(side), EV_READ);
  }

  static void OnEvent(bufferevent* side, short what, void* self) {
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0) return;  // connected
    auto* session = static_cast<Session*>(self);
    // The provider's last bytes still go out.
    session->ending_ = side == session->inner_ && !session->ending_ &&
                       evbuffer_get_length(Waiting(session->outer_)) > 0;
    if (!session->ending_) session->End();
  }

  // Destroys this.
  void End() {
    front_.sessions_.remove_if([this](const auto& session) { return session.get() == this; });
  }

  TlsFront& front_;
  const evutil_socket_t fd_;
  event* hello_ = nullptr;
  bool stalls_ = false;
  bool ending_ = false;
  bufferevent* outer_ = nullptr;  // to the client; owns fd_
  bufferevent* inner_ = nullptr;  // to the plain port
};

absl::StatusOr<std::unique_ptr<TlsFront>> TlsFront::Make(event_base* base, int listen_fd,
                                                         int plain_port,
                                                         const Authority& authority) {
  std::unique_ptr<TlsFront> front(new TlsFront());
  front->base_ = base;
  front->plain_port_ = plain_port;
  front->listener_ = evconnlistener_new(
      base,
      [](evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* self) {
        static_cast<TlsFront*>(self)->Accept(fd);
      },
      front.get(), LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, listen_fd);
  if (front->listener_ == nullptr) return absl::UnavailableError("no listener for TLS");
  auto certify = [&](std::string_view name, const std::string& host, bool expired) -> absl::Status {
    absl::StatusOr<SslContext> context = authority.ContextFor(host, expired);
    if (!context.ok()) return context.status();
    front->contexts_[name] = *std::move(context);
    return absl::OkStatus();
  };
  absl::Status status = certify(kTlsGoodName, base::StrCat(kTlsGoodName, kTlsDomain), false);
  for (const TlsFault& fault : kTlsFaults) {
    const std::string own = base::StrCat(fault.name, kTlsDomain);
    const std::string host(fault.certified_host.empty() ? own : fault.certified_host);
    if (status.ok()) status = certify(fault.name, host, fault.expired);
  }
  if (!status.ok()) return status;
  return front;
}

TlsFront::~TlsFront() {
  sessions_.clear();
  if (listener_ != nullptr) evconnlistener_free(listener_);
}

void TlsFront::Accept(evutil_socket_t fd) {
  if (sessions_.size() >= kSessionsMax) {
    close(fd);
  } else {
    sessions_.push_back(std::make_unique<Session>(*this, fd));
  }
}

SSL_CTX* TlsFront::ContextOf(const TlsFault* fault) const {
  return contexts_.at(fault != nullptr ? fault->name : kTlsGoodName).get();
}

}  // namespace pingti::upstream
