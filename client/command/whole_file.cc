#include "client/command/whole_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace pingti::command {
namespace {

constexpr mode_t kNewMode = 0666;  // less what the umask takes

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return ::fsync(fd) == 0;
}

}  // namespace

std::string WriteWholeFile(const std::string& path, std::string_view text) {
  std::string target = path;
  mode_t mode = kNewMode;
  struct stat found{};
  const bool exists = ::stat(path.c_str(), &found) == 0;
  if (!exists && errno != ENOENT) return std::strerror(errno);
  if (exists) {
    if (!S_ISREG(found.st_mode)) return "is no regular file; leave --output out, or write another";
    const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
    if (real == nullptr) return std::strerror(errno);
    target = real.get();
    mode = found.st_mode & 07777;
  }
  const std::string beside = target + "." + std::to_string(::getpid()) + ".new";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return std::strerror(errno);
  bool done = (!exists || ::fchmod(fd, mode) == 0) && WriteAll(fd, text);
  int error = errno;
  done = ::close(fd) == 0 && done;
  if (done && ::rename(beside.c_str(), target.c_str()) == 0) return "";
  if (done) error = errno;
  ::unlink(beside.c_str());
  return std::strerror(error);
}

}  // namespace pingti::command
