#include "tests/integration/fragile_provider.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <utility>

namespace pingti::integration {

KeptPort::KeptPort() { fd_ = BindFreePort(/*shared=*/true, &port_); }

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
