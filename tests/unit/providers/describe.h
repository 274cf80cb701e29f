// What a decoder has found, as lines of text that tests compare and people read.
//
//   text 0 "Hello"              tool 0 #1 id="call_1" name="f" args="{"
//   reasoning 0 "Hmm"           cite 0 [1] "https://..." "Title"
//   refusal 0 "No"              end 0 stop
//   logprob 0 " He" -0.5 bytes=2 alternatives=1      (after the text that it belongs to)
//   id "x"    model "y"    usage in=1 out=2 cached=0 reasoning=0 [doubtful]    failure cut
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/base/strings.h"
#include "server/model/answer.h"
#include "server/model/failure.h"

namespace pingti::providers::testing {

// In quotes, with control characters visible.
inline std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      quoted += absl::StrCat("\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

inline std::string_view FinishName(model::FinishReason reason) {
  switch (reason) {
    case model::FinishReason::kNone:
      return "none";
    case model::FinishReason::kStop:
      return "stop";
    case model::FinishReason::kLength:
      return "length";
    case model::FinishReason::kToolCalls:
      return "tool_calls";
    case model::FinishReason::kContentFilter:
      return "content_filter";
    case model::FinishReason::kOther:
      return "other";
  }
  return "?";
}

inline std::string Describe(const model::ContentDelta& delta) {
  return std::visit(
      [](const auto& d) {
        using Delta = std::decay_t<decltype(d)>;
        if constexpr (std::is_same_v<Delta, model::TextDelta>) {
          std::string lines = absl::StrCat("text ", d.choice, " ", Quoted(d.text), "\n");
          for (const model::TokenLogprob& logprob : d.logprobs) {
            absl::StrAppend(&lines, "logprob ", d.choice, " ", Quoted(logprob.token), " ",
                            logprob.logprob, " bytes=", logprob.token_bytes.size(),
                            " alternatives=", logprob.alternatives.size(), "\n");
          }
          return lines;
        } else if constexpr (std::is_same_v<Delta, model::ReasoningDelta>) {
          return absl::StrCat("reasoning ", d.choice, " ", Quoted(d.text), "\n");
        } else if constexpr (std::is_same_v<Delta, model::RefusalDelta>) {
          return absl::StrCat("refusal ", d.choice, " ", Quoted(d.text), "\n");
        } else if constexpr (std::is_same_v<Delta, model::ToolCallDelta>) {
          return absl::StrCat("tool ", d.choice, " #", d.index, " id=", Quoted(d.id),
                              " name=", Quoted(d.name), " args=", Quoted(d.arguments_json), "\n");
        } else {
          return absl::StrCat("cite ", d.choice, " [", d.citation.number, "] ",
                              Quoted(d.citation.url), " ", Quoted(d.citation.title), "\n");
        }
      },
      delta);
}

inline std::string Describe(const model::StreamEvents& events) {
  std::string lines;
  for (const model::ContentDelta& delta : events.deltas) lines += Describe(delta);
  for (const model::ChoiceEnd& end : events.ends) {
    base::StrAppend(&lines, "end ", end.index, " ", FinishName(end.reason), "\n");
  }
  return lines;
}

inline std::string Describe(const model::AnswerInfo& info) {
  std::string lines;
  if (!info.upstream_response_id.empty()) {
    absl::StrAppend(&lines, "id ", Quoted(info.upstream_response_id), "\n");
  }
  if (!info.reported_model.empty()) {
    absl::StrAppend(&lines, "model ", Quoted(info.reported_model), "\n");
  }
  if (info.usage.source != model::UsageSource::kNone || info.usage_doubtful) {
    absl::StrAppend(&lines, "usage in=", info.usage.input_tokens, " out=", info.usage.output_tokens,
                    " cached=", info.usage.cached_input_tokens,
                    " reasoning=", info.usage.reasoning_tokens,
                    info.usage.source == model::UsageSource::kNone ? " none" : "",
                    info.usage_doubtful ? " doubtful" : "", "\n");
  }
  return lines;
}

inline std::string Describe(const model::Failure& failure) {
  return base::StrCat("failure ", model::FailureClassName(failure.failure_class), "\n");
}

// A whole answer, as the events that would have made it.
inline std::string Describe(const model::Answer& answer) {
  std::string lines;
  for (const model::Choice& choice : answer.choices) {
    int32_t index = choice.index;
    if (!choice.reasoning.empty()) {
      lines += Describe(model::ReasoningDelta{index, choice.reasoning});
    }
    if (!choice.text.empty() || !choice.logprobs.empty()) {
      lines += Describe(model::TextDelta{index, choice.text, choice.logprobs});
    }
    if (!choice.refusal.empty()) lines += Describe(model::RefusalDelta{index, choice.refusal});
    for (size_t i = 0; i < choice.tool_calls.size(); ++i) {
      const model::ToolCall& call = choice.tool_calls[i];
      lines += Describe(model::ToolCallDelta{index, static_cast<int32_t>(i), call.id, call.name,
                                             call.arguments_json});
    }
    for (const model::Citation& citation : choice.citations) {
      lines += Describe(model::CitationDelta{index, citation});
    }
    base::StrAppend(&lines, "end ", index, " ", FinishName(choice.finish_reason), "\n");
  }
  return lines + Describe(answer.info);
}

}  // namespace pingti::providers::testing
