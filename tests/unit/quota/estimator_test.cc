#include "server/quota/estimator.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::quota {
namespace {

model::CompletionRequest Ask(std::vector<model::ContentPart> parts) {
  model::CompletionRequest request;
  model::Message& message = request.messages.emplace_back();
  message.role = model::Role::kUser;
  message.parts = std::move(parts);
  return request;
}

// 7 input tokens: 3 for the answer's head, 3 for the message, 1 for its word.
model::CompletionRequest AskAWord() { return Ask({model::Text{"word"}}); }
constexpr int64_t kFrame = 6;

TEST(EstimateInputTest, AddsMessagesNamesAndTheAnswersHead) {
  model::CompletionRequest request = AskAWord();
  EXPECT_EQ(EstimateInputTokens(request), kFrame + 1);
  request.messages.push_back(request.messages[0]);
  request.messages[1].name = "bob";
  EXPECT_EQ(EstimateInputTokens(request), kFrame + 1 + 3 + 1 + 1 + 1);
  EXPECT_EQ(EstimateInputTokens(model::CompletionRequest()), 3);
}

TEST(EstimateInputTest, AddsEveryPartOfAMessage) {
  model::Image image;
  image.url = "https://example.com/a.png";
  model::File file;
  file.data = std::string(33, 'x');
  EXPECT_EQ(EstimateInputTokens(
                Ask({model::Text{"word"}, image, file, model::Audio{std::string(1'601, 'x'), "mp3"},
                     model::Reasoning{"thinking"}, std::monostate()})),
            kFrame + 1 + 765 + 3 + 2 + 2);
}

TEST(EstimateInputTest, AddsToolsTheirCallsAndSchemas) {
  model::CompletionRequest request = Ask({});
  request.messages[0].tool_calls.push_back({"id-is-not-counted", "find", "{}"});
  EXPECT_EQ(EstimateInputTokens(request), kFrame + 1 + 1);
  model::Tool& tool = request.tools.emplace_back();
  tool.name = "find";
  tool.description = "searches";
  tool.parameters_json_schema = "{}";
  const int64_t one_tool = 7 + 1 + 2 + 1;
  EXPECT_EQ(EstimateInputTokens(request), kFrame + 2 + 12 + one_tool);
  request.tools.push_back(request.tools[0]);
  EXPECT_EQ(EstimateInputTokens(request), kFrame + 2 + 12 + 2 * one_tool);
  request.response_format.schema_json = R"({"a":1})";
  EXPECT_EQ(EstimateInputTokens(request), kFrame + 2 + 12 + 2 * one_tool + 4);
}

TEST(EstimateLikelyTest, AssumesTheDefaultWithoutALimitAndHistory) {
  const Estimate estimate = EstimateRequest(AskAWord(), {});
  EXPECT_EQ(estimate.ruled_input_tokens, 7);
  EXPECT_EQ(estimate.input_tokens, 7);
  EXPECT_EQ(estimate.output_tokens, 512);
  EXPECT_EQ(estimate.output_cap, 0);
  EXPECT_FALSE(estimate.caller_set_cap);
  EXPECT_EQ(estimate.reserved_tokens, 519);
}

TEST(EstimateLikelyTest, TakesTheHistoryWhereThereIsOne) {
  EstimateContext context;
  context.likely_output = 90;
  EXPECT_EQ(EstimateRequest(AskAWord(), context).reserved_tokens, 97);
  context.likely_output = 5'000;
  EXPECT_EQ(EstimateRequest(AskAWord(), context).reserved_tokens, 5'007);
}

TEST(EstimateLikelyTest, NeverAssumesMoreThanTheCallerAllows) {
  model::CompletionRequest request = AskAWord();
  request.sampling.max_output_tokens = 100;
  Estimate estimate = EstimateRequest(request, {});
  EXPECT_EQ(estimate.output_tokens, 100);
  EXPECT_EQ(estimate.output_cap, 100);
  EXPECT_TRUE(estimate.caller_set_cap);
  // A large limit does not make a large answer likely.
  request.sampling.max_output_tokens = 100'000;
  EXPECT_EQ(EstimateRequest(request, {}).output_tokens, 512);
  EstimateContext context;
  context.likely_output = 90;
  EXPECT_EQ(EstimateRequest(request, context).output_tokens, 90);
}

TEST(EstimateLikelyTest, NeverAssumesMoreThanTheModelCanGive) {
  EstimateContext context;
  context.model_output_max = 64;
  Estimate estimate = EstimateRequest(AskAWord(), context);
  EXPECT_EQ(estimate.output_tokens, 64);
  EXPECT_EQ(estimate.output_cap, 64);
  EXPECT_FALSE(estimate.caller_set_cap);
  model::CompletionRequest request = AskAWord();
  request.sampling.max_output_tokens = 100'000;
  estimate = EstimateRequest(request, context);
  EXPECT_EQ(estimate.output_cap, 64);
  EXPECT_TRUE(estimate.caller_set_cap);
}

TEST(EstimateLikelyTest, CountsEveryChoice) {
  model::CompletionRequest request = AskAWord();
  request.sampling.max_output_tokens = 100;
  request.sampling.n = 3;
  const Estimate estimate = EstimateRequest(request, {});
  EXPECT_EQ(estimate.output_tokens, 300);
  EXPECT_EQ(estimate.output_cap, 100);
  EXPECT_EQ(estimate.reserved_tokens, 307);
}

TEST(EstimateLikelyTest, LooksAtTheOtherNamesOfALimit) {
  model::CompletionRequest request = AskAWord();
  request.sampling.max_output_tokens = 10;
  request.provider_fields_json = R"({"max_output_tokens": 200, "best_of": 2})";
  const Estimate estimate = EstimateRequest(request, {});
  EXPECT_EQ(estimate.output_tokens, 400);
  EXPECT_EQ(estimate.output_cap, 200);
}

// A provider that does not know the name would not keep to it.
TEST(EstimateStrictTest, ACapUnderAnotherNameIsStillToBeSent) {
  model::CompletionRequest request = AskAWord();
  request.provider_fields_json = R"({"max_new_tokens": 10})";
  EstimateContext context;
  context.policy = config::ReservePolicy::kStrict;
  context.model_output_max = 4'096;
  const Estimate estimate = EstimateRequest(request, context);
  EXPECT_EQ(estimate.output_tokens, 10);
  EXPECT_EQ(estimate.output_cap, 10);
  EXPECT_FALSE(estimate.caller_set_cap);
}

TEST(EstimateStrictTest, TakesAllThatTheCallerAllows) {
  EstimateContext context;
  context.policy = config::ReservePolicy::kStrict;
  context.likely_output = 90;
  context.model_output_max = 16'384;
  context.context_tokens = 128'000;
  model::CompletionRequest request = AskAWord();
  request.sampling.max_output_tokens = 4'000;
  request.sampling.n = 2;
  const Estimate estimate = EstimateRequest(request, context);
  EXPECT_EQ(estimate.output_cap, 4'000);
  EXPECT_EQ(estimate.output_tokens, 8'000);
  EXPECT_EQ(estimate.reserved_tokens, 8'007);
}

TEST(EstimateStrictTest, ElseAllThatTheModelCanGive) {
  EstimateContext context;
  context.policy = config::ReservePolicy::kStrict;
  context.model_output_max = 16'384;
  context.context_tokens = 128'000;
  const Estimate estimate = EstimateRequest(AskAWord(), context);
  EXPECT_EQ(estimate.output_cap, 16'384);
  EXPECT_EQ(estimate.reserved_tokens, 16'391);
}

TEST(EstimateStrictTest, ElseWhatTheContextLeaves) {
  EstimateContext context;
  context.policy = config::ReservePolicy::kStrict;
  context.context_tokens = 32'768;
  const Estimate estimate = EstimateRequest(AskAWord(), context);
  EXPECT_EQ(estimate.output_cap, 32'761);
  EXPECT_EQ(estimate.reserved_tokens, 32'768);
  EXPECT_FALSE(estimate.caller_set_cap);
}

TEST(EstimateStrictTest, AlwaysHasACap) {
  EstimateContext context;
  context.policy = config::ReservePolicy::kStrict;
  EXPECT_EQ(EstimateRequest(AskAWord(), context).output_cap, 512);  // nothing known of the model
  // The estimate says that the prompt fills the context: it may be wrong, the provider decides.
  context.context_tokens = 1'000;
  const std::string prompt(10'000, '7');
  EXPECT_EQ(EstimateRequest(Ask({model::Text{prompt}}), context).output_cap, 512);
  context.context_tokens = 100;
  EXPECT_EQ(EstimateRequest(Ask({model::Text{prompt}}), context).output_cap, 100);
}

TEST(EstimateRequestTest, MayReserveTheLargerOfBothAsOpenAiDoes) {
  EstimateContext context;
  context.rules.sum = false;
  model::CompletionRequest request = AskAWord();
  EXPECT_EQ(EstimateRequest(request, context).reserved_tokens, 512);
  request.sampling.max_output_tokens = 2;
  EXPECT_EQ(EstimateRequest(request, context).reserved_tokens, 7);
}

TEST(EstimateRequestTest, AppliesTheLearnedFactorToTheInputOnly) {
  EstimateContext context;
  context.input_factor = 1.5;
  model::CompletionRequest request = AskAWord();
  request.sampling.max_output_tokens = 100;
  const Estimate estimate = EstimateRequest(request, context);
  EXPECT_EQ(estimate.ruled_input_tokens, 7);
  EXPECT_EQ(estimate.input_tokens, 11);  // 10.5, rounded up
  EXPECT_EQ(estimate.output_tokens, 100);
  EXPECT_EQ(estimate.reserved_tokens, 111);
}

TEST(EstimateRequestTest, NeverOverflowsAndNeverTakesNothing) {
  model::CompletionRequest request = AskAWord();
  request.sampling.max_output_tokens = INT64_MAX;
  request.sampling.n = INT32_MAX;
  EstimateContext context;
  context.policy = config::ReservePolicy::kStrict;
  EXPECT_EQ(EstimateRequest(request, context).output_tokens, 1'000'000'000'000'000);
  context = {};
  context.rules.sum = false;
  context.rules.output_tokens_default = 0;
  context.input_factor = 0;
  EXPECT_EQ(EstimateRequest(AskAWord(), context).reserved_tokens, 1);
}

TEST(EstimateErrorRatioTest, IsReservedOverUsed) {
  EXPECT_EQ(EstimateErrorRatio(150, 100), 1.5);
  EXPECT_EQ(EstimateErrorRatio(100, 400), 0.25);
  EXPECT_EQ(EstimateErrorRatio(100, 0), std::nullopt);
  EXPECT_EQ(EstimateErrorRatio(100, -1), std::nullopt);
}

}  // namespace
}  // namespace pingti::quota
