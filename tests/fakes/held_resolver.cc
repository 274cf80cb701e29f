// A resolver that keeps who asks waiting, as one that has gone away does: getaddrinfo() for names
// that end with `.held.invalid` blocks until a test opens, for writing, the FIFO that
// PINGTI_TEST_RESOLVER_GATE names; then there is no such name. Any other name goes to the real one.
//
// Linked into a test, or loaded into a program by LD_PRELOAD. Thread-safe.
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** addresses) {
  const char* gate = std::getenv("PINGTI_TEST_RESOLVER_GATE");
  if (gate != nullptr && name != nullptr && std::string_view(name).ends_with(".held.invalid")) {
    const int fd = open(gate, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) close(fd);
    return EAI_NONAME;
  }
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(name, service, hints, addresses);
}
