#include "server/admission/validate_content.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "server/base/strings.h"
#include "server/model/json_check.h"
#include "server/model/request_fields.h"

namespace pingti::admission {
namespace {

constexpr size_t kPartsMax = 1024;
constexpr size_t kNameBytesMax = 64;
constexpr size_t kUrlBytesMax = 8192;

struct PartChecker {
  const config::Limits& limits;
  const model::Message& message;
  const std::string& path;
  Violations* out;

  void RequireRole(model::Role role, const char* kind, const char* name) const {
    if (message.role && *message.role != role) {
      out->Add(path + "." + kind, base::StrCat("is only allowed in messages of ", name));
    }
  }
  void operator()(const std::monostate&) const {
    out->Add(path, "has no content; set one of text, image, audio, file, reasoning");
  }
  void operator()(const model::Text& text) const {
    if (text.text.empty()) out->Add(path + ".text", "is empty; must have at least one character");
  }
  void operator()(const model::Reasoning& reasoning) const {
    if (reasoning.text.empty()) out->Add(path + ".reasoning", "is empty; must have content");
    RequireRole(model::Role::kAssistant, "reasoning", "ROLE_ASSISTANT");
  }
  void operator()(const model::Image& image) const {
    RequireRole(model::Role::kUser, "image", "ROLE_USER");
    if (image.url.empty() && image.data.empty()) {
      out->Add(path + ".image", "has no source; set url or data");
    } else if (!image.url.empty()) {
      CheckUrl(image.url);
    } else if (static_cast<int64_t>(image.data.size()) > limits.image_bytes_max) {
      out->Add(path + ".image.data",
               base::StrCat("has ", image.data.size(), " bytes; at most ", limits.image_bytes_max));
    } else {
      CheckMediaType(path + ".image.media_type", image.media_type, "image/");
    }
  }
  void CheckUrl(const std::string& url) const {
    const bool is_data = absl::StartsWith(url, "data:");
    if (!is_data && !absl::StartsWith(url, "https://") && !absl::StartsWith(url, "http://")) {
      out->Add(path + ".image.url", "must begin with https:, http: or data:");
    } else if (!is_data && url.size() > kUrlBytesMax) {
      out->Add(path + ".image.url",
               base::StrCat("has ", url.size(), " bytes; at most ", kUrlBytesMax));
    } else if (is_data && static_cast<int64_t>(url.size()) > limits.image_bytes_max * 4 / 3 + 256) {
      out->Add(path + ".image.url",
               base::StrCat("holds an image over the limit of ", limits.image_bytes_max, " bytes"));
    }
  }
  void CheckMediaType(const std::string& field, const std::string& type, const char* prefix) const {
    const bool clean = std::all_of(type.begin(), type.end(), [](unsigned char c) {
      return c > 0x20 && c < 0x7f && c != ';' && c != ',';
    });
    if (!absl::StartsWith(type, prefix) || !clean) {
      out->Add(field, base::StrCat("must be a media type that begins with ", prefix));
    }
  }
  void operator()(const model::Audio& audio) const {
    RequireRole(model::Role::kUser, "audio", "ROLE_USER");
    if (audio.data.empty()) out->Add(path + ".audio.data", "is empty; must have content");
    if (audio.format != "wav" && audio.format != "mp3") {
      out->Add(path + ".audio.format", "must be wav or mp3");
    }
  }
  void operator()(const model::File& file) const {
    RequireRole(model::Role::kUser, "file", "ROLE_USER");
    if (file.data.empty() && file.file_id.empty()) {
      out->Add(path + ".file", "has no source; set data or file_id");
    } else if (!file.data.empty() && file.filename.empty()) {
      out->Add(path + ".file.filename", "is empty; required with data");
    }
    if (!file.media_type.empty()) CheckMediaType(path + ".file.media_type", file.media_type, "");
  }
};

void CheckMessage(const model::Message& message, const std::string& path,
                  const config::Limits& limits, Violations* out) {
  if (!message.role) out->Add(path + ".role", "is not set; must be a role that this version knows");
  if (message.parts.size() > kPartsMax) {
    out->Add(path + ".parts",
             base::StrCat("has ", message.parts.size(), " parts; at most ", kPartsMax));
    return;
  }
  if (message.parts.empty() && message.tool_calls.empty()) {
    out->Add(path, "has no content; must have at least one part or tool call");
  }
  if (message.name.size() > kNameBytesMax) {
    out->Add(path + ".name",
             base::StrCat("has ", message.name.size(), " bytes; at most ", kNameBytesMax));
  }
  if (!message.tool_calls.empty() && message.role && *message.role != model::Role::kAssistant) {
    out->Add(path + ".tool_calls", "are only allowed in messages of ROLE_ASSISTANT");
  }
  if (message.role == model::Role::kTool && message.tool_call_id.empty()) {
    out->Add(path + ".tool_call_id", "is empty; required in messages of ROLE_TOOL");
  }
  if (!message.tool_call_id.empty() && message.role && *message.role != model::Role::kTool) {
    out->Add(path + ".tool_call_id", "is only allowed in messages of ROLE_TOOL");
  }
  for (size_t i = 0; i < message.tool_calls.size() && !out->full(); ++i) {
    const std::string call_path = base::StrCat(path, ".tool_calls[", i, "]");
    CheckFunctionName(call_path + ".name", message.tool_calls[i].name, out);
    if (message.tool_calls[i].id.empty()) out->Add(call_path + ".id", "is empty; required");
  }
  std::string part_path;
  for (size_t i = 0; i < message.parts.size() && !out->full(); ++i) {
    part_path = base::StrCat(path, ".parts[", i, "]");
    std::visit(PartChecker{limits, message, part_path, out}, message.parts[i]);
  }
}

}  // namespace

void Violations::Add(std::string field, std::string description) {
  if (!full()) found_.push_back({std::move(field), std::move(description)});
}

std::optional<model::CallError> Violations::ToError() && {
  if (found_.empty()) return std::nullopt;
  model::CallError error;
  error.reason = model::ErrorReason::kFieldInvalid;
  error.message = base::StrCat(found_[0].field, ": ", found_[0].description);
  if (found_.size() > 1) base::StrAppend(&error.message, " (and ", found_.size() - 1, " more)");
  error.fields = std::move(found_);
  return error;
}

void CheckMessages(const std::vector<model::Message>& messages, const config::Limits& limits,
                   Violations* out) {
  for (size_t i = 0; i < messages.size() && !out->full(); ++i) {
    CheckMessage(messages[i], base::StrCat("spec.messages[", i, "]"), limits, out);
  }
}

void CheckFunctionName(const std::string& field, std::string_view name, Violations* out) {
  const bool clean = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  if (name.empty() || name.size() > kNameBytesMax || !clean) {
    out->Add(field, "must be 1 to 64 of a-z, A-Z, 0-9, `_`, `-`");
  }
}

void CheckJsonObject(const std::string& field, std::string_view json, Violations* out) {
  const auto members = model::JsonObjectMembers(json);
  if (const auto* problem = std::get_if<std::string>(&members)) {
    out->Add(field, base::StrCat("must be a JSON object: ", *problem));
  }
}

void CheckProviderFields(std::string_view json, Violations* out) {
  const auto members = model::JsonObjectMembers(json);
  if (const auto* problem = std::get_if<std::string>(&members)) {
    out->Add("spec.provider_fields_json", base::StrCat("must be a JSON object: ", *problem));
    return;
  }
  for (const std::string& name : std::get<std::vector<std::string>>(members)) {
    if (model::IsKnownRequestField(name)) {
      out->Add("spec.provider_fields_json",
               base::StrCat("has \"", name, "\", for which CompletionSpec has a field; use that"));
    }
  }
}

}  // namespace pingti::admission
