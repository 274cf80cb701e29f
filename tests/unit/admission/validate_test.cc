#include "server/admission/validate.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/admission/requests.h"

namespace pingti::admission {
namespace {

using ::testing::ElementsAre;
using testing::Good;
using ::testing::IsEmpty;
using testing::Path;
using testing::Problems;
using testing::With;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(ValidateTest, TakesAPlainRequest) { EXPECT_THAT(Problems(Good()), IsEmpty()); }

TEST(ValidateTest, RefusesAModelNameOfTheWrongLength) {
  model::CompletionRequest request = Good();
  request.model = "";
  EXPECT_EQ(Path(request), "spec.model");
  request.model = std::string(129, 'm');
  EXPECT_EQ(Path(request), "spec.model");
  request.model = std::string(128, 'm');
  EXPECT_EQ(Path(request), "(none)");
}

TEST(ValidateTest, RefusesNoMessagesAndTooMany) {
  model::CompletionRequest request = Good();
  request.messages.clear();
  EXPECT_THAT(Problems(request), ElementsAre("spec.messages: has 0 messages; must be 1 to 4096"));
  request.messages.assign(4096, Good().messages[0]);
  EXPECT_EQ(Path(request), "(none)");
  request.messages.push_back(Good().messages[0]);
  EXPECT_EQ(Path(request), "spec.messages");
}

// Sets one number of the sampling settings.
using Member = std::optional<double> model::Sampling::*;

void ExpectRange(Member member, const char* path, double low, double high, bool low_excluded) {
  model::CompletionRequest request = Good();
  for (const double good : {low_excluded ? 0.001 : low, (low + high) / 2, high}) {
    request.sampling.*member = good;
    EXPECT_EQ(Path(request), "(none)") << path << " " << good;
  }
  for (const double bad :
       {low_excluded ? low : low - 0.001, high + 0.001, kNan, kInfinity, -kInfinity}) {
    request.sampling.*member = bad;
    EXPECT_EQ(Path(request), path) << bad;
  }
}

TEST(ValidateTest, RefusesSettingsOutOfTheirRange) {
  using model::Sampling;
  ExpectRange(&Sampling::temperature, "spec.sampling.temperature", 0, 2, false);
  ExpectRange(&Sampling::top_p, "spec.sampling.top_p", 0, 1, true);
  ExpectRange(&Sampling::presence_penalty, "spec.sampling.presence_penalty", -2, 2, false);
  ExpectRange(&Sampling::frequency_penalty, "spec.sampling.frequency_penalty", -2, 2, false);
}

TEST(ValidateTest, SaysWhatWasWrongAndWhatWouldBeRight) {
  model::CompletionRequest request = Good();
  request.sampling.temperature = 2.5;
  const auto error = ValidateRequest(request, {});
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error->message, "spec.sampling.temperature: is 2.5; must be from 0 to 2");
}

TEST(ValidateTest, RefusesOutputTokensAndChoicesOutOfRange) {
  model::CompletionRequest request = Good();
  for (const int64_t bad : {int64_t{0}, int64_t{-1}, int64_t{10'000'001}, INT64_MAX, INT64_MIN}) {
    request.sampling.max_output_tokens = bad;
    EXPECT_EQ(Path(request), "spec.sampling.max_output_tokens") << bad;
  }
  request.sampling.max_output_tokens = 1;
  for (const int32_t bad : {0, -1, 129, INT32_MAX}) {
    request.sampling.n = bad;
    EXPECT_EQ(Path(request), "spec.sampling.n") << bad;
  }
  request.sampling.n = 128;
  EXPECT_EQ(Path(request), "(none)");
}

TEST(ValidateTest, RefusesStopTextsThatAreTooManyEmptyOrLong) {
  model::CompletionRequest request = Good();
  request.sampling.stop = {"a", "b", "c", "d"};
  EXPECT_EQ(Path(request), "(none)");
  request.sampling.stop.push_back("e");
  EXPECT_EQ(Path(request), "spec.sampling.stop");
  request.sampling.stop = {"a", "", std::string(256, 'x'), std::string(257, 'x')};
  EXPECT_EQ(Path(request), "spec.sampling.stop[1] spec.sampling.stop[3]");
}

TEST(ValidateTest, RefusesABadLogitBias) {
  model::CompletionRequest request = Good();
  request.sampling.logit_bias = {{1, -100}, {2, 100}};
  EXPECT_EQ(Path(request), "(none)");
  request.sampling.logit_bias = {{1, 0}, {50256, 100.5}, {50257, kNan}};
  EXPECT_EQ(Path(request), "spec.sampling.logit_bias[50256] spec.sampling.logit_bias[50257]");
  request.sampling.logit_bias.clear();
  for (int i = 0; i < 1025; ++i) request.sampling.logit_bias[i] = 0;
  EXPECT_EQ(Path(request), "spec.sampling.logit_bias");
}

TEST(ValidateTest, AlternativesNeedLogProbabilities) {
  model::CompletionRequest request = Good();
  request.sampling.top_logprobs = 3;
  EXPECT_EQ(Path(request), "spec.sampling.top_logprobs");
  request.sampling.logprobs = false;
  EXPECT_EQ(Path(request), "spec.sampling.top_logprobs");
  request.sampling.logprobs = true;
  EXPECT_EQ(Path(request), "(none)");
  for (const int32_t bad : {-1, 21}) {
    request.sampling.top_logprobs = bad;
    EXPECT_EQ(Path(request), "spec.sampling.top_logprobs") << bad;
  }
}

model::Tool NamedTool(std::string name, std::string schema = "") {
  model::Tool tool;
  tool.name = std::move(name);
  tool.parameters_json_schema = std::move(schema);
  return tool;
}

TEST(ValidateTest, RefusesBadTools) {
  model::CompletionRequest request = Good();
  request.tools = {NamedTool("find_it-2", R"({"type":"object"})")};
  EXPECT_EQ(Path(request), "(none)");
  request.tools = {NamedTool("a"), NamedTool(""), NamedTool("a b"), NamedTool(std::string(65, 'a')),
                   NamedTool("查")};
  EXPECT_EQ(Path(request),
            "spec.tools[1].name spec.tools[2].name spec.tools[3].name spec.tools[4].name");
  request.tools = {NamedTool("a"), NamedTool("a")};
  EXPECT_EQ(Path(request), "spec.tools[1].name");
  request.tools = {NamedTool("a", "[]"), NamedTool("b", "{")};
  EXPECT_EQ(Path(request),
            "spec.tools[0].parameters_json_schema spec.tools[1].parameters_json_schema");
}

TEST(ValidateTest, RefusesTooManyTools) {
  model::CompletionRequest request = Good();
  for (int i = 0; i < 129; ++i) request.tools.push_back(NamedTool(absl::StrCat("t", i)));
  EXPECT_EQ(Path(request), "spec.tools");
  request.tools.pop_back();
  EXPECT_EQ(Path(request), "(none)");
}

TEST(ValidateTest, AChosenToolMustBeThere) {
  model::CompletionRequest request = Good();
  request.tools = {NamedTool("find")};
  request.tool_choice.tool_name = "find";
  EXPECT_EQ(Path(request), "(none)");
  request.tool_choice.tool_name = "fynd";
  EXPECT_EQ(Path(request), "spec.tool_choice.tool_name");
}

TEST(ValidateTest, ARequiredToolNeedsATool) {
  model::CompletionRequest request = Good();
  request.tool_choice.mode = model::ToolChoiceMode::kRequired;
  EXPECT_EQ(Path(request), "spec.tool_choice.mode");
  request.tools = {NamedTool("find")};
  EXPECT_EQ(Path(request), "(none)");
}

TEST(ValidateTest, RefusesABadAnswerSchema) {
  model::CompletionRequest request = Good();
  request.response_format.kind = model::ResponseFormatKind::kJsonSchema;
  EXPECT_EQ(Path(request),
            "spec.response_format.json_schema.name spec.response_format.json_schema.schema_json");
  request.response_format.name = "answer";
  request.response_format.schema_json = R"({"type":"object"} x)";
  EXPECT_EQ(Path(request), "spec.response_format.json_schema.schema_json");
  request.response_format.schema_json = R"({"type":"object"})";
  EXPECT_EQ(Path(request), "(none)");
}

TEST(ValidateTest, ASchemaOfAnotherFormatIsNotLookedAt) {
  model::CompletionRequest request = Good();
  request.response_format.kind = model::ResponseFormatKind::kJsonObject;
  EXPECT_EQ(Path(request), "(none)");
}

TEST(ValidateTest, RefusesBadProviderFields) {
  model::CompletionRequest request = Good();
  request.provider_fields_json = R"({"enable_search":true})";
  EXPECT_EQ(Path(request), "(none)");
  for (const char* bad : {"3", "[]", "{", R"({"a":1,"a":2})", R"({"temperature":1})"}) {
    request.provider_fields_json = bad;
    EXPECT_EQ(Path(request), "spec.provider_fields_json") << bad;
  }
  request.provider_fields_json = "{\"a\":\"" + std::string(65'536, 'x') + "\"}";
  EXPECT_EQ(Path(request), "spec.provider_fields_json");
}

TEST(ValidateTest, AFieldHasOneWayInAlsoWhenItsNameIsEscaped) {
  model::CompletionRequest request = Good();
  request.provider_fields_json = R"({"str\u0065am":true})";
  EXPECT_THAT(Problems(request),
              ElementsAre("spec.provider_fields_json: has \"stream\", for which CompletionSpec has "
                          "a field; use that"));
}

TEST(ValidateTest, RefusesALongUser) {
  model::CompletionRequest request = Good();
  request.user = std::string(256, 'u');
  EXPECT_EQ(Path(request), "(none)");
  request.user += "u";
  EXPECT_EQ(Path(request), "spec.user");
}

TEST(ValidateTest, RefusesBadLabels) {
  model::CompletionRequest request = Good();
  request.labels = {{"team.a-b_1", std::string(128, 'v')}, {std::string(64, 'k'), ""}};
  EXPECT_EQ(Path(request), "(none)");
  for (const std::string& key : {std::string(), std::string("Team"), std::string("a b"),
                                 std::string(65, 'k'), std::string("a\r\nb")}) {
    request.labels = {{key, "v"}};
    EXPECT_EQ(Path(request), "spec.labels") << key;
  }
  request.labels = {{"team", std::string(129, 'v')}};
  EXPECT_EQ(Path(request), "spec.labels[team]");
  request.labels = {{"team", std::string("a\0b", 3)}};
  EXPECT_EQ(Path(request), "spec.labels[team]");
  request.labels.clear();
  for (int i = 0; i < 17; ++i) request.labels[absl::StrCat("l", i)] = "v";
  EXPECT_EQ(Path(request), "spec.labels");
}

TEST(ValidateTest, RefusesARequestIdThatCouldBreakAHeader) {
  model::CompletionRequest request = Good();
  for (const char* good : {"", "a", "A-b_C.9"}) {
    request.request_id = good;
    EXPECT_EQ(Path(request), "(none)") << good;
  }
  for (const std::string& bad :
       {std::string("a\r\nx-evil: 1"), std::string("a\nb"), std::string("a b"), std::string("你"),
        std::string("a\0b", 3), std::string(65, 'i'), std::string("a/b")}) {
    request.request_id = bad;
    EXPECT_EQ(Path(request), "spec.request_id") << bad;
  }
}

TEST(ValidateTest, RefusesAQueueWaitOutOfRange) {
  model::CompletionRequest request = Good();
  for (const absl::Duration bad : {-absl::Nanoseconds(1), absl::Minutes(10) + absl::Nanoseconds(1),
                                   absl::InfiniteDuration()}) {
    request.max_queue_wait = bad;
    EXPECT_EQ(Path(request), "spec.max_queue_wait") << bad;
  }
}

TEST(ValidateTest, AQueueWaitInRangeIsFine) {
  model::CompletionRequest request = Good();
  request.max_queue_wait = absl::Minutes(10);
  EXPECT_FALSE(ValidateRequest(request, {}).has_value());
}

TEST(ValidateTest, TellsSeveralViolationsAtOnce) {
  model::CompletionRequest request = Good();
  request.model.clear();
  request.sampling.temperature = 3;
  request.sampling.n = 0;
  const auto error = ValidateRequest(request, {});
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(Path(request), "spec.model spec.sampling.temperature spec.sampling.n");
  EXPECT_EQ(error->message,
            "spec.model: has 0 bytes; must be 1 to 128, a name from ListModels (and 2 more)");
}

TEST(ValidateTest, TellsAtMostTenViolations) {
  model::CompletionRequest request = Good();
  for (int i = 0; i < 200; ++i) request.sampling.logit_bias[i] = 1000;
  EXPECT_EQ(Problems(request).size(), 10u);
}

config::Model Target() {
  config::Model model;
  model.name = "yi-medium";
  model.context_tokens = 1'000;
  return model;
}

TEST(ValidateForModelTest, AModelWithoutEyesTakesNoImages) {
  model::CompletionRequest request = Good();
  model::Image image;
  image.url = "https://example.com/a.png";
  request.messages[0].parts.push_back(image);
  request.messages.push_back(testing::Say(model::Role::kUser, image));
  const auto error = ValidateForModel(request, Target(), 10);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->reason, model::ErrorReason::kFieldInvalid);
  ASSERT_EQ(error->fields.size(), 2u);
  EXPECT_EQ(error->fields[0].field, "spec.messages[0].parts[1].image");
  EXPECT_EQ(error->fields[1].field, "spec.messages[1].parts[0].image");
  config::Model seeing = Target();
  seeing.vision = true;
  EXPECT_FALSE(ValidateForModel(request, seeing, 10).has_value());
}

TEST(ValidateForModelTest, AModelWithoutToolsTakesNone) {
  model::CompletionRequest request = Good();
  request.tools = {NamedTool("find")};
  const auto error = ValidateForModel(request, Target(), 10);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->fields.at(0).field, "spec.tools");
  config::Model handy = Target();
  handy.tools = true;
  EXPECT_FALSE(ValidateForModel(request, handy, 10).has_value());
}

TEST(ValidateForModelTest, PromptAndOutputMustFitTheContext) {
  model::CompletionRequest request = Good();
  request.sampling.max_output_tokens = 400;
  EXPECT_FALSE(ValidateForModel(request, Target(), 600).has_value());
  const auto error = ValidateForModel(request, Target(), 601);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->reason, model::ErrorReason::kContextTooLong);
  EXPECT_EQ(error->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error->metadata.at("model"), "yi-medium");
  EXPECT_EQ(error->metadata.at("context_tokens"), "1000");
  EXPECT_EQ(error->metadata.at("requested_tokens"), "1001");
}

TEST(ValidateForModelTest, WithoutALimitOnlyThePromptMustFit) {
  EXPECT_FALSE(ValidateForModel(Good(), Target(), 1'000).has_value());
  EXPECT_TRUE(ValidateForModel(Good(), Target(), 1'001).has_value());
}

}  // namespace
}  // namespace pingti::admission
