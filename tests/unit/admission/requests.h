// Requests for the tests of this folder, and how to ask what is wrong with one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/admission/validate.h"
#include "server/config/config.h"
#include "server/model/completion.h"

namespace pingti::admission::testing {

inline model::Message Say(model::Role role, model::ContentPart part) {
  model::Message message;
  message.role = role;
  message.parts.push_back(std::move(part));
  return message;
}

// A request that is right: one short question.
inline model::CompletionRequest Good() {
  model::CompletionRequest request;
  request.model = "gpt-4o";
  request.messages.push_back(Say(model::Role::kUser, model::Text{"hello"}));
  return request;
}

// A good request whose only message has `part`.
inline model::CompletionRequest With(model::ContentPart part,
                                     model::Role role = model::Role::kUser) {
  model::CompletionRequest request = Good();
  request.messages = {Say(role, std::move(part))};
  return request;
}

// `path: description` of each violation; nothing where the request is right. Other errors give the
// name of their reason.
inline std::vector<std::string> Problems(const model::CompletionRequest& request,
                                         const config::Limits& limits = {}) {
  const auto error = ValidateRequest(request, limits);
  if (!error) return {};
  if (error->reason != model::ErrorReason::kFieldInvalid) {
    return {std::string(model::ErrorReasonName(error->reason))};
  }
  std::vector<std::string> problems;
  for (const auto& field : error->fields)
    problems.push_back(field.field + ": " + field.description);
  return problems;
}

// The only violation's path; all of them, joined, where there are more.
inline std::string Path(const model::CompletionRequest& request,
                        const config::Limits& limits = {}) {
  const auto error = ValidateRequest(request, limits);
  if (!error) return "(none)";
  std::string paths;
  for (const auto& field : error->fields) paths += (paths.empty() ? "" : " ") + field.field;
  return paths;
}

}  // namespace pingti::admission::testing
