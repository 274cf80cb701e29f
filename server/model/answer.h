// What a provider answers, in the form that every layer shares: the events of a stream, and a whole
// answer.
//
// Value types. A dialect's decoder makes them from the provider's bytes; text in them is always
// valid UTF-8 (a protobuf string field must be). Meaning as in proto/pingti/v1/usage.proto and
// completion_service.proto.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/model/completion.h"
#include "server/model/failure.h"
#include "server/model/usage.h"

namespace pingti::model {

enum class FinishReason { kNone, kStop, kLength, kToolCalls, kContentFilter, kOther };

struct Citation {
  std::string number;
  std::string url;
  std::string title;
};

struct TokenLogprob {
  struct Alternative {
    std::string token;
    double logprob = 0;
    std::string token_bytes;
  };
  std::string token;
  double logprob = 0;
  std::string token_bytes;
  std::vector<Alternative> alternatives;
};

// A piece of text of one choice, with its log probabilities where asked for.
struct TextDelta {
  int32_t choice = 0;
  std::string text;
  std::vector<TokenLogprob> logprobs;
};

struct ReasoningDelta {
  int32_t choice = 0;
  std::string text;
};

struct RefusalDelta {
  int32_t choice = 0;
  std::string text;
};

// A fragment of a tool call; `index` tells the calls of one choice apart.
struct ToolCallDelta {
  int32_t choice = 0;
  int32_t index = 0;
  std::string id;
  std::string name;
  std::string arguments_json;
};

struct CitationDelta {
  int32_t choice = 0;
  Citation citation;
};

using ContentDelta =
    std::variant<TextDelta, ReasoningDelta, RefusalDelta, ToolCallDelta, CitationDelta>;

struct ChoiceEnd {
  int32_t index = 0;
  FinishReason reason = FinishReason::kNone;
};

// One choice of a whole (unary) answer.
struct Choice {
  int32_t index = 0;
  std::string text;
  std::string reasoning;
  std::string refusal;
  std::vector<ToolCall> tool_calls;
  std::vector<Citation> citations;
  std::vector<TokenLogprob> logprobs;
  FinishReason finish_reason = FinishReason::kNone;
};

// What a provider says about an answer beside its content. All of it is optional on the wire.
struct AnswerInfo {
  std::string upstream_response_id;
  std::string reported_model;
  // source == kNone: the provider reported no usage (or only 0/0, which no real answer has).
  Usage usage;
  // The provider's usage was negative, fractional, absurd or went down, and was clamped.
  bool usage_doubtful = false;
};

// A whole answer to a request that was not streamed; complete by the rules of its dialect.
struct Answer {
  AnswerInfo info;
  std::vector<Choice> choices;  // ordered by index, at least one
};

// What the decoder of a stream has found in the bytes that it was fed last.
struct StreamEvents {
  std::vector<ContentDelta> deltas;
  std::vector<ChoiceEnd> ends;

  bool empty() const { return deltas.empty() && ends.empty(); }
  void clear() {
    deltas.clear();
    ends.clear();
  }
};

// Either a value or the failure that stood in its way.
template <typename T>
using Result = std::variant<T, Failure>;

}  // namespace pingti::model
