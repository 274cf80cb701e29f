// From an error of ours to the status of a gRPC call, with its typed details.
#pragma once

#include <string_view>

#include <grpcpp/support/status.h>

#include "server/model/failure.h"

namespace pingti::rpc {

// Code and message, and a google.rpc.Status in the details: ErrorInfo always, RetryInfo,
// QuotaFailure and BadRequest as the design's table says, RequestInfo with the id.
grpc::Status ToStatus(const model::CallError& error, std::string_view request_id);

}  // namespace pingti::rpc
