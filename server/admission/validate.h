// Is the request itself right? Each rule is that of the field's comment in
// proto/pingti/v1/content.proto.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "server/config/config.h"
#include "server/model/completion.h"
#include "server/model/failure.h"

namespace pingti::admission {

// True for what a caller may choose as the id of a call.
bool IsRequestId(std::string_view id);

// What names a label: 1 to 64 of a-z, 0-9, `_`, `-`, `.`.
bool IsLabelName(std::string_view name);
// Labels of one call, and bytes of the value of one.
inline constexpr size_t kLabelsMax = 16;
inline constexpr size_t kLabelValueBytesMax = 128;

// The first up to 10 violations as one error (FIELD_INVALID, with paths from `spec`), or
// NOT_SUPPORTED for a field that is declared and not served yet. Nothing: the request may go on.
// Pure.
std::optional<model::CallError> ValidateRequest(const model::CompletionRequest& request,
                                                const config::Limits& limits);

// Checks a valid request against the model that is to serve it: context, images, tools. Errors:
// CONTEXT_TOO_LONG, FIELD_INVALID. `input_tokens` is the estimate of the prompt.
std::optional<model::CallError> ValidateForModel(const model::CompletionRequest& request,
                                                 const config::Model& model, int64_t input_tokens);

}  // namespace pingti::admission
