#include "server/quota/estimator.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "server/quota/media_tokens.h"
#include "server/quota/output_cap.h"

namespace pingti::quota {
namespace {

// As OpenAI's cookbook counts them ("How to count tokens with tiktoken").
constexpr int64_t kTokensPerMessage = 3;
constexpr int64_t kTokensPerName = 1;
constexpr int64_t kTokensPerAnswerHead = 3;
constexpr int64_t kTokensPerTool = 7;
constexpr int64_t kTokensForTools = 12;

struct PartTokens {
  int64_t operator()(const std::monostate&) const { return 0; }
  int64_t operator()(const model::Text& part) const { return EstimateTextTokens(part.text); }
  int64_t operator()(const model::Reasoning& part) const { return EstimateTextTokens(part.text); }
  int64_t operator()(const model::Image& part) const { return ImageTokens(part); }
  int64_t operator()(const model::Audio& part) const { return AudioTokens(part); }
  int64_t operator()(const model::File& part) const { return FileTokens(part); }
};

int64_t MessageTokens(const model::Message& message) {
  int64_t tokens = kTokensPerMessage;
  if (!message.name.empty()) tokens += kTokensPerName + EstimateTextTokens(message.name);
  for (const model::ContentPart& part : message.parts) tokens += std::visit(PartTokens(), part);
  for (const model::ToolCall& call : message.tool_calls) {
    tokens += EstimateTextTokens(call.name) + EstimateTextTokens(call.arguments_json);
  }
  return tokens;
}

int64_t ToolTokens(const model::Tool& tool) {
  return kTokensPerTool + EstimateTextTokens(tool.name) + EstimateTextTokens(tool.description) +
         EstimateTextTokens(tool.parameters_json_schema);
}

// Of a choice where nobody has set a limit: what the context leaves. The input is an estimate, so
// where it seems to leave next to nothing, the default is still asked for.
int64_t StrictCapWithoutLimit(int64_t input_tokens, const EstimateContext& context) {
  const int64_t least = context.rules.output_tokens_default;
  if (context.context_tokens <= 0) return least;
  return std::max(context.context_tokens - input_tokens, std::min(least, context.context_tokens));
}

}  // namespace

int64_t EstimateInputTokens(const model::CompletionRequest& request) {
  int64_t tokens = kTokensPerAnswerHead;
  for (const model::Message& message : request.messages) tokens += MessageTokens(message);
  if (!request.tools.empty()) tokens += kTokensForTools;
  for (const model::Tool& tool : request.tools) tokens += ToolTokens(tool);
  return tokens + EstimateTextTokens(request.response_format.schema_json);
}

Estimate EstimateRequest(const model::CompletionRequest& request, const EstimateContext& context) {
  Estimate estimate;
  estimate.ruled_input_tokens = EstimateInputTokens(request);
  estimate.input_tokens = static_cast<int64_t>(
      std::ceil(static_cast<double>(estimate.ruled_input_tokens) * context.input_factor));

  const CallerLimits caller = ReadCallerLimits(request);
  estimate.caller_set_cap = request.sampling.max_output_tokens.value_or(0) > 0;
  estimate.output_cap = caller.output_cap;
  if (context.model_output_max > 0) {
    estimate.output_cap = caller.output_cap > 0
                              ? std::min(caller.output_cap, context.model_output_max)
                              : context.model_output_max;
  }

  int64_t per_choice;
  if (context.policy == config::ReservePolicy::kStrict) {
    if (estimate.output_cap == 0) {
      estimate.output_cap = StrictCapWithoutLimit(estimate.input_tokens, context);
    }
    per_choice = estimate.output_cap;
  } else {
    per_choice = context.likely_output.value_or(context.rules.output_tokens_default);
    if (estimate.output_cap > 0) per_choice = std::min(per_choice, estimate.output_cap);
  }
  estimate.choice_tokens = per_choice;
  estimate.output_tokens = per_choice * caller.choices;
  estimate.reserved_tokens = context.rules.sum
                                 ? estimate.input_tokens + estimate.output_tokens
                                 : std::max(estimate.input_tokens, estimate.output_tokens);
  estimate.reserved_tokens = std::max<int64_t>(1, estimate.reserved_tokens);
  return estimate;
}

std::optional<double> EstimateErrorRatio(int64_t reserved_tokens, int64_t used_tokens) {
  if (used_tokens <= 0) return std::nullopt;
  return static_cast<double>(std::max<int64_t>(0, reserved_tokens)) /
         static_cast<double>(used_tokens);
}

}  // namespace pingti::quota
