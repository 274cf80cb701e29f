// A resolver that keeps who asks waiting, as one that has gone away does: with
// PINGTI_TEST_RESOLVER_GATE set, getaddrinfo() for names that end with `.held.invalid` blocks until
// a test opens, for writing, the FIFO that it names. No name below `invalid` exists, as RFC 6761
// says, without a word to the network. Any other name goes to the real resolver.
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
  const std::string_view asked = name == nullptr ? "" : name;
  if (gate != nullptr && asked.ends_with(".invalid")) {
    const int fd = asked.ends_with(".held.invalid") ? open(gate, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) close(fd);
    return EAI_NONAME;
  }
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(name, service, hints, addresses);
}
