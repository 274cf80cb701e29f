#include "server/providers/openai/request_writer.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "server/base/strings.h"
#include "server/providers/openai/json_writer.h"
#include "server/providers/openai/request_parts.h"

namespace pingti::providers::openai {
namespace {

using base::StrCat;
using model::CompletionRequest;

// Room for the names, numbers and punctuation around the texts.
constexpr size_t kFixedBytes = 512;
constexpr size_t kPartBytes = 96;

size_t PartBytes(const model::ContentPart& part) {
  return std::visit(
      [](const auto& content) -> size_t {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, model::Text>) {
          return content.text.size() + content.text.size() / 16;  // and some escapes
        } else if constexpr (std::is_same_v<Content, model::Image>) {
          return content.url.size() + content.data.size() / 3 * 4;
        } else if constexpr (std::is_same_v<Content, model::Audio> ||
                             std::is_same_v<Content, model::File>) {
          return content.data.size() / 3 * 4;
        } else {
          return 0;
        }
      },
      part);
}

// About as long as the body will be, so that it is allocated once.
size_t ExpectedBytes(const CompletionRequest& request) {
  size_t bytes = kFixedBytes + request.provider_fields_json.size() +
                 request.response_format.schema_json.size();
  for (const model::Message& message : request.messages) {
    bytes += kPartBytes;
    for (const model::ContentPart& part : message.parts) bytes += kPartBytes + PartBytes(part);
    for (const model::ToolCall& call : message.tool_calls) {
      bytes += kPartBytes + call.arguments_json.size() * 5 / 4;
    }
  }
  for (const model::Tool& tool : request.tools) {
    bytes += kPartBytes + tool.description.size() + tool.parameters_json_schema.size();
  }
  return bytes;
}

// Writes the members of the request one by one and keeps an eye on what the target knows.
class RequestWriter {
 public:
  RequestWriter(const CompletionRequest& request, const TargetTraits& target, JsonWriter& json,
                std::vector<Adaptation>* adaptations)
      : request_(request), json_(json), sink_{target, json, *adaptations} {}

  void Write(bool stream) {
    json_.StartObject();
    json_.Member("model", sink_.target.upstream_model);
    json_.Key("messages");
    WriteMessages(request_.messages, sink_);
    if (stream) WriteStreamOptions();
    WriteSampling();
    WriteRest();
    if (!request_.provider_fields_json.empty()) json_.RawMembers(request_.provider_fields_json);
    json_.EndObject();
  }

 private:
  bool Unsupported(std::string_view field) const {
    const auto& fields = sink_.target.unsupported_fields;
    return std::find(fields.begin(), fields.end(), field) != fields.end();
  }

  // True where `field` is to be sent as `name`, whose key is then written. What is set but not
  // known to the target is reported, unless leaving it out changes nothing.
  bool Begin(bool is_set, std::string_view field, std::string_view name, bool is_default = false) {
    if (!is_set) return false;
    if (!Unsupported(field)) {
      json_.Key(name);
      return true;
    }
    if (is_default) return false;
    std::string_view parameter = field.substr(field.rfind('.') + 1);
    sink_.Report(std::string(field), Adaptation::Action::kDropped,
                 StrCat(sink_.target.upstream_model, " has no parameter ", parameter));
    return false;
  }

  void WriteStreamOptions() {
    json_.Key("stream");
    json_.Bool(true);
    if (Unsupported("stream_usage")) return;
    json_.Key("stream_options");
    json_.StartObject();
    json_.Key("include_usage");
    json_.Bool(true);
    json_.EndObject();
  }

  void WriteNumber(const std::optional<double>& number, std::string_view field,
                   std::string_view name) {
    if (Begin(number.has_value(), field, name)) json_.Number(*number);
  }

  void WriteStop(const std::vector<std::string>& stop) {
    if (!Begin(!stop.empty(), "sampling.stop", "stop")) return;
    json_.StartArray();
    for (const std::string& text : stop) json_.Text(text);
    json_.EndArray();
  }

  void WriteLogitBias(const std::map<int32_t, double>& logit_bias) {
    if (!Begin(!logit_bias.empty(), "sampling.logit_bias", "logit_bias")) return;
    json_.StartObject();
    for (const auto& [token, bias] : logit_bias) {
      json_.Key(StrCat(token));
      json_.Number(bias);
    }
    json_.EndObject();
  }

  void WriteSampling() {
    const model::Sampling& sampling = request_.sampling;
    WriteNumber(sampling.temperature, "sampling.temperature", "temperature");
    WriteNumber(sampling.top_p, "sampling.top_p", "top_p");
    if (Begin(sampling.max_output_tokens.has_value(), "sampling.max_output_tokens",
              sink_.target.max_tokens_field)) {
      json_.Integer(*sampling.max_output_tokens);
    }
    WriteStop(sampling.stop);
    if (Begin(sampling.n.has_value(), "sampling.n", "n", sampling.n == 1)) {
      json_.Integer(*sampling.n);
    }
    if (Begin(sampling.seed.has_value(), "sampling.seed", "seed")) json_.Integer(*sampling.seed);
    WriteNumber(sampling.presence_penalty, "sampling.presence_penalty", "presence_penalty");
    WriteNumber(sampling.frequency_penalty, "sampling.frequency_penalty", "frequency_penalty");
    WriteLogitBias(sampling.logit_bias);
    WriteLogprobs(sampling);
  }

  void WriteLogprobs(const model::Sampling& sampling) {
    bool wanted = sampling.logprobs.value_or(false);
    if (Begin(sampling.logprobs.has_value(), "sampling.logprobs", "logprobs", !wanted)) {
      json_.Bool(wanted);
    }
    // Without the one, the other is an error at the provider.
    if (Unsupported("sampling.logprobs")) return;
    if (Begin(sampling.top_logprobs.has_value(), "sampling.top_logprobs", "top_logprobs")) {
      json_.Integer(*sampling.top_logprobs);
    }
  }

  void WriteRest() {
    if (Begin(request_.response_format.kind != model::ResponseFormatKind::kText, "response_format",
              "response_format")) {
      WriteResponseFormat(request_.response_format, json_);
    }
    WriteToolFields();
    if (Begin(request_.reasoning_effort != model::ReasoningEffort::kDefault, "reasoning_effort",
              "reasoning_effort")) {
      json_.Text(EffortName(request_.reasoning_effort));
    }
    if (Begin(!request_.user.empty(), "user", "user")) json_.Text(request_.user);
  }

  void WriteToolFields() {
    if (Begin(!request_.tools.empty(), "tools", "tools")) WriteTools(request_.tools, json_);
    // What goes with tools is meaningless without them.
    if (Unsupported("tools")) return;
    bool chosen = !request_.tool_choice.tool_name.empty() ||
                  request_.tool_choice.mode != model::ToolChoiceMode::kDefault;
    if (Begin(chosen, "tool_choice", "tool_choice")) WriteToolChoice(request_.tool_choice, json_);
    if (Begin(request_.parallel_tool_calls.has_value(), "parallel_tool_calls",
              "parallel_tool_calls")) {
      json_.Bool(*request_.parallel_tool_calls);
    }
  }

  static std::string_view EffortName(model::ReasoningEffort effort) {
    switch (effort) {
      case model::ReasoningEffort::kMinimal:
        return "minimal";
      case model::ReasoningEffort::kLow:
        return "low";
      case model::ReasoningEffort::kHigh:
        return "high";
      case model::ReasoningEffort::kDefault:
      case model::ReasoningEffort::kMedium:
        break;
    }
    return "medium";
  }

  const CompletionRequest& request_;
  JsonWriter& json_;
  RequestSink sink_;
};

}  // namespace

void WriteRequest(const CompletionRequest& request, const TargetTraits& target, bool stream,
                  rapidjson::StringBuffer* buffer, std::vector<Adaptation>* adaptations) {
  buffer->Reserve(ExpectedBytes(request));
  JsonWriter json(buffer);
  RequestWriter(request, target, json, adaptations).Write(stream);
}

}  // namespace pingti::providers::openai
