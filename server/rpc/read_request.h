// From the bytes of a request to the form that the layers below share.
#pragma once

#include <optional>

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include "pingti/v1/completion_service.pb.h"
#include "server/model/completion.h"
#include "server/model/failure.h"

namespace pingti::rpc {

// Parses `bytes`, which it may empty. FIELD_INVALID, with the path of the first string that is not
// UTF-8 where that is the reason, and else with the request as a whole. Requests are parsed by us,
// not by gRPC, because gRPC only says "unable to parse".
std::optional<model::CallError> ParseRequest(grpc::ByteBuffer* bytes,
                                             google::protobuf::Message* request);

// Moves the texts of `spec` into a request. Values of enums that this version does not know are
// FIELD_INVALID.
std::optional<model::CallError> ReadSpec(v1::CompletionSpec* spec,
                                         model::CompletionRequest* request);

}  // namespace pingti::rpc
