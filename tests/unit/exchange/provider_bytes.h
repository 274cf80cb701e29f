// What a provider of the OpenAI dialect sends, for the tests of calls.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace pingti::exchange::testing {

inline std::string Event(std::string_view json) { return "data: " + std::string(json) + "\n\n"; }
inline std::string Chunk(std::string_view text) {
  return Event(R"({"id":"c-1","model":"yi-large-0613","choices":[{"index":0,"delta":{"content":")" +
               std::string(text) + R"("}}]})");
}
inline std::string ReasoningChunk(std::string_view text) {
  return Event(R"({"choices":[{"index":0,"delta":{"reasoning_content":")" + std::string(text) +
               R"("}}]})");
}
inline std::string UsageChunk(int64_t input, int64_t output) {
  return Event(absl::StrCat(R"({"choices":[],"usage":{"prompt_tokens":)", input,
                            R"(,"completion_tokens":)", output, R"(,"total_tokens":)",
                            input + output, "}}"));
}
inline const std::string kStop =
    Event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
inline const std::string kDone = Event("[DONE]");
inline const std::map<std::string, std::string> kEventStream = {
    {"content-type", "text/event-stream"}};
inline const std::map<std::string, std::string> kJson = {{"content-type", "application/json"}};

// A whole answer; `usage` is a member with a comma before it, or nothing.
inline std::string WholeAnswer(std::string_view text, std::string_view usage) {
  return R"({"id":"c-1","model":"yi-large-0613","choices":[{"index":0,"message":)"
         R"({"role":"assistant","content":")" +
         std::string(text) + R"("},"finish_reason":"stop"}])" + std::string(usage) + "}";
}
inline const std::string kUsage30 =
    R"(,"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30})";

}  // namespace pingti::exchange::testing
