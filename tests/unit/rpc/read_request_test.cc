#include "server/rpc/read_request.h"

#include <string>
#include <variant>

#include <google/protobuf/text_format.h>
#include <grpcpp/support/slice.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

v1::CompletionSpec Spec(const std::string& text) {
  v1::CompletionSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

model::CompletionRequest Read(const std::string& text) {
  v1::CompletionSpec spec = Spec(text);
  model::CompletionRequest request;
  const auto error = ReadSpec(&spec, &request);
  EXPECT_FALSE(error.has_value()) << error->message;
  return request;
}

std::string Refusal(v1::CompletionSpec spec) {
  model::CompletionRequest request;
  const auto error = ReadSpec(&spec, &request);
  if (!error) return "(none)";
  EXPECT_EQ(error->reason, model::ErrorReason::kFieldInvalid);
  return error->fields.at(0).field;
}

TEST(ReadSpecTest, ReadsWhatStandsAtTheTop) {
  const model::CompletionRequest request = Read(R"pb(
    model: "gpt-4o"
    parallel_tool_calls: false
    reasoning_effort: REASONING_EFFORT_HIGH
    provider_fields_json: "{\"a\":1}"
    user: "u-1"
    labels { key: "team" value: "search" }
    labels { key: "env" value: "prod" }
    request_id: "id-1"
    max_queue_wait { seconds: 2 nanos: 500000000 }
    routing { no_fallback: true preferred_provider: "yi" }
  )pb");
  EXPECT_EQ(request.model, "gpt-4o");
  EXPECT_EQ(request.parallel_tool_calls, false);
  EXPECT_EQ(request.reasoning_effort, model::ReasoningEffort::kHigh);
  EXPECT_EQ(request.provider_fields_json, R"({"a":1})");
  EXPECT_EQ(request.user, "u-1");
  EXPECT_THAT(request.labels, ElementsAre(Pair("env", "prod"), Pair("team", "search")));
  EXPECT_EQ(request.request_id, "id-1");
  EXPECT_EQ(request.max_queue_wait, absl::Milliseconds(2'500));
  EXPECT_TRUE(request.routing.no_fallback);
  EXPECT_EQ(request.routing.preferred_provider, "yi");
}

TEST(ReadSpecTest, WhatIsNotSetStaysUnset) {
  const model::CompletionRequest request = Read("");
  EXPECT_THAT(request.messages, IsEmpty());
  EXPECT_THAT(request.tools, IsEmpty());
  EXPECT_THAT(request.sampling.stop, IsEmpty());
  EXPECT_THAT(request.sampling.logit_bias, IsEmpty());
  const model::Sampling& sampling = request.sampling;
  EXPECT_FALSE(sampling.temperature || sampling.top_p || sampling.presence_penalty ||
               sampling.frequency_penalty);
  EXPECT_FALSE(sampling.max_output_tokens || sampling.n || sampling.seed || sampling.top_logprobs);
  EXPECT_FALSE(sampling.logprobs.has_value());
  EXPECT_FALSE(request.parallel_tool_calls.has_value());
  EXPECT_EQ(request.response_format.kind, model::ResponseFormatKind::kText);
  EXPECT_EQ(request.tool_choice.mode, model::ToolChoiceMode::kDefault);
  EXPECT_EQ(request.reasoning_effort, model::ReasoningEffort::kDefault);
  EXPECT_EQ(request.max_queue_wait, absl::ZeroDuration());
  EXPECT_FALSE(request.routing.no_fallback);
}

TEST(ReadSpecTest, ZeroDiffersFromUnset) {
  const model::Sampling sampling = Read(R"pb(sampling {
                                               temperature: 0
                                               top_p: 0
                                               max_output_tokens: 0
                                               n: 0
                                               seed: 0
                                               presence_penalty: 0
                                               frequency_penalty: 0
                                               logprobs: false
                                               top_logprobs: 0
                                             })pb")
                                       .sampling;
  EXPECT_EQ(sampling.temperature, 0.0);
  EXPECT_EQ(sampling.top_p, 0.0);
  EXPECT_EQ(sampling.max_output_tokens, 0);
  EXPECT_EQ(sampling.n, 0);
  EXPECT_EQ(sampling.seed, 0);
  EXPECT_EQ(sampling.presence_penalty, 0.0);
  EXPECT_EQ(sampling.frequency_penalty, 0.0);
  EXPECT_EQ(sampling.logprobs, false);
  EXPECT_EQ(sampling.top_logprobs, 0);
}

TEST(ReadSpecTest, ReadsEverySamplingParameter) {
  const model::Sampling sampling = Read(R"pb(sampling {
                                               temperature: 0.7
                                               top_p: 0.9
                                               max_output_tokens: 5000000000
                                               stop: "a"
                                               stop: "b"
                                               n: 3
                                               seed: -42
                                               presence_penalty: -1.5
                                               frequency_penalty: 1.5
                                               logit_bias { key: 50256 value: -100 }
                                               logprobs: true
                                               top_logprobs: 5
                                             })pb")
                                       .sampling;
  EXPECT_EQ(sampling.temperature, 0.7);
  EXPECT_EQ(sampling.top_p, 0.9);
  EXPECT_EQ(sampling.max_output_tokens, 5'000'000'000);
  EXPECT_THAT(sampling.stop, ElementsAre("a", "b"));
  EXPECT_EQ(sampling.n, 3);
  EXPECT_EQ(sampling.seed, -42);
  EXPECT_EQ(sampling.presence_penalty, -1.5);
  EXPECT_EQ(sampling.frequency_penalty, 1.5);
  EXPECT_THAT(sampling.logit_bias, ElementsAre(Pair(50256, -100.0)));
  EXPECT_EQ(sampling.logprobs, true);
  EXPECT_EQ(sampling.top_logprobs, 5);
}

TEST(ReadSpecTest, ReadsEveryRole) {
  const model::CompletionRequest request = Read(R"pb(
    messages { role: ROLE_SYSTEM }
    messages { role: ROLE_DEVELOPER }
    messages { role: ROLE_USER name: "bob" }
    messages { role: ROLE_ASSISTANT }
    messages { role: ROLE_TOOL tool_call_id: "call-1" }
  )pb");
  ASSERT_EQ(request.messages.size(), 5u);
  EXPECT_EQ(request.messages[0].role, model::Role::kSystem);
  EXPECT_EQ(request.messages[1].role, model::Role::kDeveloper);
  EXPECT_EQ(request.messages[2].role, model::Role::kUser);
  EXPECT_EQ(request.messages[2].name, "bob");
  EXPECT_EQ(request.messages[3].role, model::Role::kAssistant);
  EXPECT_EQ(request.messages[4].role, model::Role::kTool);
  EXPECT_EQ(request.messages[4].tool_call_id, "call-1");
}

TEST(ReadSpecTest, ARoleThatIsUnknownIsNoRole) {
  v1::CompletionSpec spec;
  spec.add_messages();
  spec.add_messages()->set_role(static_cast<v1::Role>(99));
  model::CompletionRequest request;
  ASSERT_FALSE(ReadSpec(&spec, &request).has_value());
  EXPECT_FALSE(request.messages[0].role.has_value());
  EXPECT_FALSE(request.messages[1].role.has_value());
}

TEST(ReadSpecTest, ReadsEveryKindOfPart) {
  const model::CompletionRequest request = Read(R"pb(
    messages {
      role: ROLE_USER
      parts { text: "hello" }
      parts { image { url: "https://e/a.png" detail: DETAIL_LOW } }
      parts { image { data: "\001\000" media_type: "image/png" detail: DETAIL_HIGH } }
      parts { audio { data: "snd" format: "wav" } }
      parts { file { data: "pdf" filename: "a.pdf" media_type: "application/pdf" } }
      parts { file { file_id: "file-1" } }
      parts { reasoning: "hm" }
      parts {}
    }
  )pb");
  const auto& parts = request.messages.at(0).parts;
  ASSERT_EQ(parts.size(), 8u);
  EXPECT_EQ(std::get<model::Text>(parts[0]).text, "hello");
  EXPECT_EQ(std::get<model::Image>(parts[1]).url, "https://e/a.png");
  EXPECT_EQ(std::get<model::Image>(parts[1]).detail, model::ImageDetail::kLow);
  EXPECT_EQ(std::get<model::Image>(parts[1]).data, "");
  EXPECT_EQ(std::get<model::Image>(parts[2]).data, std::string("\1\0", 2));
  EXPECT_EQ(std::get<model::Image>(parts[2]).media_type, "image/png");
  EXPECT_EQ(std::get<model::Image>(parts[2]).detail, model::ImageDetail::kHigh);
  EXPECT_EQ(std::get<model::Audio>(parts[3]).data, "snd");
  EXPECT_EQ(std::get<model::Audio>(parts[3]).format, "wav");
  EXPECT_EQ(std::get<model::File>(parts[4]).data, "pdf");
  EXPECT_EQ(std::get<model::File>(parts[4]).filename, "a.pdf");
  EXPECT_EQ(std::get<model::File>(parts[4]).media_type, "application/pdf");
  EXPECT_EQ(std::get<model::File>(parts[5]).file_id, "file-1");
  EXPECT_EQ(std::get<model::Reasoning>(parts[6]).text, "hm");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(parts[7]));
}

TEST(ReadSpecTest, ReadsToolsCallsAndChoice) {
  const model::CompletionRequest request = Read(R"pb(
    messages {
      role: ROLE_ASSISTANT
      tool_calls { id: "call-1" name: "find" arguments_json: "{cut" }
    }
    tools { name: "find" description: "searches" parameters_json_schema: "{}" strict: false }
    tools { name: "count" }
    tool_choice { tool_name: "find" }
  )pb");
  const auto& calls = request.messages.at(0).tool_calls;
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].id, "call-1");
  EXPECT_EQ(calls[0].name, "find");
  EXPECT_EQ(calls[0].arguments_json, "{cut");
  ASSERT_EQ(request.tools.size(), 2u);
  EXPECT_EQ(request.tools[0].description, "searches");
  EXPECT_EQ(request.tools[0].parameters_json_schema, "{}");
  EXPECT_EQ(request.tools[0].strict, false);
  EXPECT_FALSE(request.tools[1].strict.has_value());
  EXPECT_EQ(request.tool_choice.tool_name, "find");
}

TEST(ReadSpecTest, ReadsEveryToolChoiceAndEffort) {
  using Mode = model::ToolChoiceMode;
  EXPECT_EQ(Read("tool_choice { mode: MODE_AUTO }").tool_choice.mode, Mode::kAuto);
  EXPECT_EQ(Read("tool_choice { mode: MODE_NONE }").tool_choice.mode, Mode::kNone);
  EXPECT_EQ(Read("tool_choice { mode: MODE_REQUIRED }").tool_choice.mode, Mode::kRequired);
  using Effort = model::ReasoningEffort;
  EXPECT_EQ(Read("reasoning_effort: REASONING_EFFORT_MINIMAL").reasoning_effort, Effort::kMinimal);
  EXPECT_EQ(Read("reasoning_effort: REASONING_EFFORT_LOW").reasoning_effort, Effort::kLow);
  EXPECT_EQ(Read("reasoning_effort: REASONING_EFFORT_MEDIUM").reasoning_effort, Effort::kMedium);
}

TEST(ReadSpecTest, ReadsEveryFormat) {
  using Kind = model::ResponseFormatKind;
  EXPECT_EQ(Read("response_format { text {} }").response_format.kind, Kind::kText);
  EXPECT_EQ(Read("response_format { json_object {} }").response_format.kind, Kind::kJsonObject);
  const model::ResponseFormat format =
      Read(R"pb(response_format {
                  json_schema { name: "n" description: "d" schema_json: "{}" strict: true }
                })pb")
          .response_format;
  EXPECT_EQ(format.kind, Kind::kJsonSchema);
  EXPECT_EQ(format.name, "n");
  EXPECT_EQ(format.description, "d");
  EXPECT_EQ(format.schema_json, "{}");
  EXPECT_EQ(format.strict, true);
}

TEST(ReadSpecTest, RefusesEnumsThatThisVersionDoesNotKnow) {
  v1::CompletionSpec spec;
  spec.set_reasoning_effort(static_cast<v1::ReasoningEffort>(99));
  EXPECT_EQ(Refusal(spec), "spec.reasoning_effort");
  spec.Clear();
  spec.mutable_tool_choice()->set_mode(static_cast<v1::ToolChoice::Mode>(99));
  EXPECT_EQ(Refusal(spec), "spec.tool_choice.mode");
  spec.Clear();
  spec.add_messages()->add_parts()->set_text("a");
  spec.mutable_messages(0)->add_parts()->mutable_image()->set_detail(
      static_cast<v1::Image::Detail>(-1));
  EXPECT_EQ(Refusal(spec), "spec.messages[0].parts[1].image.detail");
}

TEST(ReadSpecTest, RefusesADurationThatIsNone) {
  EXPECT_EQ(Refusal(Spec("max_queue_wait { nanos: 1000000000 }")), "spec.max_queue_wait");
  EXPECT_EQ(Refusal(Spec("max_queue_wait { nanos: -1000000000 }")), "spec.max_queue_wait");
}

TEST(ParseRequestTest, ParsesAWholeRequest) {
  v1::GenerateCompletionRequest sent;
  sent.mutable_spec()->set_model("gpt-4o");
  grpc::ByteBuffer bytes = Buffer(sent.SerializeAsString());
  v1::GenerateCompletionRequest got;
  ASSERT_FALSE(ParseRequest(&bytes, &got).has_value());
  EXPECT_EQ(got.spec().model(), "gpt-4o");
}

// A request whose bytes carry `text` where protobuf itself would refuse to write it.
std::string WithText(const std::string& text) {
  v1::GenerateCompletionRequest request;
  v1::Message* message = request.mutable_spec()->add_messages();
  message->add_parts()->set_text("fine");
  message->add_parts()->set_text(std::string(text.size(), 'x'));
  std::string bytes = request.SerializeAsString();
  bytes.replace(bytes.find(std::string(text.size(), 'x')), text.size(), text);
  return bytes;
}

TEST(ParseRequestTest, NamesTheTextThatIsNotUtf8) {
  grpc::ByteBuffer bytes = Buffer(WithText("abc\xff\xfe"));
  v1::GenerateCompletionRequest request;
  const auto error = ParseRequest(&bytes, &request);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->reason, model::ErrorReason::kFieldInvalid);
  EXPECT_EQ(error->fields.at(0).field, "spec.messages[0].parts[1].text");
  EXPECT_EQ(error->fields.at(0).description, "is not valid UTF-8");
}

TEST(ParseRequestTest, RefusesBytesThatAreNoMessage) {
  for (const std::string& bad : {std::string("\x0a\xff"), std::string("\x0a\x7fshort"),
                                 std::string(11, '\xff'), std::string("\x07")}) {
    grpc::ByteBuffer bytes = Buffer(bad);
    v1::GenerateCompletionRequest request;
    const auto error = ParseRequest(&bytes, &request);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->fields.at(0).field, "request");
    EXPECT_THAT(error->message, HasSubstr("pingti.v1.GenerateCompletionRequest"));
  }
}

TEST(ParseRequestTest, ReadsARequestThatComesInSlices) {
  v1::GenerateCompletionRequest sent;
  sent.mutable_spec()->set_model("gpt-4o");
  sent.mutable_spec()->set_user("someone");
  const std::string bytes = sent.SerializeAsString();
  for (size_t split = 0; split <= bytes.size(); ++split) {
    const grpc::Slice slices[2] = {grpc::Slice(bytes.substr(0, split)),
                                   grpc::Slice(bytes.substr(split))};
    grpc::ByteBuffer buffer(slices, 2);
    v1::GenerateCompletionRequest got;
    ASSERT_FALSE(ParseRequest(&buffer, &got).has_value()) << split;
    ASSERT_EQ(got.spec().user(), "someone") << split;
  }
}

}  // namespace
}  // namespace pingti::rpc
