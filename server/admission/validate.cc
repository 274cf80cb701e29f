#include "server/admission/validate.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "server/admission/validate_content.h"
#include "server/base/strings.h"

namespace pingti::admission {
namespace {

constexpr size_t kModelBytesMax = 128;
constexpr size_t kMessagesMax = 4096;
constexpr size_t kToolsMax = 128;
constexpr size_t kStopMax = 4;
constexpr size_t kStopBytesMax = 256;
constexpr int32_t kChoicesMax = 128;
constexpr size_t kLogitBiasMax = 1024;
constexpr size_t kProviderFieldsBytesMax = 65'536;
constexpr size_t kUserBytesMax = 256;
constexpr size_t kLabelNameBytesMax = 64;
constexpr size_t kRequestIdBytesMax = 64;
constexpr int64_t kOutputTokensMax = 10'000'000;

void CheckRange(const char* field, const std::optional<double>& value, double low, double high,
                bool low_excluded, Violations* out) {
  if (!value) return;
  const bool fits =
      std::isfinite(*value) && *value <= high && (low_excluded ? *value > low : *value >= low);
  if (fits) return;
  out->Add(field, base::StrCat("is ", *value, "; must be ", low_excluded ? "above " : "from ", low,
                               " to ", high));
}

void CheckSampling(const model::Sampling& sampling, Violations* out) {
  CheckRange("spec.sampling.temperature", sampling.temperature, 0, 2, false, out);
  CheckRange("spec.sampling.top_p", sampling.top_p, 0, 1, true, out);
  CheckRange("spec.sampling.presence_penalty", sampling.presence_penalty, -2, 2, false, out);
  CheckRange("spec.sampling.frequency_penalty", sampling.frequency_penalty, -2, 2, false, out);
  if (const auto& tokens = sampling.max_output_tokens;
      tokens && (*tokens < 1 || *tokens > kOutputTokensMax)) {
    out->Add("spec.sampling.max_output_tokens",
             base::StrCat("is ", *tokens, "; must be from 1 to ", kOutputTokensMax));
  }
  if (sampling.n && (*sampling.n < 1 || *sampling.n > kChoicesMax)) {
    out->Add("spec.sampling.n",
             base::StrCat("is ", *sampling.n, "; must be from 1 to ", kChoicesMax));
  }
  if (sampling.stop.size() > kStopMax) {
    out->Add("spec.sampling.stop",
             base::StrCat("has ", sampling.stop.size(), " texts; at most ", kStopMax));
  }
  for (size_t i = 0; i < std::min(sampling.stop.size(), kStopMax); ++i) {
    const size_t bytes = sampling.stop[i].size();
    if (bytes == 0 || bytes > kStopBytesMax) {
      out->Add(base::StrCat("spec.sampling.stop[", i, "]"),
               base::StrCat("has ", bytes, " bytes; must be 1 to ", kStopBytesMax));
    }
  }
  if (sampling.logit_bias.size() > kLogitBiasMax) {
    out->Add("spec.sampling.logit_bias",
             base::StrCat("has ", sampling.logit_bias.size(), " entries; at most ", kLogitBiasMax));
  }
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (!(bias >= -100 && bias <= 100)) {
      out->Add(base::StrCat("spec.sampling.logit_bias[", token, "]"),
               base::StrCat("is ", bias, "; must be from -100 to 100"));
    }
  }
  if (const auto& top = sampling.top_logprobs; top) {
    if (*top < 0 || *top > 20) {
      out->Add("spec.sampling.top_logprobs", base::StrCat("is ", *top, "; must be from 0 to 20"));
    } else if (!sampling.logprobs.value_or(false)) {
      out->Add("spec.sampling.top_logprobs", "needs sampling.logprobs to be true");
    }
  }
}

void CheckTools(const model::CompletionRequest& request, Violations* out) {
  if (request.tools.size() > kToolsMax) {
    out->Add("spec.tools",
             base::StrCat("has ", request.tools.size(), " tools; at most ", kToolsMax));
    return;
  }
  std::set<std::string_view> names;
  for (size_t i = 0; i < request.tools.size(); ++i) {
    const model::Tool& tool = request.tools[i];
    const std::string path = base::StrCat("spec.tools[", i, "]");
    CheckFunctionName(path + ".name", tool.name, out);
    if (!names.insert(tool.name).second) {
      out->Add(path + ".name",
               base::StrCat("\"", tool.name, "\" is there twice; names must be unique"));
    }
    if (!tool.parameters_json_schema.empty()) {
      CheckJsonObject(path + ".parameters_json_schema", tool.parameters_json_schema, out);
    }
  }
  const std::string& chosen = request.tool_choice.tool_name;
  if (!chosen.empty() && !names.contains(chosen)) {
    out->Add("spec.tool_choice.tool_name",
             base::StrCat("\"", chosen, "\" is not one of spec.tools; it must be one of them"));
  }
  if (request.tool_choice.mode == model::ToolChoiceMode::kRequired && request.tools.empty()) {
    out->Add("spec.tool_choice.mode",
             "is MODE_REQUIRED; spec.tools must then have at least one tool");
  }
}

void CheckFormat(const model::ResponseFormat& format, Violations* out) {
  if (format.kind != model::ResponseFormatKind::kJsonSchema) return;
  CheckFunctionName("spec.response_format.json_schema.name", format.name, out);
  CheckJsonObject("spec.response_format.json_schema.schema_json", format.schema_json, out);
}

bool IsLabelChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

bool IsRequestIdChar(char c) { return IsLabelChar(c) || (c >= 'A' && c <= 'Z'); }

void CheckLabels(const model::CompletionRequest& request, Violations* out) {
  if (request.labels.size() > kLabelsMax) {
    out->Add("spec.labels",
             base::StrCat("has ", request.labels.size(), " labels; at most ", kLabelsMax));
  }
  for (const auto& [key, value] : request.labels) {
    if (!IsLabelName(key)) {
      out->Add("spec.labels", base::StrCat("has a bad key; keys must be 1 to ", kLabelNameBytesMax,
                                           " of a-z, 0-9, `_`, `-`, `.`"));
    } else if (value.size() > kLabelValueBytesMax) {
      out->Add(base::StrCat("spec.labels[", key, "]"),
               base::StrCat("has ", value.size(), " bytes; at most ", kLabelValueBytesMax));
    } else if (value.find('\0') != std::string::npos) {
      out->Add(base::StrCat("spec.labels[", key, "]"),
               "has the character U+0000; values are text without it");
    }
  }
}

void CheckScalars(const model::CompletionRequest& request, Violations* out) {
  if (request.model.empty() || request.model.size() > kModelBytesMax) {
    out->Add("spec.model", base::StrCat("has ", request.model.size(), " bytes; must be 1 to ",
                                        kModelBytesMax, ", a name from ListModels"));
  }
  if (!request.request_id.empty() && !IsRequestId(request.request_id)) {
    out->Add("spec.request_id",
             base::StrCat("must be 1 to ", kRequestIdBytesMax, " of a-z, A-Z, 0-9, `_`, `-`, `.`"));
  }
  if (request.user.size() > kUserBytesMax) {
    out->Add("spec.user",
             base::StrCat("has ", request.user.size(), " bytes; at most ", kUserBytesMax));
  }
  if (request.max_queue_wait < absl::ZeroDuration() || request.max_queue_wait > absl::Minutes(10)) {
    out->Add("spec.max_queue_wait", "must be from 0 to 10 minutes");
  }
  if (request.provider_fields_json.size() > kProviderFieldsBytesMax) {
    out->Add("spec.provider_fields_json",
             base::StrCat("has ", request.provider_fields_json.size(), " bytes; at most ",
                          kProviderFieldsBytesMax));
  } else if (!request.provider_fields_json.empty()) {
    CheckProviderFields(request.provider_fields_json, out);
  }
}

}  // namespace

bool IsRequestId(std::string_view id) {
  return !id.empty() && id.size() <= kRequestIdBytesMax &&
         std::all_of(id.begin(), id.end(), IsRequestIdChar);
}

bool IsLabelName(std::string_view name) {
  return !name.empty() && name.size() <= kLabelNameBytesMax &&
         std::all_of(name.begin(), name.end(), IsLabelChar);
}

std::optional<model::CallError> ValidateRequest(const model::CompletionRequest& request,
                                                const config::Limits& limits) {
  Violations violations;
  CheckScalars(request, &violations);
  if (request.messages.empty() || request.messages.size() > kMessagesMax) {
    violations.Add("spec.messages", base::StrCat("has ", request.messages.size(),
                                                 " messages; must be 1 to ", kMessagesMax));
  } else {
    CheckMessages(request.messages, limits, &violations);
  }
  CheckSampling(request.sampling, &violations);
  CheckTools(request, &violations);
  CheckFormat(request.response_format, &violations);
  CheckLabels(request, &violations);
  if (auto error = std::move(violations).ToError()) return error;
  return std::nullopt;
}

std::optional<model::CallError> ValidateForModel(const model::CompletionRequest& request,
                                                 const config::Model& model, int64_t input_tokens) {
  Violations violations;
  if (!model.vision) {
    for (size_t m = 0; m < request.messages.size(); ++m) {
      const auto& parts = request.messages[m].parts;
      for (size_t p = 0; p < parts.size(); ++p) {
        if (!std::holds_alternative<model::Image>(parts[p])) continue;
        violations.Add(base::StrCat("spec.messages[", m, "].parts[", p, "].image"),
                       base::StrCat("model ", model.name, " takes no images; use one with vision"));
      }
    }
  }
  if (!model.tools && !request.tools.empty()) {
    violations.Add("spec.tools",
                   base::StrCat("model ", model.name, " calls no tools; use one that does"));
  }
  if (auto error = std::move(violations).ToError()) return error;
  const int64_t wanted = input_tokens + request.sampling.max_output_tokens.value_or(0);
  if (model.context_tokens > 0 && wanted > model.context_tokens) {
    model::CallError error;
    error.reason = model::ErrorReason::kContextTooLong;
    error.message = base::StrCat("about ", input_tokens, " tokens of prompt and ",
                                 request.sampling.max_output_tokens.value_or(0),
                                 " of output do not fit the context of ", model.context_tokens,
                                 " tokens of model ", model.name);
    error.metadata["model"] = model.name;
    error.metadata["context_tokens"] = base::StrCat(model.context_tokens);
    error.metadata["requested_tokens"] = base::StrCat(wanted);
    return error;
  }
  return std::nullopt;
}

}  // namespace pingti::admission
