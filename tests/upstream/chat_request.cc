#include "tests/upstream/chat_request.h"

#include <algorithm>
#include <string>

#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr int64_t kChoicesMax = 128;
constexpr size_t kStopsMax = 4;
constexpr size_t kToolsMax = 128;
constexpr size_t kSchemaBytesMax = 1 << 20;

absl::Status Bad(std::string_view what) { return absl::InvalidArgumentError(base::AbslView(what)); }

std::string TextOr(element parent, std::string_view key) {
  std::string_view text;
  return parent[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

bool FlagOf(element parent, std::string_view key) {
  bool flag = false;
  return parent[key].get(flag) == simdjson::SUCCESS && flag;
}

// Absent and null are the same: no value.
absl::Status ReadInt(element root, std::string_view key, int64_t min, int64_t max,
                     std::optional<int64_t>* out) {
  element value;
  if (root[key].get(value) != simdjson::SUCCESS || value.is_null()) return absl::OkStatus();
  int64_t number = 0;
  if (value.get(number) != simdjson::SUCCESS || number < min || number > max) {
    return Bad(base::StrCat("Invalid '", key, "': expected an integer from ", min, " to ", max));
  }
  *out = number;
  return absl::OkStatus();
}

absl::Status CheckNumber(element root, std::string_view key, double min, double max) {
  element value;
  if (root[key].get(value) != simdjson::SUCCESS || value.is_null()) return absl::OkStatus();
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS || number < min || number > max) {
    return Bad(base::StrCat("Invalid '", key, "': expected a number from ", min, " to ", max));
  }
  return absl::OkStatus();
}

// Text of a message: its content as a string, or the text parts of it one after the other.
std::string ContentText(element message) {
  element content;
  if (message["content"].get(content) != simdjson::SUCCESS) return {};
  std::string_view text;
  if (content.get(text) == simdjson::SUCCESS) return std::string(text);
  std::string all;
  array parts;
  if (content.get(parts) != simdjson::SUCCESS) return all;
  for (element part : parts) {
    if (part["text"].get(text) == simdjson::SUCCESS) all.append(text);
  }
  return all;
}

absl::Status ReadMessages(element root, ChatRequest* request) {
  array messages;
  if (root["messages"].get(messages) != simdjson::SUCCESS) {
    return Bad("Missing required parameter: 'messages'.");
  }
  for (element message : messages) {
    std::string_view role;
    if (message["role"].get(role) != simdjson::SUCCESS) {
      return Bad("Missing required parameter: 'messages[].role'.");
    }
    std::string text = ContentText(message);
    request->message_count++;
    request->prompt_bytes += static_cast<int64_t>(text.size());
    request->last_message_is_user = role == "user";
    if (role == "user") request->last_user_text = std::move(text);
  }
  if (request->message_count == 0) return Bad("Invalid 'messages': empty array.");
  return absl::OkStatus();
}

absl::Status ReadStop(element root, ChatRequest* request) {
  element stop;
  if (root["stop"].get(stop) != simdjson::SUCCESS || stop.is_null()) return absl::OkStatus();
  std::string_view text;
  array list;
  if (stop.get(text) == simdjson::SUCCESS) {
    request->stop.emplace_back(text);
  } else if (stop.get(list) == simdjson::SUCCESS) {
    for (element each : list) {
      if (each.get(text) != simdjson::SUCCESS) return Bad("Invalid 'stop': expected strings.");
      request->stop.emplace_back(text);
    }
  }
  if (request->stop.size() > kStopsMax) return Bad("Invalid 'stop': at most 4 sequences.");
  return absl::OkStatus();
}

absl::Status ReadTools(element root, ChatRequest* request) {
  array tools;
  if (root["tools"].get(tools) == simdjson::SUCCESS) {
    if (tools.size() > kToolsMax) return Bad("Invalid 'tools': at most 128.");
    for (element tool : tools) {
      element function;
      if (tool["function"].get(function) != simdjson::SUCCESS) {
        return Bad("Missing required parameter: 'tools[].function'.");
      }
      ToolSpec spec;
      spec.name = TextOr(function, "name");
      if (spec.name.empty()) return Bad("Missing required parameter: 'tools[].function.name'.");
      element schema;
      if (function["parameters"].get(schema) == simdjson::SUCCESS) {
        spec.schema_json = simdjson::minify(schema);
      }
      request->tools.push_back(std::move(spec));
    }
  }
  std::string_view choice;
  element named;
  if (root["tool_choice"].get(choice) == simdjson::SUCCESS) {
    request->tool_choice_none = choice == "none";
  } else if (root["tool_choice"]["function"].get(named) == simdjson::SUCCESS) {
    request->tool_choice_name = TextOr(named, "name");
  }
  return absl::OkStatus();
}

absl::Status ReadResponseFormat(element root, ChatRequest* request) {
  element format;
  if (root["response_format"].get(format) != simdjson::SUCCESS) return absl::OkStatus();
  std::string type = TextOr(format, "type");
  if (type == "json_object") {
    request->response_format = ResponseFormat::kJsonObject;
  } else if (type == "json_schema") {
    element schema;
    if (format["json_schema"]["schema"].get(schema) != simdjson::SUCCESS) {
      return Bad("Missing required parameter: 'response_format.json_schema.schema'.");
    }
    request->response_format = ResponseFormat::kJsonSchema;
    request->schema_json = simdjson::minify(schema);
  } else if (!type.empty() && type != "text") {
    return Bad("Invalid 'response_format.type'.");
  }
  return absl::OkStatus();
}

absl::Status ReadSampling(element root, ChatRequest* request) {
  std::optional<int64_t> max_tokens, max_completion_tokens, n, top_logprobs;
  constexpr int64_t kTokensMax = int64_t{1} << 40;
  for (absl::Status status :
       {ReadInt(root, "max_tokens", 1, kTokensMax, &max_tokens),
        ReadInt(root, "max_completion_tokens", 1, kTokensMax, &max_completion_tokens),
        ReadInt(root, "n", 1, kChoicesMax, &n), ReadInt(root, "top_logprobs", 0, 20, &top_logprobs),
        CheckNumber(root, "temperature", 0, 2), CheckNumber(root, "top_p", 0, 1),
        CheckNumber(root, "presence_penalty", -2, 2),
        CheckNumber(root, "frequency_penalty", -2, 2)}) {
    if (!status.ok()) return status;
  }
  request->max_tokens = max_tokens;
  if (max_completion_tokens) {
    request->max_tokens =
        std::min(*max_completion_tokens, max_tokens.value_or(*max_completion_tokens));
  }
  request->n = n.value_or(1);
  request->top_logprobs = top_logprobs.value_or(0);
  request->logprobs = FlagOf(root, "logprobs");
  return absl::OkStatus();
}

constexpr int kSchemaDepthMax = 8;

void AppendJsonText(std::string_view text, std::string* out) {
  out->push_back('"');
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c));
    } else if (c >= 0x20) {
      out->push_back(static_cast<char>(c));
    }
  }
  out->push_back('"');
}

void AppendExample(element schema, std::string_view text, int depth, std::string* out) {
  array choices;
  if (schema["enum"].get(choices) == simdjson::SUCCESS && choices.size() > 0) {
    out->append(simdjson::minify(choices.at(0).value_unsafe()));
    return;
  }
  std::string type = TextOr(schema, "type");
  object properties;
  bool has_properties = schema["properties"].get(properties) == simdjson::SUCCESS;
  if (type == "string") {
    AppendJsonText(text, out);
  } else if (type == "integer") {
    out->append("1");
  } else if (type == "number") {
    out->append("1.5");
  } else if (type == "boolean") {
    out->append("true");
  } else if (type == "array") {
    out->push_back('[');
    element items;
    if (depth < kSchemaDepthMax && schema["items"].get(items) == simdjson::SUCCESS) {
      AppendExample(items, text, depth + 1, out);
    }
    out->push_back(']');
  } else if ((type == "object" || type.empty()) && has_properties && depth < kSchemaDepthMax) {
    out->push_back('{');
    bool first = true;
    for (auto [name, property] : properties) {
      if (!std::exchange(first, false)) out->push_back(',');
      AppendJsonText(name, out);
      out->push_back(':');
      AppendExample(property, text, depth + 1, out);
    }
    out->push_back('}');
  } else {
    out->append(type == "null" ? "null" : "{}");
  }
}

}  // namespace

absl::StatusOr<ChatRequest> ChatRequestParser::Parse(std::string_view body) {
  element root;
  if (parser_.parse(body.data(), body.size(), /*realloc_if_needed=*/true).get(root) !=
      simdjson::SUCCESS) {
    return Bad("We could not parse the JSON body of your request.");
  }
  if (!root.is_object()) return Bad("The body must be a JSON object.");
  ChatRequest request;
  request.model = TextOr(root, "model");
  if (request.model.empty()) return Bad("you must provide a model parameter");
  request.user = TextOr(root, "user");
  request.stream = FlagOf(root, "stream");
  element options;
  if (root["stream_options"].get(options) == simdjson::SUCCESS) {
    request.include_usage = FlagOf(options, "include_usage");
  }
  for (auto* read : {&ReadMessages, &ReadStop, &ReadTools, &ReadResponseFormat, &ReadSampling}) {
    absl::Status status = (*read)(root, &request);
    if (!status.ok()) return status;
  }
  return request;
}

std::string ExampleForSchema(std::string_view schema_json, std::string_view text) {
  std::string example;
  simdjson::dom::parser parser;
  element schema;
  if (schema_json.size() > kSchemaBytesMax ||
      parser.parse(schema_json.data(), schema_json.size()).get(schema) != simdjson::SUCCESS) {
    return "{}";
  }
  AppendExample(schema, text, 0, &example);
  return example.empty() || example.front() != '{' ? "{}" : example;
}

}  // namespace pingti::upstream
