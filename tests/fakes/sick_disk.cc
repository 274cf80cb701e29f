// A disk that is full, that may only be read, or that is stuck: with PINGTI_TEST_DISK set, what a
// program does with its ledger's files (`ledger.db`, `ledger.db-wal`) goes by the word in the file
// that it names.
//
//   full       writes fail with ENOSPC
//   read-only  writes fail with EROFS
//   held       fdatasync() waits until somebody opens, for writing, the FIFO of that name with
//   `.gate`
//
// With any other word, or without the file, the disk is as it is. Loaded into a program by
// LD_PRELOAD; SQLite writes with these two functions. Thread-safe.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

std::string WordFor(int fd) {
  const char* path = std::getenv("PINGTI_TEST_DISK");
  if (path == nullptr) return "";
  std::array<char, 512> text;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t name = readlink(link.c_str(), text.data(), text.size());
  if (name < 0) return "";
  const std::string_view file(text.data(), static_cast<size_t>(name));
  if (file.find("/ledger.db") == std::string_view::npos) return "";
  const int word = open(path, O_RDONLY | O_CLOEXEC);
  if (word < 0) return "";
  const ssize_t size = read(word, text.data(), text.size());
  close(word);
  return size < 0 ? "" : std::string(text.data(), static_cast<size_t>(size));
}

}  // namespace

extern "C" ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static const auto real = reinterpret_cast<decltype(&pwrite64)>(dlsym(RTLD_NEXT, "pwrite64"));
  const std::string word = WordFor(fd);
  if (word == "full" || word == "read-only") {
    errno = word == "full" ? ENOSPC : EROFS;
    return -1;
  }
  return real(fd, data, size, offset);
}

extern "C" int fdatasync(int fd) {
  static const auto real = reinterpret_cast<decltype(&fdatasync)>(dlsym(RTLD_NEXT, "fdatasync"));
  if (WordFor(fd) == "held") {
    const std::string gate = std::string(std::getenv("PINGTI_TEST_DISK")) + ".gate";
    const int opened = open(gate.c_str(), O_RDONLY | O_CLOEXEC);
    if (opened >= 0) close(opened);
  }
  return real(fd);
}
