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

// Of a new file, which is made with a name of its own: what open() would give it.
mode_t NewMode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

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
  mode_t mode = NewMode();
  struct stat found{};
  const bool exists = ::stat(path.c_str(), &found) == 0;
  if (!exists && errno != ENOENT) return std::strerror(errno);
  if (!exists && ::lstat(path.c_str(), &found) == 0) return "is a link that leads nowhere";
  if (exists) {
    if (!S_ISREG(found.st_mode)) return "is no regular file; name another one";
    const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
    if (real == nullptr) return std::strerror(errno);
    target = real.get();
    mode = found.st_mode & 07777;
  }
  std::string beside = target + ".XXXXXX";
  const int fd = ::mkostemp(beside.data(), O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  bool done = ::fchmod(fd, mode) == 0 && WriteAll(fd, text);
  int error = errno;
  done = ::close(fd) == 0 && done;
  if (done && ::rename(beside.c_str(), target.c_str()) == 0) return "";
  if (done) error = errno;
  ::unlink(beside.c_str());
  return std::strerror(error);
}

}  // namespace pingti::command
