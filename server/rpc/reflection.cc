#include "server/rpc/reflection.h"

#include <dlfcn.h>

#include "server/base/strings.h"

namespace pingti::rpc {

absl::Status EnableReflection() {
#ifdef PINGTI_REFLECTION_LIBRARY
  // Loading it is all: it registers itself. See CMakeLists.txt.
  if (dlopen(PINGTI_REFLECTION_LIBRARY, RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return absl::UnavailableError(
        "server.reflection is true, but " PINGTI_REFLECTION_LIBRARY
        " is not installed; install it or set server.reflection to false");
  }
  return absl::OkStatus();
#else
  return absl::UnavailableError(
      "server.reflection is true, but this program was built without gRPC's reflection library");
#endif
}

}  // namespace pingti::rpc
