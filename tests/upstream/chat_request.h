// A chat completion request as the simulated provider sees it.
//
// Parsing copies what it needs, so a ChatRequest outlives the bytes. The parser is confined to one
// thread. Errors are INVALID_ARGUMENT with text for an OpenAI error body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "absl/status/statusor.h"

namespace pingti::upstream {

struct ToolSpec {
  std::string name;
  std::string schema_json;  // empty: no parameters
};

enum class ResponseFormat { kText, kJsonObject, kJsonSchema };

struct ChatRequest {
  std::string model;
  std::string user;
  std::string last_user_text;  // text parts of the last user message
  bool last_message_is_user = false;
  int64_t message_count = 0;
  int64_t prompt_bytes = 0;  // text of all messages, in bytes
  bool stream = false;
  bool include_usage = false;
  std::optional<int64_t> max_tokens;  // the smaller of max_tokens and max_completion_tokens
  int64_t n = 1;
  std::vector<std::string> stop;
  std::vector<ToolSpec> tools;
  bool tool_choice_none = false;
  std::string tool_choice_name;
  ResponseFormat response_format = ResponseFormat::kText;
  std::string schema_json;  // of kJsonSchema
  bool logprobs = false;
  int64_t top_logprobs = 0;
};

// The rule by which the simulated provider counts: one token for every 4 bytes of text, rounded up.
constexpr int64_t TokensOf(int64_t bytes) { return (bytes + 3) / 4; }

class ChatRequestParser {
 public:
  absl::StatusOr<ChatRequest> Parse(std::string_view body);

 private:
  simdjson::dom::parser parser_;
};

// A JSON value that satisfies the schema well enough: an object with all of its properties, each
// with a value of its type. `text` is what strings say. A broken schema gives `{}`.
std::string ExampleForSchema(std::string_view schema_json, std::string_view text);

}  // namespace pingti::upstream
