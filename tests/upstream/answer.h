// What the simulated provider says: a deterministic function of the request and its knobs.
//
// The text begins with `[simulated]` (or with 你好 for a prompt that is in Chinese or asks for it,
// and says there that it is simulated); the same last user message gives the same text, whatever
// the knobs in it. Tokens are
// counted by TokensOf(): prompt over the text of all messages, completion over reasoning, text,
// tool names and arguments of each choice. max_tokens cuts at 4 bytes a token, at a character.
//
// Pure functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/upstream/chat_request.h"
#include "tests/upstream/knobs.h"

namespace pingti::upstream {

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments_json;
};

struct Choice {
  std::string reasoning;
  std::string text;
  std::vector<ToolCall> tool_calls;
  std::string_view finish_reason;  // stop, length or tool_calls
};

struct Answer {
  std::string id;
  std::string model;
  int64_t created = 0;  // Unix seconds
  std::vector<Choice> choices;
  bool citations = false;
  bool logprobs = false;
  int64_t top_logprobs = 0;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t reasoning_tokens = 0;
};

// A content chunk with a send time begins with this; the digits and dots replace the '@'s when it
// is sent: `t=<digits>;` and dots up to the same length.
inline constexpr std::string_view kStampMark = "t=@@@@@@@@@@@@@@@@@@@@;";

// Hash of a prompt, as /sim/requests shows it.
uint64_t PromptHash(std::string_view text);

// True if the text holds a character of the CJK blocks or asks for Chinese.
bool WantsChinese(std::string_view text);

// `id` and `created` are left to the caller.
Answer ComposeAnswer(const ChatRequest& request, const Knobs& knobs);

// The pieces in which a stream sends a text: knobs chunks and chunk_bytes, else 8 bytes each, never
// cutting a character; larger ones where there would be many more than `slices_max`.
std::vector<std::string_view> SliceText(std::string_view text, const Knobs& knobs,
                                        size_t slices_max);

// The longest prefix of `text` of at most `bytes` bytes that does not cut a character.
std::string_view Utf8Prefix(std::string_view text, size_t bytes);

}  // namespace pingti::upstream
