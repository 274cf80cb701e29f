#include "server/base/fault_point.h"

#ifdef PINGTI_FAULT_POINTS

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace pingti::base {
namespace {

struct Fault {
  std::string point;  // empty: none
  std::atomic<long> left{0};

  Fault() {
    const char* text = std::getenv("PINGTI_FAULT_POINT");
    if (text == nullptr) return;
    const std::string_view both = text;
    const size_t colon = both.find(':');
    point = both.substr(0, colon);
    left = colon == std::string_view::npos ? 1 : std::atol(text + colon + 1);
  }
};

}  // namespace

void PassFaultPoint(std::string_view name) {
  static Fault fault;
  if (fault.point.empty() || fault.point != name) return;
  if (fault.left.fetch_sub(1) == 1) kill(getpid(), SIGKILL);
}

}  // namespace pingti::base

#endif
