#include "server/providers/openai/request_parts.h"

#include <utility>
#include <variant>

#include "server/base/strings.h"

namespace pingti::providers::openai {
namespace {

using base::StrCat;
using model::Role;

constexpr std::string_view kFileMediaTypeDefault = "application/pdf";

std::string_view DetailName(model::ImageDetail detail) {
  switch (detail) {
    case model::ImageDetail::kDefault:
      return {};
    case model::ImageDetail::kAuto:
      return "auto";
    case model::ImageDetail::kLow:
      return "low";
    case model::ImageDetail::kHigh:
      return "high";
  }
  return {};
}

std::string DataUrlPrefix(std::string_view media_type) {
  return StrCat("data:", media_type, ";base64,");
}

void BeginPart(std::string_view type, JsonWriter& json) {
  json.StartObject();
  json.Member("type", type);
  json.Key(type);
}

// Writes a part as an element of a content array.
struct PartWriter {
  JsonWriter& json;

  void operator()(const model::Text& text) {
    BeginPart("text", json);
    json.Text(text.text);
    json.EndObject();
  }

  void operator()(const model::Image& image) {
    BeginPart("image_url", json);
    json.StartObject();
    json.Key("url");
    if (image.data.empty()) {
      json.Text(image.url);
    } else {
      json.Base64(DataUrlPrefix(image.media_type), image.data);
    }
    if (std::string_view detail = DetailName(image.detail); !detail.empty()) {
      json.Member("detail", detail);
    }
    json.EndObject();
    json.EndObject();
  }

  void operator()(const model::Audio& audio) {
    BeginPart("input_audio", json);
    json.StartObject();
    json.Key("data");
    json.Base64({}, audio.data);
    json.Member("format", audio.format);
    json.EndObject();
    json.EndObject();
  }

  void operator()(const model::File& file) {
    BeginPart("file", json);
    json.StartObject();
    if (file.data.empty()) {
      json.Member("file_id", file.file_id);
    } else {
      json.Member("filename", file.filename);
      json.Key("file_data");
      json.Base64(DataUrlPrefix(file.media_type.empty() ? kFileMediaTypeDefault
                                                        : std::string_view(file.media_type)),
                  file.data);
    }
    json.EndObject();
    json.EndObject();
  }

  // Not sent: see WriteContent().
  void operator()(const model::Reasoning&) {}
  void operator()(std::monostate) {}
};

bool IsSent(const model::ContentPart& part) {
  return !std::holds_alternative<model::Reasoning>(part) &&
         !std::holds_alternative<std::monostate>(part);
}

void ReportReasoning(const model::Message& message, size_t number, RequestSink& sink) {
  for (size_t i = 0; i < message.parts.size(); ++i) {
    if (!std::holds_alternative<model::Reasoning>(message.parts[i])) continue;
    sink.Report(StrCat("messages[", number, "].parts[", i, "].reasoning"),
                Adaptation::Action::kDropped,
                StrCat(sink.target.upstream_model, " does not take earlier reasoning back"));
  }
}

// The value of `content`.
void WriteContent(const model::Message& message, JsonWriter& json) {
  size_t sent = 0;
  const model::ContentPart* last = nullptr;
  for (const model::ContentPart& part : message.parts) {
    if (!IsSent(part)) continue;
    ++sent;
    last = &part;
  }
  if (sent == 0) {
    // What has tool calls may have no content; the rest must have a string.
    if (message.tool_calls.empty()) {
      json.Text({});
    } else {
      json.Null();
    }
    return;
  }
  if (sent == 1 && std::holds_alternative<model::Text>(*last)) {
    json.Text(std::get<model::Text>(*last).text);
    return;
  }
  json.StartArray();
  for (const model::ContentPart& part : message.parts) std::visit(PartWriter{json}, part);
  json.EndArray();
}

void WriteToolCalls(const std::vector<model::ToolCall>& calls, JsonWriter& json) {
  json.Key("tool_calls");
  json.StartArray();
  for (const model::ToolCall& call : calls) {
    json.StartObject();
    json.Member("id", call.id);
    json.Member("type", "function");
    json.Key("function");
    json.StartObject();
    json.Member("name", call.name);
    json.Member("arguments", call.arguments_json);
    json.EndObject();
    json.EndObject();
  }
  json.EndArray();
}

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kDeveloper:
      return "developer";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
    case Role::kTool:
      return "tool";
  }
  return "user";
}

void WriteMessage(const model::Message& message, size_t number, RequestSink& sink) {
  Role role = message.role.value_or(Role::kUser);
  const std::string& model = sink.target.upstream_model;
  bool instructs = role == Role::kSystem || role == Role::kDeveloper;
  if (instructs && !sink.target.system_messages) {
    sink.Report(StrCat("messages[", number, "]"), Adaptation::Action::kDropped,
                StrCat(model, " takes no ", RoleName(role), " messages"));
    return;
  }
  if (role == Role::kDeveloper && !sink.target.developer_role) {
    sink.Report(StrCat("messages[", number, "].role"), Adaptation::Action::kMapped,
                StrCat(model, " does not know the role developer: sent as system"));
    role = Role::kSystem;
  }
  ReportReasoning(message, number, sink);
  JsonWriter& json = sink.json;
  json.StartObject();
  json.Member("role", RoleName(role));
  if (!message.name.empty()) json.Member("name", message.name);
  if (!message.tool_call_id.empty()) json.Member("tool_call_id", message.tool_call_id);
  json.Key("content");
  WriteContent(message, json);
  if (!message.tool_calls.empty()) WriteToolCalls(message.tool_calls, json);
  json.EndObject();
}

}  // namespace

void WriteMessages(const std::vector<model::Message>& messages, RequestSink& sink) {
  sink.json.StartArray();
  for (size_t i = 0; i < messages.size(); ++i) WriteMessage(messages[i], i, sink);
  sink.json.EndArray();
}

void WriteTools(const std::vector<model::Tool>& tools, JsonWriter& json) {
  json.StartArray();
  for (const model::Tool& tool : tools) {
    BeginPart("function", json);
    json.StartObject();
    json.Member("name", tool.name);
    if (!tool.description.empty()) json.Member("description", tool.description);
    if (!tool.parameters_json_schema.empty()) {
      json.Key("parameters");
      json.Raw(tool.parameters_json_schema);
    }
    if (tool.strict) {
      json.Key("strict");
      json.Bool(*tool.strict);
    }
    json.EndObject();
    json.EndObject();
  }
  json.EndArray();
}

void WriteToolChoice(const model::ToolChoice& choice, JsonWriter& json) {
  if (!choice.tool_name.empty()) {
    BeginPart("function", json);
    json.StartObject();
    json.Member("name", choice.tool_name);
    json.EndObject();
    json.EndObject();
    return;
  }
  switch (choice.mode) {
    case model::ToolChoiceMode::kNone:
      return json.Text("none");
    case model::ToolChoiceMode::kRequired:
      return json.Text("required");
    case model::ToolChoiceMode::kDefault:
    case model::ToolChoiceMode::kAuto:
      return json.Text("auto");
  }
}

void WriteResponseFormat(const model::ResponseFormat& format, JsonWriter& json) {
  if (format.kind != model::ResponseFormatKind::kJsonSchema) {
    json.StartObject();
    json.Member("type",
                format.kind == model::ResponseFormatKind::kJsonObject ? "json_object" : "text");
    json.EndObject();
    return;
  }
  BeginPart("json_schema", json);
  json.StartObject();
  json.Member("name", format.name);
  if (!format.description.empty()) json.Member("description", format.description);
  json.Key("schema");
  json.Raw(format.schema_json);
  if (format.strict) {
    json.Key("strict");
    json.Bool(*format.strict);
  }
  json.EndObject();
  json.EndObject();
}

}  // namespace pingti::providers::openai
