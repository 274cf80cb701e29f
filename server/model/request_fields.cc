#include "server/model/request_fields.h"

#include <algorithm>
#include <array>

namespace pingti::model {
namespace {

constexpr std::array<std::string_view, 22> kKnownFields = {
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "user",
};

}  // namespace

bool IsKnownRequestField(std::string_view name) {
  return std::find(kKnownFields.begin(), kKnownFields.end(), name) != kKnownFields.end();
}

}  // namespace pingti::model
