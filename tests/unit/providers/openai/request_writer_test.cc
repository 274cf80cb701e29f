#include "server/providers/openai/request_writer.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/model/json_check.h"
#include "server/providers/openai/dialect.h"

namespace pingti::providers::openai {
namespace {

using model::CompletionRequest;
using model::Message;
using model::Role;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Action = Adaptation::Action;

MATCHER_P2(Adapted, field, action, "") { return arg.field == field && arg.action == action; }

Message Says(Role role, std::string text) {
  Message message;
  message.role = role;
  message.parts.emplace_back(model::Text{std::move(text)});
  return message;
}

class RequestWriterTest : public ::testing::Test {
 protected:
  RequestWriterTest() {
    target_.upstream_model = "yi-large";
    request_.model = "gpt-4o";
    request_.messages.push_back(Says(Role::kUser, "hi"));
  }

  std::string Body(bool stream = false) {
    WireRequest wire = dialect_->Encode(request_, target_, stream);
    EXPECT_EQ(wire.path, "/chat/completions");
    EXPECT_FALSE(model::JsonProblem(wire.body).has_value()) << wire.body;
    adaptations_ = std::move(wire.adaptations);
    return wire.body;
  }
  // The body without the model and the one message, for what comes after them.
  std::string Rest(bool stream = false) {
    std::string body = Body(stream);
    std::string begin = R"({"model":"yi-large","messages":[{"role":"user","content":"hi"}])";
    EXPECT_EQ(body.substr(0, begin.size()), begin);
    return body.substr(begin.size());
  }
  // The body of `messages`.
  std::string Messages() {
    std::string body = Body();
    std::string begin = R"({"model":"yi-large","messages":[)";
    EXPECT_EQ(body.substr(0, begin.size()), begin);
    EXPECT_EQ(body.substr(body.size() - 2), "]}");
    return body.substr(begin.size(), body.size() - begin.size() - 2);
  }

  std::unique_ptr<Dialect> dialect_ = NewOpenAiDialect();
  CompletionRequest request_;
  TargetTraits target_;
  std::vector<Adaptation> adaptations_;
};

TEST_F(RequestWriterTest, WritesNothingThatWasNotAsked) {
  EXPECT_EQ(Rest(), "}");
  EXPECT_THAT(adaptations_, IsEmpty());
}

TEST_F(RequestWriterTest, AsksForUsageInAStream) {
  EXPECT_EQ(Rest(true), R"(,"stream":true,"stream_options":{"include_usage":true}})");
}

TEST_F(RequestWriterTest, AsksForNoUsageWhereTheTargetDoesNotKnowThat) {
  target_.unsupported_fields = {"stream_usage"};
  EXPECT_EQ(Rest(true), R"(,"stream":true})");
  EXPECT_THAT(adaptations_, IsEmpty());
}

TEST_F(RequestWriterTest, WritesSampling) {
  model::Sampling& sampling = request_.sampling;
  sampling.temperature = 0.0;
  sampling.top_p = 0.9;
  sampling.max_output_tokens = 100;
  sampling.stop = {"\n", "END"};
  sampling.n = 2;
  sampling.seed = -7;
  sampling.presence_penalty = -0.5;
  sampling.frequency_penalty = 2;
  sampling.logit_bias = {{50256, -100}, {7, 1.5}};
  sampling.logprobs = true;
  sampling.top_logprobs = 0;
  EXPECT_EQ(Rest(),
            R"(,"temperature":0,"top_p":0.9,"max_tokens":100,"stop":["\n","END"],"n":2,"seed":-7,)"
            R"("presence_penalty":-0.5,"frequency_penalty":2,"logit_bias":{"7":1.5,"50256":-100},)"
            R"("logprobs":true,"top_logprobs":0})");
}

TEST_F(RequestWriterTest, NamesTheOutputLimitAsTheTargetDoes) {
  request_.sampling.max_output_tokens = 5;
  target_.max_tokens_field = "max_completion_tokens";
  EXPECT_EQ(Rest(), R"(,"max_completion_tokens":5})");
}

TEST_F(RequestWriterTest, DropsWhatTheTargetDoesNotKnow) {
  model::Sampling& sampling = request_.sampling;
  sampling.stop = {"x"};
  sampling.n = 2;
  sampling.seed = 1;
  sampling.logit_bias = {{1, 1}};
  sampling.logprobs = true;
  sampling.top_logprobs = 3;
  request_.response_format.kind = model::ResponseFormatKind::kJsonObject;
  request_.tools.emplace_back().name = "f";
  request_.tool_choice.mode = model::ToolChoiceMode::kRequired;
  request_.reasoning_effort = model::ReasoningEffort::kHigh;
  request_.user = "u";
  target_.unsupported_fields = {"sampling.stop",
                                "sampling.n",
                                "sampling.seed",
                                "sampling.logprobs",
                                "response_format",
                                "sampling.logit_bias",
                                "tools",
                                "reasoning_effort",
                                "user"};
  EXPECT_EQ(Rest(), "}");
  EXPECT_THAT(adaptations_, ElementsAre(Adapted("sampling.stop", Action::kDropped),
                                        Adapted("sampling.n", Action::kDropped),
                                        Adapted("sampling.seed", Action::kDropped),
                                        Adapted("sampling.logit_bias", Action::kDropped),
                                        Adapted("sampling.logprobs", Action::kDropped),
                                        Adapted("response_format", Action::kDropped),
                                        Adapted("tools", Action::kDropped),
                                        Adapted("reasoning_effort", Action::kDropped),
                                        Adapted("user", Action::kDropped)));
  EXPECT_EQ(adaptations_[2].reason, "yi-large has no parameter seed");
}

TEST_F(RequestWriterTest, ReportsNoLossWhereNothingIsLost) {
  request_.sampling.n = 1;
  request_.sampling.logprobs = false;
  target_.unsupported_fields = {"sampling.n", "sampling.logprobs", "sampling.seed", "tools"};
  EXPECT_EQ(Rest(), "}");
  EXPECT_THAT(adaptations_, IsEmpty());
}

TEST_F(RequestWriterTest, WritesTools) {
  model::Tool tool;
  tool.name = "get_weather";
  tool.description = "Weather \"now\"";
  tool.parameters_json_schema = R"({"type":"object","properties":{}})";
  tool.strict = true;
  request_.tools = {tool, model::Tool{"noop", "", "", {}}};
  request_.tool_choice.tool_name = "noop";
  request_.parallel_tool_calls = false;
  EXPECT_EQ(Rest(),
            R"(,"tools":[{"type":"function","function":{"name":"get_weather","description":)"
            R"("Weather \"now\"","parameters":{"type":"object","properties":{}},"strict":true}},)"
            R"({"type":"function","function":{"name":"noop"}}],)"
            R"("tool_choice":{"type":"function","function":{"name":"noop"}},)"
            R"("parallel_tool_calls":false})");
}

TEST_F(RequestWriterTest, WritesToolChoiceModes) {
  using Mode = model::ToolChoiceMode;
  for (auto [mode, name] : {std::pair(Mode::kAuto, "auto"), std::pair(Mode::kNone, "none"),
                            std::pair(Mode::kRequired, "required")}) {
    request_.tool_choice.mode = mode;
    EXPECT_EQ(Rest(), std::string(R"(,"tool_choice":")") + name + "\"}");
  }
}

TEST_F(RequestWriterTest, WritesResponseFormats) {
  request_.response_format.kind = model::ResponseFormatKind::kJsonObject;
  EXPECT_EQ(Rest(), R"(,"response_format":{"type":"json_object"}})");
  request_.response_format = {model::ResponseFormatKind::kJsonSchema, "answer", "d",
                              R"({"type":"object"})", true};
  EXPECT_EQ(Rest(), R"(,"response_format":{"type":"json_schema","json_schema":{"name":"answer",)"
                    R"("description":"d","schema":{"type":"object"},"strict":true}}})");
}

TEST_F(RequestWriterTest, WritesTheSmallFields) {
  request_.reasoning_effort = model::ReasoningEffort::kMinimal;
  request_.user = "user-1";
  request_.provider_fields_json = R"( {"enable_search": true, "x":{"y":[]}} )";
  EXPECT_EQ(
      Rest(),
      R"(,"reasoning_effort":"minimal","user":"user-1","enable_search": true, "x":{"y":[]}})");
}

TEST_F(RequestWriterTest, KeepsLabelsAndHintsToItself) {
  request_.labels = {{"team", "secret-team"}};
  request_.request_id = "id-1";
  request_.routing.preferred_provider = "yi";
  EXPECT_EQ(Rest(), "}");
}

TEST_F(RequestWriterTest, WritesContentParts) {
  Message message = Says(Role::kUser, "what?");
  message.name = "ann";
  message.parts.emplace_back(model::Image{"https://a/b.png", "", "", model::ImageDetail::kLow});
  message.parts.emplace_back(model::Image{"", "foo", "image/png", model::ImageDetail::kDefault});
  message.parts.emplace_back(model::Audio{"fo", "wav"});
  message.parts.emplace_back(model::File{"f", "", "a.pdf", ""});
  message.parts.emplace_back(model::File{"", "file-1", "", ""});
  message.parts.emplace_back(model::Text{"now"});
  request_.messages = {message};
  EXPECT_EQ(Messages(),
            R"({"role":"user","name":"ann","content":[{"type":"text","text":"what?"},)"
            R"({"type":"image_url","image_url":{"url":"https://a/b.png","detail":"low"}},)"
            R"({"type":"image_url","image_url":{"url":"data:image/png;base64,Zm9v"}},)"
            R"({"type":"input_audio","input_audio":{"data":"Zm8=","format":"wav"}},)"
            R"({"type":"file","file":{"filename":"a.pdf",)"
            R"("file_data":"data:application/pdf;base64,Zg=="}},)"
            R"({"type":"file","file":{"file_id":"file-1"}},{"type":"text","text":"now"}]})");
}

TEST_F(RequestWriterTest, WritesToolCallsAndTheirResults) {
  Message calls;
  calls.role = Role::kAssistant;
  calls.tool_calls = {{"call_1", "f", R"({"a":"b"})"}, {"call_2", "g", "{cut"}};
  Message result = Says(Role::kTool, "42");
  result.tool_call_id = "call_1";
  request_.messages = {calls, result};
  EXPECT_EQ(Messages(),
            R"({"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function",)"
            R"("function":{"name":"f","arguments":"{\"a\":\"b\"}"}},{"id":"call_2",)"
            R"("type":"function","function":{"name":"g","arguments":"{cut"}}]},)"
            R"({"role":"tool","tool_call_id":"call_1","content":"42"})");
}

TEST_F(RequestWriterTest, MapsTheDeveloperRole) {
  request_.messages = {Says(Role::kDeveloper, "be brief")};
  EXPECT_EQ(Messages(), R"({"role":"system","content":"be brief"})");
  EXPECT_THAT(adaptations_, ElementsAre(Adapted("messages[0].role", Action::kMapped)));
  target_.developer_role = true;
  EXPECT_EQ(Messages(), R"({"role":"developer","content":"be brief"})");
  EXPECT_THAT(adaptations_, IsEmpty());
}

TEST_F(RequestWriterTest, DropsInstructionsWhereTheModelTakesNone) {
  target_.system_messages = false;
  request_.messages = {Says(Role::kSystem, "a"), Says(Role::kUser, "b"),
                       Says(Role::kDeveloper, "c")};
  EXPECT_EQ(Messages(), R"({"role":"user","content":"b"})");
  EXPECT_THAT(adaptations_, ElementsAre(Adapted("messages[0]", Action::kDropped),
                                        Adapted("messages[2]", Action::kDropped)));
  EXPECT_THAT(adaptations_[0].reason, HasSubstr("yi-large"));
}

TEST_F(RequestWriterTest, DropsEarlierReasoning) {
  Message message = Says(Role::kAssistant, "4");
  message.parts.insert(message.parts.begin(), model::Reasoning{"2+2"});
  Message only;
  only.role = Role::kAssistant;
  only.parts.emplace_back(model::Reasoning{"hm"});
  request_.messages = {message, only};
  EXPECT_EQ(Messages(), R"({"role":"assistant","content":"4"},{"role":"assistant","content":""})");
  EXPECT_THAT(adaptations_,
              ElementsAre(Adapted("messages[0].parts[0].reasoning", Action::kDropped),
                          Adapted("messages[1].parts[0].reasoning", Action::kDropped)));
}

TEST_F(RequestWriterTest, ForgetsTheRequestBefore) {
  request_.messages = {Says(Role::kUser, std::string(3 << 20, 'x'))};
  EXPECT_GT(Body().size(), 3u << 20);
  request_.messages = {Says(Role::kUser, "small")};
  EXPECT_THAT(Body(), Not(HasSubstr("xxx")));
}

}  // namespace
}  // namespace pingti::providers::openai
