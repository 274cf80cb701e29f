// Protobuf JSON on one line, with the field names of the protocol. 64-bit numbers are JSON strings,
// as the mapping of protobuf wants.
//
// Thread-safety: pure function.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace pingti::command {

std::string ToJson(const google::protobuf::Message& message);

}  // namespace pingti::command
