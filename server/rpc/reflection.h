// gRPC server reflection, which lets tools like grpcurl list services and methods.
#pragma once

#include "absl/status/status.h"

namespace pingti::rpc {

// Switches it on for all servers that are built from now on. UNAVAILABLE where the library that
// gRPC has for it is not there.
absl::Status EnableReflection();

}  // namespace pingti::rpc
