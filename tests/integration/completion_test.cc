// Completions end to end: what goes in reaches the provider, what the provider says reaches the
// caller, unary and streaming.
#include <gmock/gmock.h>

#include "tests/integration/raw_call.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

class CompletionTest : public WorldTest<CompletionTest> {
 public:
  static WorldOptions MakeOptions() { return {}; }

 protected:
  // The body of the last request that the provider got.
  static rapidjson::Document LastBody() {
    const rapidjson::Document requests = provider().Requests();
    return ParseJson(requests[requests.Size() - 1]["body"].GetString());
  }
};

v1::GenerateCompletionResponse Ok(client::Result<v1::GenerateCompletionResponse> result) {
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
  return result.ok() ? *result : v1::GenerateCompletionResponse();
}

Streamed Complete(Streamed all) {
  EXPECT_TRUE(all.error.ok()) << all.error.message;
  EXPECT_EQ(all.started, 1);
  EXPECT_EQ(all.after_finished, 0);
  EXPECT_TRUE(all.finished);
  if (!all.finished) all.finished.emplace();
  return all;
}

v1::CompletionSpec WithTool(const std::string& prompt) {
  v1::CompletionSpec spec = Ask(prompt);
  v1::Tool* tool = spec.add_tools();
  tool->set_name("weather");
  tool->set_description("Weather of a city");
  tool->set_parameters_json_schema(
      R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}})");
  return spec;
}

TEST_F(CompletionTest, UnaryAnswerIsTheProvidersWord) {
  const std::string prompt = "What is the weather in Berlin?";
  const auto answer = Ok(world().Client().Generate(Ask(prompt)));
  ASSERT_EQ(answer.choices_size(), 1);
  EXPECT_EQ(answer.choices(0).text(), provider().AnswerTo(prompt));
  EXPECT_EQ(answer.choices(0).finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(answer.model(), "chat");
  EXPECT_EQ(answer.served_by().provider(), "simulated");
  EXPECT_EQ(answer.served_by().upstream_model(), "chat");
  EXPECT_EQ(answer.served_by().reported_model(), "chat");
  EXPECT_EQ(answer.served_by().attempts(), 1);
  EXPECT_THAT(answer.served_by().upstream_response_id(), HasSubstr("chatcmpl-simulated-"));
  EXPECT_FALSE(answer.request_id().empty());
  EXPECT_FALSE(answer.has_cost());
  EXPECT_GT(answer.timings().total().nanos() + answer.timings().total().seconds(), 0);
}

TEST_F(CompletionTest, StreamDeliversTheSameText) {
  const std::string prompt = "What is the weather in Berlin?";
  Streamed all = Complete(ReadAll(world().Client().Stream(Ask(prompt))));
  EXPECT_EQ(all.text(), provider().AnswerTo(prompt));
  EXPECT_GT(all.deltas, 0);
  EXPECT_EQ(all.start.served_by().provider(), "simulated");
  ASSERT_EQ(all.finished->choices_size(), 1);
  EXPECT_EQ(all.finished->choices(0).finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_TRUE(all.finished->timings().has_first_token());
}

TEST_F(CompletionTest, UsageIsTheProvidersAndTheSameBothWays) {
  const auto unary = Ok(world().Client().Generate(Ask("Count me.")));
  const Streamed stream = Complete(ReadAll(world().Client().Stream(Ask("Count me."))));
  EXPECT_EQ(unary.usage().source(), v1::USAGE_SOURCE_MEASURED);
  EXPECT_EQ(unary.usage().input_tokens(), 3);  // 9 bytes at 4 a token
  const auto bytes = static_cast<int64_t>(unary.choices(0).text().size());
  EXPECT_EQ(unary.usage().output_tokens(), (bytes + 3) / 4);
  EXPECT_EQ(unary.usage().ShortDebugString(), stream.finished->usage().ShortDebugString());
}

TEST_F(CompletionTest, ChineseTextIsIntactAtEveryPieceSize) {
  const std::string prompt = "请用中文介绍北京。表情：🐼";
  const std::string expected = provider().AnswerTo(prompt);
  EXPECT_THAT(expected, HasSubstr(prompt));
  EXPECT_EQ(Ok(world().Client().Generate(Ask(prompt))).choices(0).text(), expected);
  for (const char* knobs : {R"({"fault":"1"})", R"({"chunk_bytes":1})", R"({"segment_bytes":7})",
                            R"({"chunk_bytes":5,"segment_bytes":3})"}) {
    provider().SetDefaults(knobs);
    EXPECT_EQ(Complete(ReadAll(world().Client().Stream(Ask(prompt)))).text(), expected) << knobs;
  }
}

TEST_F(CompletionTest, AliasIsServedByItsModel) {
  const auto answer = Ok(world().Client().Generate(Ask("Hello", "old-chat")));
  EXPECT_EQ(answer.model(), "old-chat");
  EXPECT_EQ(answer.served_by().upstream_model(), "chat");
  EXPECT_EQ(LastBody()["model"], "chat");
}

TEST_F(CompletionTest, EveryParameterReachesTheProvider) {
  v1::CompletionSpec spec = Ask("Hello");
  v1::Sampling* sampling = spec.mutable_sampling();
  sampling->set_temperature(0);
  sampling->set_top_p(0.5);
  sampling->set_max_output_tokens(100);
  sampling->add_stop("END");
  sampling->set_n(2);
  sampling->set_seed(7);
  sampling->set_presence_penalty(-0.5);
  sampling->set_frequency_penalty(1.5);
  (*sampling->mutable_logit_bias())[42] = -3;
  spec.set_user("user-1");
  spec.set_provider_fields_json(R"({"vendor_option":{"deep":[1,2]}})");
  Ok(world().Client().Generate(spec));
  const rapidjson::Document body = LastBody();
  EXPECT_EQ(body["temperature"].GetDouble(), 0);
  EXPECT_EQ(body["top_p"].GetDouble(), 0.5);
  EXPECT_EQ(body["max_tokens"].GetInt(), 100);
  EXPECT_EQ(body["stop"].IsArray() ? body["stop"][0] : body["stop"], "END");
  EXPECT_EQ(body["n"].GetInt(), 2);
  EXPECT_EQ(body["seed"].GetInt(), 7);
  EXPECT_EQ(body["presence_penalty"].GetDouble(), -0.5);
  EXPECT_EQ(body["frequency_penalty"].GetDouble(), 1.5);
  EXPECT_EQ(body["logit_bias"]["42"].GetDouble(), -3);
  EXPECT_EQ(body["user"], "user-1");
  EXPECT_EQ(body["vendor_option"]["deep"][1].GetInt(), 2);
}

TEST_F(CompletionTest, WhatIsNotSetIsNotSent) {
  Ok(world().Client().Generate(Ask("Hello")));
  const rapidjson::Document body = LastBody();
  for (const char* field : {"temperature", "top_p", "max_tokens", "n", "seed", "stop", "tools",
                            "tool_choice", "response_format", "user", "logprobs"}) {
    EXPECT_FALSE(body.HasMember(field)) << field;
  }
}

TEST_F(CompletionTest, SeveralChoicesStayApart) {
  v1::CompletionSpec spec = Ask("Three answers, please");
  spec.mutable_sampling()->set_n(3);
  const auto unary = Ok(world().Client().Generate(spec));
  ASSERT_EQ(unary.choices_size(), 3);
  Streamed stream = Complete(ReadAll(world().Client().Stream(spec)));
  ASSERT_EQ(stream.finished->choices_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(unary.choices(i).index(), i);
    EXPECT_FALSE(unary.choices(i).text().empty());
    EXPECT_EQ(stream.texts[i], unary.choices(i).text());
    EXPECT_EQ(stream.finished->choices(i).index(), i);
  }
  EXPECT_NE(unary.choices(0).text(), unary.choices(1).text());
}

TEST_F(CompletionTest, OutputLimitEndsWithLength) {
  v1::CompletionSpec spec = Ask("A long story");
  spec.mutable_sampling()->set_max_output_tokens(5);
  const auto unary = Ok(world().Client().Generate(spec));
  EXPECT_EQ(unary.choices(0).finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(unary.usage().output_tokens(), 5);
  Streamed stream = Complete(ReadAll(world().Client().Stream(spec)));
  EXPECT_EQ(stream.finished->choices(0).finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(stream.text(), unary.choices(0).text());
}

TEST_F(CompletionTest, ToolsAreCalled) {
  const v1::CompletionSpec spec = WithTool("call tool");
  const auto unary = Ok(world().Client().Generate(spec));
  ASSERT_EQ(unary.choices(0).tool_calls_size(), 1);
  const v1::ToolCall& call = unary.choices(0).tool_calls(0);
  EXPECT_EQ(call.name(), "weather");
  EXPECT_THAT(call.id(), HasSubstr("call_simulated_"));
  EXPECT_TRUE(ParseJson(call.arguments_json())["city"].IsString());
  EXPECT_EQ(unary.choices(0).finish_reason(), v1::FINISH_REASON_TOOL_CALLS);
  Streamed stream = Complete(ReadAll(world().Client().Stream(spec)));
  ASSERT_EQ(stream.tool_calls[0].size(), 1u);
  EXPECT_EQ(stream.tool_calls[0][0].ShortDebugString(), call.ShortDebugString());
  EXPECT_EQ(stream.finished->choices(0).finish_reason(), v1::FINISH_REASON_TOOL_CALLS);
}

TEST_F(CompletionTest, ParallelToolCallsAreNotMerged) {
  v1::CompletionSpec spec = WithTool("call tools");
  *spec.add_tools() = spec.tools(0);
  spec.mutable_tools(1)->set_name("clock");
  Streamed stream = Complete(ReadAll(world().Client().Stream(spec)));
  ASSERT_EQ(stream.tool_calls[0].size(), 2u);
  EXPECT_EQ(stream.tool_calls[0][0].name(), "weather");
  EXPECT_EQ(stream.tool_calls[0][1].name(), "clock");
  EXPECT_NE(stream.tool_calls[0][0].id(), stream.tool_calls[0][1].id());
  for (const auto& call : stream.tool_calls[0]) ParseJson(call.arguments_json());
}

TEST_F(CompletionTest, ToolResultGoesBack) {
  v1::CompletionSpec spec = WithTool("call tool");
  v1::Message* called = spec.add_messages();
  called->set_role(v1::ROLE_ASSISTANT);
  v1::ToolCall* call = called->add_tool_calls();
  call->set_id("call_1");
  call->set_name("weather");
  call->set_arguments_json(R"({"city":"北京"})");
  v1::Message* result = spec.add_messages();
  result->set_role(v1::ROLE_TOOL);
  result->set_tool_call_id("call_1");
  result->add_parts()->set_text("晴，25度");
  EXPECT_FALSE(Ok(world().Client().Generate(spec)).choices(0).text().empty());
  const rapidjson::Document body = LastBody();
  EXPECT_EQ(body["messages"][1]["tool_calls"][0]["id"], "call_1");
  EXPECT_EQ(body["messages"][1]["tool_calls"][0]["function"]["arguments"], R"({"city":"北京"})");
  EXPECT_EQ(body["messages"][2]["role"], "tool");
  EXPECT_EQ(body["messages"][2]["tool_call_id"], "call_1");
  EXPECT_EQ(body["tools"][0]["function"]["parameters"]["properties"]["days"]["type"], "integer");
}

TEST_F(CompletionTest, ImagesByUrlAndByValue) {
  v1::CompletionSpec spec = Ask("What is this?");
  v1::Image* by_url = spec.mutable_messages(0)->add_parts()->mutable_image();
  by_url->set_url("https://example.com/cat.png");
  by_url->set_detail(v1::Image::DETAIL_LOW);
  v1::Image* by_value = spec.mutable_messages(0)->add_parts()->mutable_image();
  by_value->set_data(std::string("\x89PNG\r\n\x1a\n\0\xff", 10));
  by_value->set_media_type("image/png");
  Ok(world().Client().Generate(spec));
  const rapidjson::Document body = LastBody();
  const auto& parts = body["messages"][0]["content"];
  EXPECT_EQ(parts[0]["text"], "What is this?");
  EXPECT_EQ(parts[1]["image_url"]["url"], "https://example.com/cat.png");
  EXPECT_EQ(parts[1]["image_url"]["detail"], "low");
  EXPECT_EQ(parts[2]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgoA/w==");
}

TEST_F(CompletionTest, JsonSchemaShapesTheAnswer) {
  v1::CompletionSpec spec = Ask("Give me JSON");
  auto* schema = spec.mutable_response_format()->mutable_json_schema();
  schema->set_name("reply");
  schema->set_strict(true);
  schema->set_schema_json(
      R"({"type":"object","properties":{"名字":{"type":"string"},"age":{"type":"integer"}}})");
  const auto answer = Ok(world().Client().Generate(spec));
  const rapidjson::Document made = ParseJson(answer.choices(0).text());
  EXPECT_TRUE(made["名字"].IsString());
  EXPECT_TRUE(made["age"].IsInt());
  const rapidjson::Document body = LastBody();
  EXPECT_EQ(body["response_format"]["type"], "json_schema");
  EXPECT_EQ(body["response_format"]["json_schema"]["name"], "reply");
  EXPECT_TRUE(body["response_format"]["json_schema"]["strict"].GetBool());
}

TEST_F(CompletionTest, LogprobsBothWays) {
  v1::CompletionSpec spec = Ask("Hello");
  spec.mutable_sampling()->set_logprobs(true);
  spec.mutable_sampling()->set_top_logprobs(2);
  const auto unary = Ok(world().Client().Generate(spec));
  const Streamed stream = Complete(ReadAll(world().Client().Stream(spec)));
  std::string tokens;
  for (const auto& token : unary.choices(0).logprobs()) {
    tokens += token.token();
    EXPECT_LT(token.logprob(), 0);
    EXPECT_EQ(token.alternatives_size(), 2);
  }
  EXPECT_EQ(tokens, unary.choices(0).text());
  std::string streamed;
  for (const auto& token : stream.logprobs) streamed += token.token();
  EXPECT_EQ(streamed, tokens);
}

TEST_F(CompletionTest, ReasoningIsApartAndOnlyOnRequestInStreams) {
  provider().SetDefaults(R"({"reasoning":true})");
  const auto unary = Ok(world().Client().Generate(Ask("Think")));
  EXPECT_THAT(unary.choices(0).reasoning(), HasSubstr("[simulated reasoning]"));
  EXPECT_THAT(unary.choices(0).text(), Not(HasSubstr("reasoning]")));
  EXPECT_GT(unary.usage().reasoning_tokens(), 0);
  Streamed silent = Complete(ReadAll(world().Client().Stream(Ask("Think"))));
  EXPECT_EQ(silent.reasonings[0], "");
  EXPECT_GT(silent.finished->usage().reasoning_tokens(), 0);
  client::StreamOptions options;
  options.include_reasoning = true;
  Streamed shown = Complete(ReadAll(world().Client().Stream(Ask("Think"), options)));
  EXPECT_EQ(shown.reasonings[0], unary.choices(0).reasoning());
  EXPECT_EQ(shown.text(), unary.choices(0).text());
}

TEST_F(CompletionTest, CitationsBothWays) {
  provider().SetDefaults(R"({"citations":true})");
  const auto unary = Ok(world().Client().Generate(Ask("Search")));
  const Streamed stream = Complete(ReadAll(world().Client().Stream(Ask("Search"))));
  ASSERT_EQ(unary.choices(0).citations_size(), 3);
  ASSERT_EQ(stream.citations.size(), 3u);
  EXPECT_EQ(unary.choices(0).citations(0).number(), "1");
  EXPECT_EQ(unary.choices(0).citations(2).url(), "https://simulated.example/source/3");
  EXPECT_EQ(stream.citations[1].title(), unary.choices(0).citations(1).title());
}

TEST_F(CompletionTest, UsageShapesOfStreams) {
  const Streamed plain = Complete(ReadAll(world().Client().Stream(Ask("Usage"))));
  const std::string real = plain.finished->usage().ShortDebugString();
  for (const char* shape : {"openai", "finish_chunk", "choice", "every_chunk", "null_then_real"}) {
    provider().SetDefaults(std::string(R"({"usage_shape":")") + shape + "\"}");
    const Streamed all = Complete(ReadAll(world().Client().Stream(Ask("Usage"))));
    EXPECT_EQ(all.finished->usage().ShortDebugString(), real) << shape;
  }
  for (const char* shape : {"none", "zero"}) {
    provider().SetDefaults(std::string(R"({"usage_shape":")") + shape + "\"}");
    const Streamed all = Complete(ReadAll(world().Client().Stream(Ask("Usage"))));
    EXPECT_EQ(all.finished->usage().source(), v1::USAGE_SOURCE_COUNTED) << shape;
    EXPECT_GT(all.finished->usage().input_tokens(), 0) << shape;
    EXPECT_GT(all.finished->usage().output_tokens(), 0) << shape;
  }
}

TEST_F(CompletionTest, CallersRequestIdIsKept) {
  v1::CompletionSpec spec = Ask("Hello");
  spec.set_request_id("order-42.a_B");
  EXPECT_EQ(Ok(world().Client().Generate(spec)).request_id(), "order-42.a_B");
  const Streamed stream = Complete(ReadAll(world().Client().Stream(spec)));
  EXPECT_EQ(stream.start.request_id(), "order-42.a_B");
}

TEST_F(CompletionTest, HeadersNameTheCallAndTheBuckets) {
  v1::GenerateCompletionRequest request;
  *request.mutable_spec() = Ask("Hello");
  RawCall call(server().Channel(), "/pingti.v1.Completion/GenerateCompletion",
               request.SerializeAsString(), {{"authorization", "Bearer " + world().key("acme")}});
  const auto bytes = call.Next();
  ASSERT_TRUE(bytes);
  EXPECT_TRUE(call.Finish().ok());
  v1::GenerateCompletionResponse response;
  ASSERT_TRUE(response.ParseFromString(*bytes));
  EXPECT_EQ(call.InitialHeader("x-request-id"), response.request_id());
  EXPECT_EQ(call.InitialHeader("x-ratelimit-limit-requests"), "10000000");
  EXPECT_EQ(call.InitialHeader("x-ratelimit-remaining-requests"), "9999999");
  EXPECT_EQ(call.InitialHeader("x-ratelimit-limit-tokens"), "1000000000");
  EXPECT_THAT(call.InitialHeader("x-ratelimit-reset-tokens"), testing::MatchesRegex("[0-9]+m?s"));
}

TEST_F(CompletionTest, CountTokensCallsNobody) {
  const auto count = world().Client("tiny").CountTokens(Ask("How many tokens is this?"));
  ASSERT_TRUE(count.ok());
  EXPECT_GT(count->input_tokens(), 5);
  EXPECT_EQ(count->likely_output_tokens(), 64);
  EXPECT_EQ(count->reserved_tokens(), count->input_tokens() + 64);
  EXPECT_EQ(count->source(), v1::USAGE_SOURCE_ESTIMATED);
  EXPECT_EQ(count->upstream_model(), "chat");
  EXPECT_EQ(provider().Stat("requests"), 0);
  EXPECT_EQ(world().TokensLeft("tiny"), 6000);
}

TEST_F(CompletionTest, ListModelsShowsWhatTheTenantMayUse) {
  const auto all = world().Client().ListModels();
  ASSERT_TRUE(all.ok());
  std::vector<std::string> names;
  for (const v1::Model& model : *all) names.push_back(model.name());
  EXPECT_THAT(
      names, testing::ElementsAre("capped", "chat", "dead", "hasty", "keyed", "old-chat", "plain"));
  EXPECT_EQ((*all)[5].serves(), "chat");
  const auto narrow = world().Client("narrow").ListModels();
  ASSERT_TRUE(narrow.ok());
  ASSERT_EQ(narrow->size(), 1u);
  EXPECT_EQ((*narrow)[0].name(), "plain");
  EXPECT_FALSE((*narrow)[0].vision());
}

}  // namespace
}  // namespace pingti::integration
