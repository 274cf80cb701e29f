// What a caller asks for: the request of one completion in the form that every layer shares.
//
// Value types without behaviour. The edges (rpc/, http/) fill them from the wire, admission/
// validates them, dialects turn them into a provider's request. Meaning, units and ranges of each
// field are those of the field with the same name in proto/pingti/v1/content.proto; `std::optional`
// stands where 0 differs from "not set".
//
// Thread-safety: none; a request is owned by its call.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace pingti::model {

enum class Role { kSystem, kDeveloper, kUser, kAssistant, kTool };

enum class ImageDetail { kDefault, kAuto, kLow, kHigh };

struct Text {
  std::string text;
};

struct Reasoning {
  std::string text;
};

// Exactly one of `url` and `data` is not empty.
struct Image {
  std::string url;
  std::string data;
  std::string media_type;
  ImageDetail detail = ImageDetail::kDefault;
};

struct Audio {
  std::string data;
  std::string format;
};

// Exactly one of `data` and `file_id` is not empty.
struct File {
  std::string data;
  std::string file_id;
  std::string filename;
  std::string media_type;
};

// `std::monostate` is a part without content; admission refuses it.
using ContentPart = std::variant<std::monostate, Text, Image, Audio, File, Reasoning>;

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments_json;
};

struct Message {
  // Empty where the caller sent none or an unknown one; admission refuses it.
  std::optional<Role> role;
  std::vector<ContentPart> parts;
  std::string name;
  std::vector<ToolCall> tool_calls;
  std::string tool_call_id;
};

struct Tool {
  std::string name;
  std::string description;
  std::string parameters_json_schema;
  std::optional<bool> strict;
};

enum class ToolChoiceMode { kDefault, kAuto, kNone, kRequired };

// `tool_name` wins where it is not empty.
struct ToolChoice {
  ToolChoiceMode mode = ToolChoiceMode::kDefault;
  std::string tool_name;
};

enum class ResponseFormatKind { kText, kJsonObject, kJsonSchema };

struct ResponseFormat {
  ResponseFormatKind kind = ResponseFormatKind::kText;
  // kJsonSchema only.
  std::string name;
  std::string description;
  std::string schema_json;
  std::optional<bool> strict;
};

struct Sampling {
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> max_output_tokens;
  std::vector<std::string> stop;
  std::optional<int32_t> n;
  std::optional<int64_t> seed;
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  std::map<int32_t, double> logit_bias;
  std::optional<bool> logprobs;
  std::optional<int32_t> top_logprobs;
};

enum class ReasoningEffort { kDefault, kMinimal, kLow, kMedium, kHigh };

struct RoutingHints {
  bool no_fallback = false;
  std::string preferred_provider;
};

struct CompletionRequest {
  std::string model;
  std::vector<Message> messages;
  Sampling sampling;
  ResponseFormat response_format;
  std::vector<Tool> tools;
  ToolChoice tool_choice;
  std::optional<bool> parallel_tool_calls;
  ReasoningEffort reasoning_effort = ReasoningEffort::kDefault;
  std::string provider_fields_json;
  std::string user;
  std::map<std::string, std::string> labels;
  std::string request_id;
  absl::Duration max_queue_wait;
  RoutingHints routing;
};

}  // namespace pingti::model
