#include "tests/integration/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "tests/integration/process.h"

namespace pingti::integration {
namespace {

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// True when the head is there and as much of a body as it announces.
bool IsWhole(const std::string& received) {
  const size_t head = received.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const std::string mark = "content-length:";
  const auto at =
      std::search(received.begin(), received.begin() + static_cast<ptrdiff_t>(head), mark.begin(),
                  mark.end(), [](char a, char b) { return std::tolower(a) == b; });
  const size_t value = static_cast<size_t>(at - received.begin()) + mark.size();
  return value < head &&
         received.size() >= head + 4 + std::strtoull(received.c_str() + value, nullptr, 10);
}

// Reads an answer, or until the peer closes.
std::string ReceiveAll(int fd) {
  std::string received;
  char buffer[64 * 1024];
  while (!IsWhole(received)) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, static_cast<int>(WaitMax().count())) <= 0) return received;
    const ssize_t size = read(fd, buffer, sizeof buffer);
    if (size <= 0) return received;
    received.append(buffer, static_cast<size_t>(size));
  }
  return received;
}

}  // namespace

HttpAnswer HttpCall(int port, const std::string& method, const std::string& path,
                    const std::string& body) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string received;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      SendAll(fd, method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                      "Content-Type: application/json\r\nContent-Length: " +
                      std::to_string(body.size()) + "\r\n\r\n" + body)) {
    received = ReceiveAll(fd);
  }
  close(fd);
  HttpAnswer answer;
  const size_t head = received.find("\r\n\r\n");
  if (head == std::string::npos || received.size() < 12) return answer;
  answer.status = std::atoi(received.substr(9, 3).c_str());
  answer.body = received.substr(head + 4);
  return answer;
}

}  // namespace pingti::integration
