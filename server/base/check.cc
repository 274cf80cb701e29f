#include "server/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace pingti::base {

void CheckFailed(const char* file, int line, const char* condition, const char* why) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s: %s\n", file, line, condition, why);
  std::abort();
}

}  // namespace pingti::base
