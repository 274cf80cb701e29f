#include "server/billing/fingerprint.h"

#include <openssl/sha.h>

#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/strings/escaping.h"
#include "server/base/strings.h"

namespace pingti::billing {
namespace {

// Each value is written with its length or in a fixed size, so no two sequences look the same.
class Writer {
 public:
  void Add(std::string_view text) {
    Add(static_cast<int64_t>(text.size()));
    bytes_.append(text);
  }
  void Add(int64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void Add(double value) { Add(std::bit_cast<int64_t>(value)); }
  template <typename T>
    requires std::is_enum_v<T>
  void Add(T value) {
    Add(static_cast<int64_t>(value));
  }
  template <typename T>
  void Add(const std::optional<T>& value) {
    Add(int64_t{value.has_value()});
    if (!value) return;
    if constexpr (std::is_integral_v<T>) {
      Add(static_cast<int64_t>(*value));
    } else {
      Add(*value);
    }
  }

  std::string Digest() const {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size(), digest);
    return absl::BytesToHexString(
        absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
  }

 private:
  std::string bytes_;
};

struct AddPart {
  Writer& writer;
  void operator()(const std::monostate&) const {}
  void operator()(const model::Text& part) const { writer.Add(part.text); }
  void operator()(const model::Reasoning& part) const { writer.Add(part.text); }
  void operator()(const model::Image& part) const {
    writer.Add(part.url);
    writer.Add(part.data);
    writer.Add(part.media_type);
    writer.Add(part.detail);
  }
  void operator()(const model::Audio& part) const {
    writer.Add(part.data);
    writer.Add(part.format);
  }
  void operator()(const model::File& part) const {
    writer.Add(part.data);
    writer.Add(part.file_id);
    writer.Add(part.filename);
    writer.Add(part.media_type);
  }
};

void AddMessage(const model::Message& message, Writer& writer) {
  writer.Add(message.role);
  writer.Add(static_cast<int64_t>(message.parts.size()));
  for (const model::ContentPart& part : message.parts) {
    writer.Add(static_cast<int64_t>(part.index()));
    std::visit(AddPart{writer}, part);
  }
  writer.Add(message.name);
  writer.Add(message.tool_call_id);
  writer.Add(static_cast<int64_t>(message.tool_calls.size()));
  for (const model::ToolCall& call : message.tool_calls) {
    writer.Add(call.id);
    writer.Add(call.name);
    writer.Add(call.arguments_json);
  }
}

void AddSampling(const model::Sampling& sampling, Writer& writer) {
  writer.Add(sampling.temperature);
  writer.Add(sampling.top_p);
  writer.Add(sampling.max_output_tokens);
  writer.Add(static_cast<int64_t>(sampling.stop.size()));
  for (const std::string& stop : sampling.stop) writer.Add(stop);
  writer.Add(sampling.n);
  writer.Add(sampling.seed);
  writer.Add(sampling.presence_penalty);
  writer.Add(sampling.frequency_penalty);
  writer.Add(static_cast<int64_t>(sampling.logit_bias.size()));
  for (const auto& [token, bias] : sampling.logit_bias) {
    writer.Add(int64_t{token});
    writer.Add(bias);
  }
  writer.Add(sampling.logprobs);
  writer.Add(sampling.top_logprobs);
}

}  // namespace

std::string FingerprintOf(const model::CompletionRequest& request) {
  Writer writer;
  writer.Add(request.model);
  writer.Add(static_cast<int64_t>(request.messages.size()));
  for (const model::Message& message : request.messages) AddMessage(message, writer);
  AddSampling(request.sampling, writer);
  writer.Add(request.response_format.kind);
  writer.Add(request.response_format.name);
  writer.Add(request.response_format.description);
  writer.Add(request.response_format.schema_json);
  writer.Add(request.response_format.strict);
  writer.Add(static_cast<int64_t>(request.tools.size()));
  for (const model::Tool& tool : request.tools) {
    writer.Add(tool.name);
    writer.Add(tool.description);
    writer.Add(tool.parameters_json_schema);
    writer.Add(tool.strict);
  }
  writer.Add(request.tool_choice.mode);
  writer.Add(request.tool_choice.tool_name);
  writer.Add(request.parallel_tool_calls);
  writer.Add(request.reasoning_effort);
  writer.Add(request.provider_fields_json);
  writer.Add(request.user);
  writer.Add(int64_t{request.routing.no_fallback});
  writer.Add(request.routing.preferred_provider);
  return writer.Digest();
}

}  // namespace pingti::billing
