// Reads one JSON document of an OpenAI-compatible provider (a chunk of a stream, a whole answer, or
// an error) into a flat form without interpreting it.
//
// The fields may come in any order, and what providers add or leave out is tolerated; a known field
// with a value that has no meaning (text that is a number, an index past kChoicesMax) is not.
//
// Thread-safety: none. A Chunk and its views are valid until the next Read() of its reader; its
// vectors are reused, so that an ordinary chunk is read without an allocation.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "server/model/answer.h"
#include "server/providers/openai/error_reader.h"
#include "server/providers/openai/json_reader.h"
#include "server/providers/openai/usage_reader.h"

namespace pingti::providers::openai {

inline constexpr int kChoicesMax = 128;          // `n` is at most 128
inline constexpr size_t kToolCallsMax = 128;     // per choice
inline constexpr size_t kCitationsMax = 1024;    // per choice
inline constexpr size_t kNameBytesMax = 1024;    // ids and names of models, tools and calls
inline constexpr size_t kSourceBytesMax = 8192;  // address or title of a citation

// The pieces of one text, as escaped insides of JSON strings.
using EscapedText = absl::InlinedVector<std::string_view, 1>;

struct ToolFragment {
  std::optional<int64_t> index;
  std::string_view id;         // escaped
  std::string_view name;       // escaped
  std::string_view arguments;  // escaped, unless arguments_raw
  bool arguments_raw = false;  // the arguments are a JSON object instead of a string with one
};

// A `delta` or `message`.
struct ChunkContent {
  bool present = false;
  EscapedText text;
  EscapedText reasoning;        // `reasoning_content`
  EscapedText other_reasoning;  // `reasoning`; some send both with the same text
  EscapedText refusal;
  std::vector<ToolFragment> tools;
  std::vector<model::Citation> citations;

  void clear();
};

struct ChunkChoice {
  int32_t index = 0;
  ChunkContent delta;
  ChunkContent message;
  std::vector<model::Citation> citations;
  std::vector<model::TokenLogprob> logprobs;
  std::string_view finish;  // escaped; empty: none
  ReportedUsage usage;

  void clear();
};

struct Chunk {
  bool has_choices = false;  // `choices` is an array, be it an empty one
  size_t choice_count = 0;   // used elements of `choices`
  std::vector<ChunkChoice> choices;
  std::string_view id;     // escaped
  std::string_view model;  // escaped
  ReportedUsage usage;     // at top level
  ProviderError error;     // `error.stated`: the document is an error

  void clear();
};

class ChunkReader {
 public:
  // Nullptr: not a well-formed JSON object, or one that means nothing.
  const Chunk* Read(std::string_view json);

 private:
  bool ReadField(std::string_view name, JsonValue& value);
  bool ReadChoices(JsonValue& value);
  // Takes what was at top level for an error where it looks like one.
  void JudgeTopLevel();
  // Gemini's `promptFeedback`, also from servers that pass it on in OpenAI's format: with a
  // `blockReason` there is no candidate.
  bool ReadPromptFeedback(JsonValue& value);
  void AddBlockedChoice();

  JsonReader json_;
  Chunk chunk_;
  ProviderError top_;
  bool prompt_blocked_ = false;
};

}  // namespace pingti::providers::openai
