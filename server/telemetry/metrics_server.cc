#include "server/telemetry/metrics_server.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <future>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "prometheus/exposer.h"

namespace pingti::telemetry {
namespace {

constexpr absl::Duration kStopPoll = absl::Milliseconds(5);

struct HostPort {
  std::string host;  // without brackets
  std::string port;
};

// civetweb gives a meaning to commas, `s`, `r` and `+` in an address; we take plain host:port only.
absl::StatusOr<HostPort> ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos && colon > 0) {
    const std::string digits = address.substr(colon + 1);
    if (digits.empty() || !absl::ascii_isdigit(digits[0]) || !absl::SimpleAtoi(digits, &port)) {
      port = -1;
    }
  }
  std::string host = port < 0 ? "" : address.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool host_ok =
      !host.empty() && host.find_first_of(bracketed ? "[],+" : "[],+:") == std::string::npos;
  if (port < 0 || port > 65535 || !host_ok) {
    return absl::InvalidArgumentError(
        absl::StrCat("metrics address `", address,
                     "` is not host:port with a port from 0 to 65535 (IPv6 hosts in brackets)"));
  }
  return HostPort{host, absl::StrCat(port)};
}

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// Null, and getaddrinfo's error, where the host has no address.
AddressList Resolve(const HostPort& where, int* error) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  *error = getaddrinfo(where.host.c_str(), where.port.c_str(), &hints, &found);
  return {found, &freeaddrinfo};
}

// civetweb does not say why it could not listen; the same bind() of our own does.
std::string WhyNot(const HostPort& where) {
  int error = 0;
  const AddressList found = Resolve(where, &error);
  if (!found) return gai_strerror(error);
  std::string why = "cannot listen there";
  const int fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0) {
      why = std::strerror(errno);
    }
    close(fd);
  }
  return why;
}

// Connects and hangs up.
void Touch(const addrinfo& address) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  (void)connect(fd, address.ai_addr, address.ai_addrlen);
  close(fd);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address,
                                                                    Registry& registry) {
  absl::StatusOr<HostPort> where = ParseAddress(address);
  if (!where.ok()) return where.status();
  try {
    // A peer that connects and says nothing holds the only thread no longer than the timeout.
    auto exposer = std::make_unique<prometheus::Exposer>(std::vector<std::string>{
        "listening_ports", address, "num_threads", "1", "request_timeout_ms", "2000"});
    const std::vector<int> ports = exposer->GetListeningPorts();
    if (ports.empty()) {
      return absl::UnavailableError(absl::StrCat("metrics on ", address, ": no port"));
    }
    exposer->RegisterCollectable(registry.collectable());
    return std::unique_ptr<MetricsServer>(
        new MetricsServer(std::move(exposer), where->host, ports.front()));
  } catch (const std::exception&) {
    return absl::UnavailableError(absl::StrCat("metrics on ", address, ": ", WhyNot(*where)));
  }
}

MetricsServer::MetricsServer(std::unique_ptr<prometheus::Exposer> exposer, std::string host,
                             int port)
    : exposer_(std::move(exposer)), host_(std::move(host)), port_(port) {}

// civetweb looks up from accept() only every 2 seconds to see that it shall stop, or when somebody
// connects. So somebody connects, until it has stopped.
MetricsServer::~MetricsServer() {
  std::future<void> stopped = std::async(std::launch::async, [this] { exposer_.reset(); });
  int error = 0;
  const AddressList address = Resolve({host_, absl::StrCat(port_)}, &error);
  while (stopped.wait_for(absl::ToChronoMilliseconds(kStopPoll)) != std::future_status::ready) {
    if (address) Touch(*address);
  }
}

}  // namespace pingti::telemetry
