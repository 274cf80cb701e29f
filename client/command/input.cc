#include "client/command/input.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace pingti::command {
namespace {

constexpr std::size_t kReadBytes = 65536;

}  // namespace

Input::Filled Input::Fill() {
  while (true) {
    pollfd fds[2] = {{fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return Filled::kFailed;
    }
    if ((fds[1].revents & POLLIN) != 0) return Filled::kInterrupted;
    if (fds[0].revents == 0) continue;
    char bytes[kReadBytes];
    const ssize_t count = ::read(fd_, bytes, sizeof(bytes));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return Filled::kFailed;
    if (count == 0) return Filled::kEnd;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return Filled::kBytes;
  }
}

Input::Read Input::ReadLine() {
  std::size_t searched = 0;
  while (true) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return {Kind::kText, std::move(line)};
    }
    searched = buffer_.size();
    if (buffer_.size() > kLineBytesMax) return {Kind::kTooLong, ""};
    switch (Fill()) {
      case Filled::kBytes:
        break;
      case Filled::kInterrupted:
        return {Kind::kInterrupted, ""};
      case Filled::kFailed:
        return {Kind::kFailed, ""};
      case Filled::kEnd:
        if (buffer_.empty()) return {Kind::kEnd, ""};
        return {Kind::kText, std::exchange(buffer_, "")};
    }
  }
}

Input::Read Input::ReadAll() {
  while (true) {
    if (buffer_.size() > kInputBytesMax) return {Kind::kTooLong, ""};
    switch (Fill()) {
      case Filled::kBytes:
        break;
      case Filled::kInterrupted:
        return {Kind::kInterrupted, ""};
      case Filled::kFailed:
        return {Kind::kFailed, ""};
      case Filled::kEnd:
        return {Kind::kText, std::exchange(buffer_, "")};
    }
  }
}

}  // namespace pingti::command
