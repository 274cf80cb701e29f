// gRPC server reflection, which lets tools like grpcurl list services and methods.
#pragma once

#include <grpcpp/server_builder.h>

namespace pingti::rpc {

// Whether the server that `builder` makes has it. gRPC's library for it switches itself on in every
// server of the process, so it has to be switched off, too.
void SetReflection(bool on, grpc::ServerBuilder* builder);

}  // namespace pingti::rpc
