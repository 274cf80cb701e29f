#include "client/command/json.h"

#include <google/protobuf/util/json_util.h>

namespace pingti::command {

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  // Only messages with google.protobuf.Any can fail, and the protocol's have none.
  return status.ok() ? json : "{}";
}

}  // namespace pingti::command
