#include "server/rpc/read_request.h"

#include <string>
#include <utility>
#include <vector>

#include <grpcpp/impl/codegen/proto_utils.h>

#include "server/base/strings.h"
#include "server/rpc/find_invalid_utf8.h"

namespace pingti::rpc {
namespace {

std::optional<model::Role> RoleOf(v1::Role role) {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return model::Role::kSystem;
    case v1::ROLE_DEVELOPER:
      return model::Role::kDeveloper;
    case v1::ROLE_USER:
      return model::Role::kUser;
    case v1::ROLE_ASSISTANT:
      return model::Role::kAssistant;
    case v1::ROLE_TOOL:
      return model::Role::kTool;
    default:
      return std::nullopt;
  }
}

template <typename T>
std::optional<T> Optional(bool has, T value) {
  return has ? std::make_optional(value) : std::nullopt;
}

model::ContentPart ReadPart(v1::ContentPart* part) {
  switch (part->content_case()) {
    case v1::ContentPart::kText:
      return model::Text{std::move(*part->mutable_text())};
    case v1::ContentPart::kReasoning:
      return model::Reasoning{std::move(*part->mutable_reasoning())};
    case v1::ContentPart::kImage: {
      v1::Image* image = part->mutable_image();
      model::Image read;
      if (image->has_url()) read.url = std::move(*image->mutable_url());
      if (image->has_data()) read.data = std::move(*image->mutable_data());
      read.media_type = std::move(*image->mutable_media_type());
      read.detail = static_cast<model::ImageDetail>(image->detail());
      return read;
    }
    case v1::ContentPart::kAudio:
      return model::Audio{std::move(*part->mutable_audio()->mutable_data()),
                          std::move(*part->mutable_audio()->mutable_format())};
    case v1::ContentPart::kFile: {
      v1::File* file = part->mutable_file();
      model::File read;
      if (file->has_data()) read.data = std::move(*file->mutable_data());
      if (file->has_file_id()) read.file_id = std::move(*file->mutable_file_id());
      read.filename = std::move(*file->mutable_filename());
      read.media_type = std::move(*file->mutable_media_type());
      return read;
    }
    case v1::ContentPart::CONTENT_NOT_SET:
      break;
  }
  return std::monostate();
}

model::Message ReadMessage(v1::Message* message) {
  model::Message read;
  read.role = RoleOf(message->role());
  read.parts.reserve(message->parts_size());
  for (auto& part : *message->mutable_parts()) read.parts.push_back(ReadPart(&part));
  read.name = std::move(*message->mutable_name());
  for (auto& call : *message->mutable_tool_calls()) {
    read.tool_calls.push_back({std::move(*call.mutable_id()), std::move(*call.mutable_name()),
                               std::move(*call.mutable_arguments_json())});
  }
  read.tool_call_id = std::move(*message->mutable_tool_call_id());
  return read;
}

void ReadSampling(const v1::Sampling& from, model::Sampling* to) {
  to->temperature = Optional(from.has_temperature(), from.temperature());
  to->top_p = Optional(from.has_top_p(), from.top_p());
  to->max_output_tokens = Optional<int64_t>(from.has_max_output_tokens(), from.max_output_tokens());
  to->stop.assign(from.stop().begin(), from.stop().end());
  to->n = Optional<int32_t>(from.has_n(), from.n());
  to->seed = Optional<int64_t>(from.has_seed(), from.seed());
  to->presence_penalty = Optional(from.has_presence_penalty(), from.presence_penalty());
  to->frequency_penalty = Optional(from.has_frequency_penalty(), from.frequency_penalty());
  to->logit_bias = {from.logit_bias().begin(), from.logit_bias().end()};
  to->logprobs = Optional(from.has_logprobs(), from.logprobs());
  to->top_logprobs = Optional<int32_t>(from.has_top_logprobs(), from.top_logprobs());
}

void ReadFormat(v1::ResponseFormat* from, model::ResponseFormat* to) {
  if (from->has_json_object()) {
    to->kind = model::ResponseFormatKind::kJsonObject;
  } else if (from->has_json_schema()) {
    v1::ResponseFormat::JsonSchema* schema = from->mutable_json_schema();
    to->kind = model::ResponseFormatKind::kJsonSchema;
    to->name = std::move(*schema->mutable_name());
    to->description = std::move(*schema->mutable_description());
    to->schema_json = std::move(*schema->mutable_schema_json());
    to->strict = Optional(schema->has_strict(), schema->strict());
  }
}

void ReadTools(v1::CompletionSpec* spec, model::CompletionRequest* request) {
  for (auto& tool : *spec->mutable_tools()) {
    model::Tool read;
    read.name = std::move(*tool.mutable_name());
    read.description = std::move(*tool.mutable_description());
    read.parameters_json_schema = std::move(*tool.mutable_parameters_json_schema());
    read.strict = Optional(tool.has_strict(), tool.strict());
    request->tools.push_back(std::move(read));
  }
  if (!spec->has_tool_choice()) return;
  request->tool_choice.mode = static_cast<model::ToolChoiceMode>(spec->tool_choice().mode());
  request->tool_choice.tool_name = spec->tool_choice().tool_name();
}

std::optional<model::CallError> CheckEnums(const v1::CompletionSpec& spec) {
  if (!v1::ReasoningEffort_IsValid(spec.reasoning_effort())) {
    return model::InvalidField("spec.reasoning_effort",
                               "is a value that this version does not know");
  }
  if (!v1::ToolChoice::Mode_IsValid(spec.tool_choice().mode())) {
    return model::InvalidField("spec.tool_choice.mode",
                               "is a value that this version does not know");
  }
  for (int m = 0; m < spec.messages_size(); ++m) {
    for (int p = 0; p < spec.messages(m).parts_size(); ++p) {
      if (!v1::Image::Detail_IsValid(spec.messages(m).parts(p).image().detail())) {
        return model::InvalidField(
            base::StrCat("spec.messages[", m, "].parts[", p, "].image.detail"),
            "is a value that this version does not know");
      }
    }
  }
  return std::nullopt;
}

std::optional<model::CallError> ReadQueueWait(const v1::CompletionSpec& spec,
                                              model::CompletionRequest* request) {
  const auto& wait = spec.max_queue_wait();
  if (wait.nanos() <= -1'000'000'000 || wait.nanos() >= 1'000'000'000) {
    return model::InvalidField("spec.max_queue_wait",
                               "is not a valid Duration: nanos out of range");
  }
  request->max_queue_wait = absl::Seconds(wait.seconds()) + absl::Nanoseconds(wait.nanos());
  return std::nullopt;
}

}  // namespace

std::optional<model::CallError> ParseRequest(grpc::ByteBuffer* bytes,
                                             google::protobuf::Message* request) {
  grpc::ByteBuffer copy(*bytes);  // shares the slices; parsing releases `bytes`
  if (grpc::SerializationTraits<google::protobuf::Message>::Deserialize(bytes, request).ok()) {
    return std::nullopt;
  }
  if (auto path = FindInvalidUtf8(copy, *request->GetDescriptor())) {
    return model::InvalidField(*std::move(path), "is not valid UTF-8");
  }
  return model::InvalidField("request", base::StrCat("is not a valid ", request->GetTypeName()));
}

std::optional<model::CallError> ReadSpec(v1::CompletionSpec* spec,
                                         model::CompletionRequest* request) {
  if (auto error = CheckEnums(*spec)) return error;
  if (auto error = ReadQueueWait(*spec, request)) return error;
  request->model = std::move(*spec->mutable_model());
  request->messages.reserve(spec->messages_size());
  for (auto& message : *spec->mutable_messages()) {
    request->messages.push_back(ReadMessage(&message));
  }
  if (spec->has_sampling()) ReadSampling(spec->sampling(), &request->sampling);
  if (spec->has_response_format()) {
    ReadFormat(spec->mutable_response_format(), &request->response_format);
  }
  ReadTools(spec, request);
  request->parallel_tool_calls =
      Optional(spec->has_parallel_tool_calls(), spec->parallel_tool_calls());
  request->reasoning_effort = static_cast<model::ReasoningEffort>(spec->reasoning_effort());
  request->provider_fields_json = std::move(*spec->mutable_provider_fields_json());
  request->user = std::move(*spec->mutable_user());
  request->labels = {spec->labels().begin(), spec->labels().end()};
  request->request_id = std::move(*spec->mutable_request_id());
  request->routing.no_fallback = spec->routing().no_fallback();
  request->routing.preferred_provider = spec->routing().preferred_provider();
  return std::nullopt;
}

}  // namespace pingti::rpc
