#include "client/command/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace pingti::command {
namespace {

constexpr std::size_t kKeyFileBytesMax = 4096;
constexpr mode_t kOthersMayAnything = S_IRWXG | S_IRWXO;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

client::Error Unusable(const std::string& path, const std::string& why) {
  return client::LocalError(grpc::StatusCode::FAILED_PRECONDITION,
                            "the key file " + path + " " + why);
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool LooksLikeKey(std::string_view key) {
  return !key.empty() &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::string KeyFilePath(const char* xdg_config_home, const char* home, const std::string& name) {
  if (xdg_config_home != nullptr && xdg_config_home[0] == '/') {
    return std::string(xdg_config_home) + "/pingti/" + name;
  }
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.config/pingti/" + name;
  return {};
}

client::Result<std::optional<std::string>> ReadKeyFile(const std::string& path) {
  if (path.empty()) return std::optional<std::string>();
  // Opened first and asked afterwards, so that what is checked is what is read. O_NONBLOCK: a pipe
  // in its place must not hang us.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return Unusable(path, std::string("cannot be opened: ") + std::strerror(errno));
  }
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) {
    return Unusable(path, std::string("cannot be examined: ") + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) return Unusable(path, "is not a regular file");
  if ((status.st_mode & kOthersMayAnything) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof(mode), "%04o", static_cast<unsigned>(status.st_mode & 07777));
    return Unusable(path, "has mode " + std::string(mode) +
                              ", so others than you may use it; run: chmod 600 " + path);
  }
  char buffer[kKeyFileBytesMax + 1];
  std::size_t size = 0;
  while (size < sizeof(buffer)) {
    const ssize_t count = ::read(file.get(), buffer + size, sizeof(buffer) - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unusable(path, std::string("cannot be read: ") + std::strerror(errno));
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > kKeyFileBytesMax) return Unusable(path, "is too long to be a key");
  const std::string_view key = Trimmed({buffer, size});
  if (!LooksLikeKey(key)) return Unusable(path, "must hold one API key and nothing else");
  return std::optional<std::string>(key);
}

}  // namespace pingti::command
