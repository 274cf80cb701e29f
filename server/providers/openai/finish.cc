#include "server/providers/openai/finish.h"

#include "absl/strings/match.h"
#include "server/base/strings.h"

namespace pingti::providers::openai {

using base::AbslView;
using model::FailureClass;
using model::FinishReason;

Finish ReadFinish(std::string_view text, bool called_tools) {
  auto is = [text](std::string_view word) {
    return absl::EqualsIgnoreCase(AbslView(text), AbslView(word));
  };
  if (is("stop")) return {called_tools ? FinishReason::kToolCalls : FinishReason::kStop, {}};
  if (is("length") || is("model_context_window_exceeded") || is("max_tokens")) {
    return {FinishReason::kLength, {}};
  }
  if (is("tool_calls") || is("function_call")) return {FinishReason::kToolCalls, {}};
  // Yi adds to it which filter it was; Zhipu calls it `sensitive`; Gemini's names pass through the
  // servers that put its models behind OpenAI's API, Google's own among them.
  if (absl::StartsWithIgnoreCase(AbslView(text), "content_filter") || is("sensitive") ||
      is("safety") || is("recitation") || is("blocklist") || is("prohibited_content") ||
      is("spii")) {
    return {FinishReason::kContentFilter, {}};
  }
  // DeepSeek, Zhipu and OpenRouter: the generation was interrupted.
  if (is("insufficient_system_resource")) return {FinishReason::kNone, FailureClass::kOverloaded};
  if (is("network_error") || is("error")) return {FinishReason::kNone, FailureClass::kServerError};
  return {FinishReason::kOther, {}};
}

}  // namespace pingti::providers::openai
