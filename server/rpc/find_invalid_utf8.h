// Which string of a message that protobuf refused is not UTF-8?
#pragma once

#include <optional>
#include <string>

#include <google/protobuf/descriptor.h>
#include <grpcpp/support/byte_buffer.h>

namespace pingti::rpc {

// Path of the first such field, for example `spec.messages[0].parts[1].text`; nothing where there
// is none. Any bytes are fine; nesting is followed to a depth of 32. Slow: only for requests that
// are refused anyway.
std::optional<std::string> FindInvalidUtf8(const grpc::ByteBuffer& bytes,
                                           const google::protobuf::Descriptor& type);

}  // namespace pingti::rpc
