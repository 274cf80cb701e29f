// The simulated provider behind TLS: a port of its own, on which each connection is decrypted and
// handed to the plain one, in HTTP/1.1 or HTTP/2 as ALPN agrees. The faults of a handshake are
// chosen by the host that the client names in it (SNI): `58expired.localhost` commits 58expired.
//
// Confined to its loop's thread, and destroyed before the loop.
#pragma once

#include <event2/event.h>
#include <event2/listener.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tests/upstream/certificates.h"

namespace pingti::upstream {

// Names below this one are known to be this machine without a resolver (RFC 6761).
inline constexpr std::string_view kTlsDomain = ".localhost";
// The host that commits no fault.
inline constexpr std::string_view kTlsGoodName = "tls";

// What is done to a client that names `<name>.localhost`.
struct TlsFault {
  std::string_view name;
  std::string_view title;
  std::string_view certified_host;  // empty: its own
  bool expired = false;
  bool stalls = false;
};

// The list in --help.
std::string TlsFaultHelp();

class TlsFront {
 public:
  // `listen_fd`: a listening socket, taken over. What it decrypts goes to `plain_port` of this
  // machine.
  static absl::StatusOr<std::unique_ptr<TlsFront>> Make(event_base* base, int listen_fd,
                                                        int plain_port, const Authority& authority);
  ~TlsFront();
  TlsFront(const TlsFront&) = delete;
  TlsFront& operator=(const TlsFront&) = delete;

 private:
  class Session;

  TlsFront() = default;
  void Accept(evutil_socket_t fd);
  // Null: the one without a fault.
  SSL_CTX* ContextOf(const TlsFault* fault) const;

  event_base* base_ = nullptr;
  evconnlistener* listener_ = nullptr;
  int plain_port_ = 0;
  std::map<std::string_view, SslContext> contexts_;  // by the fault's name
  std::list<std::unique_ptr<Session>> sessions_;
};

}  // namespace pingti::upstream
