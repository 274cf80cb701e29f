#include "tests/integration/fragile_provider.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <utility>

namespace pingti::integration {

// The kernel gives a bound port to nobody; with SO_REUSEADDR on both sides one of them may listen.
KeptPort::KeptPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd_, generic, size) != 0 || getsockname(fd_, generic, &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
}

KeptPort::~KeptPort() { close(fd_); }

FragileProvider::FragileProvider(std::string name) : name_(std::move(name)) { Start(); }

std::string FragileProvider::base_url() const {
  return "http://127.0.0.1:" + std::to_string(port_.port()) + "/v1";
}

void FragileProvider::Start() {
  provider_ = std::make_unique<Provider>(
      std::vector<std::string>{"--log-requests", "--defaults", R"({"voice":")" + name_ + "\"}"},
      port_.port());
}

void FragileProvider::Kill() {
  provider_->process().Signal(SIGKILL);
  if (!provider_->process().Wait(WaitMax())) std::abort();
  log_ += provider_->process().Output();
  provider_.reset();
}

std::vector<FragileProvider::Request> FragileProvider::Requests() const {
  std::istringstream lines(provider_ ? log_ + provider_->process().Output() : log_);
  std::vector<Request> requests;
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind;
    Request request;
    if (words >> kind >> request.arrival_ns >> request.user && kind == "chat") {
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

std::string FragileProvider::Answer(const std::string& name, const std::string& user,
                                    size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) {
    text += name + "/" + user + "/" + std::to_string(i) + " ";
  }
  text.resize(bytes);
  return text;
}

}  // namespace pingti::integration
