// What a provider says about an error, from any of the shapes that OpenAI-compatible ones use:
// `{"error": {...}}`, `{"error": "text"}`, the four fields at top level (Yi, vLLM, DashScope),
// `{"detail": ...}` (FastAPI), and MiniMax's `base_resp`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/providers/openai/json_reader.h"

namespace pingti::providers::openai {

// A provider's words; only for classification, never for callers. Texts are cut at
// kErrorTextBytesMax.
struct ProviderError {
  std::string code;  // a number is taken as its text
  std::string type;
  std::string message;
  int64_t base_status = 0;  // MiniMax `base_resp.status_code`
  bool stated = false;      // the document says that it is an error

  void clear();
};

inline constexpr size_t kErrorTextBytesMax = 1024;

// Reads the value of `error`.
bool ReadErrorValue(JsonValue& value, ProviderError* error);

// Reads the value of `base_resp`.
bool ReadBaseResponse(JsonValue& value, ProviderError* error);

// Reads `code`, `type`, `message`, `msg` or `detail`, whether of an error object or at top level;
// other names and kinds of values are passed over.
bool ReadErrorField(std::string_view name, JsonValue& value, ProviderError* error);

}  // namespace pingti::providers::openai
