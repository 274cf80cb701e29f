#include "server/rpc/write_response.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace pingti::rpc {
namespace {

exchange::Completed MakeCompleted() {
  exchange::Completed completed;
  completed.request_id = "id-1";
  completed.model = "gpt-4o";
  completed.usage.input_tokens = 10;
  completed.usage.output_tokens = 20;
  completed.usage.cached_input_tokens = 3;
  completed.usage.reasoning_tokens = 4;
  completed.usage.source = model::UsageSource::kMeasured;
  completed.served_by.provider = "yi";
  completed.served_by.upstream_model = "yi-large";
  completed.served_by.reported_model = "yi-large-0613";
  completed.served_by.attempts = 1;
  completed.served_by.upstream_response_id = "chatcmpl-1";
  completed.served_by.adaptations = {
      {"sampling.seed", providers::Adaptation::Action::kDropped, "unknown there"}};
  completed.timings.total = absl::Milliseconds(1'250);
  completed.timings.upstream = absl::Milliseconds(1'200);
  return completed;
}

TEST(WriteAnswerTest, WritesWhatIsAroundTheChoices) {
  v1::GenerateCompletionResponse response;
  WriteAnswer(MakeCompleted(), model::Answer(), &response);
  EXPECT_EQ(response.request_id(), "id-1");
  EXPECT_EQ(response.model(), "gpt-4o");
  EXPECT_EQ(response.usage().input_tokens(), 10);
  EXPECT_EQ(response.usage().output_tokens(), 20);
  EXPECT_EQ(response.usage().cached_input_tokens(), 3);
  EXPECT_EQ(response.usage().reasoning_tokens(), 4);
  EXPECT_EQ(response.usage().source(), v1::USAGE_SOURCE_MEASURED);
  EXPECT_FALSE(response.usage().lower_bound());
  EXPECT_FALSE(response.has_cost());
  EXPECT_EQ(response.served_by().provider(), "yi");
  EXPECT_EQ(response.served_by().upstream_model(), "yi-large");
  EXPECT_EQ(response.served_by().reported_model(), "yi-large-0613");
  EXPECT_EQ(response.served_by().attempts(), 1);
  EXPECT_EQ(response.served_by().upstream_response_id(), "chatcmpl-1");
  ASSERT_EQ(response.served_by().adaptations_size(), 1);
  EXPECT_EQ(response.served_by().adaptations(0).field(), "sampling.seed");
  EXPECT_EQ(response.served_by().adaptations(0).action(), v1::Adaptation::ACTION_DROPPED);
  EXPECT_EQ(response.served_by().adaptations(0).reason(), "unknown there");
  EXPECT_EQ(response.timings().total().seconds(), 1);
  EXPECT_EQ(response.timings().total().nanos(), 250'000'000);
  EXPECT_EQ(response.timings().upstream().nanos(), 200'000'000);
  EXPECT_FALSE(response.timings().has_first_token());
}

TEST(WriteAnswerTest, WritesWhatItCostWhereThereIsAPrice) {
  exchange::Completed completed = MakeCompleted();
  completed.cost.charged = base::Money{30, base::Currency::kCny};
  v1::GenerateCompletionResponse response;
  WriteAnswer(completed, model::Answer(), &response);
  EXPECT_EQ(response.cost().charged().currency(), "CNY");
  EXPECT_EQ(response.cost().charged().nano_units(), 30);
  EXPECT_FALSE(response.cost().has_requested_model_would_have_cost());

  completed.cost.requested_model = base::Money{40, base::Currency::kUsd};
  WriteAnswer(completed, model::Answer(), &response);
  EXPECT_EQ(response.cost().requested_model_would_have_cost().currency(), "USD");
  EXPECT_EQ(response.cost().requested_model_would_have_cost().nano_units(), 40);

  completed.cost.charged.reset();
  response.Clear();
  WriteAnswer(completed, model::Answer(), &response);
  EXPECT_FALSE(response.has_cost());
}

TEST(WritePriceTest, WritesAllOfIt) {
  config::Billing billing;
  billing.exchange_rates.push_back({base::Currency::kUsd, base::Currency::kCny, 7'268'900'000,
                                    absl::CivilDay(2024, 6, 27), "a bank"});
  billing::Price price;
  price.version = "gpt-4o@2024-05-13";
  price.list = {.since = absl::CivilDay(2024, 5, 13),
                .currency = base::Currency::kUsd,
                .input_pico = 5,
                .cached_input_pico = 2,
                .output_pico = 15,
                .request_nano = 7,
                .source = "a page",
                .verified = true};
  price.rate_nano = 7'268'900'000;
  v1::ModelPrice written;
  WritePrice(price, billing, &written);
  EXPECT_EQ(written.currency(), "USD");
  EXPECT_EQ(written.input_pico_per_token(), 5);
  EXPECT_EQ(written.cached_input_pico_per_token(), 2);
  EXPECT_EQ(written.output_pico_per_token(), 15);
  EXPECT_EQ(written.request_nano(), 7);
  EXPECT_EQ(written.version(), "gpt-4o@2024-05-13");
  EXPECT_EQ(written.since(), "2024-05-13");
  EXPECT_EQ(written.source(), "a page");
  EXPECT_TRUE(written.verified());
  EXPECT_EQ(written.exchange().currency(), "CNY");
  EXPECT_EQ(written.exchange().rate_nano(), 7'268'900'000);
  EXPECT_EQ(written.exchange().date(), "2024-06-27");
  EXPECT_EQ(written.exchange().source(), "a bank");

  price.list.currency = base::Currency::kCny;
  written.Clear();
  WritePrice(price, billing, &written);
  EXPECT_FALSE(written.has_exchange());
}

TEST(WriteAnswerTest, WritesAllOfAChoice) {
  model::Answer answer;
  model::Choice& choice = answer.choices.emplace_back();
  choice.index = 2;
  choice.text = "hello";
  choice.reasoning = "hm";
  choice.refusal = "no";
  choice.tool_calls = {{"call-1", "find", "{}"}};
  choice.citations = {{"1", "https://e", "E"}};
  choice.logprobs.push_back({"hel", -0.5, "\xff", {{"alt", -1.5, "\x01"}}});
  choice.finish_reason = model::FinishReason::kToolCalls;
  v1::GenerateCompletionResponse response;
  WriteAnswer(MakeCompleted(), std::move(answer), &response);
  ASSERT_EQ(response.choices_size(), 1);
  const v1::Choice& written = response.choices(0);
  EXPECT_EQ(written.index(), 2);
  EXPECT_EQ(written.text(), "hello");
  EXPECT_EQ(written.reasoning(), "hm");
  EXPECT_EQ(written.refusal(), "no");
  ASSERT_EQ(written.tool_calls_size(), 1);
  EXPECT_EQ(written.tool_calls(0).id(), "call-1");
  EXPECT_EQ(written.tool_calls(0).name(), "find");
  EXPECT_EQ(written.tool_calls(0).arguments_json(), "{}");
  ASSERT_EQ(written.citations_size(), 1);
  EXPECT_EQ(written.citations(0).number(), "1");
  EXPECT_EQ(written.citations(0).url(), "https://e");
  EXPECT_EQ(written.citations(0).title(), "E");
  ASSERT_EQ(written.logprobs_size(), 1);
  EXPECT_EQ(written.logprobs(0).token(), "hel");
  EXPECT_EQ(written.logprobs(0).logprob(), -0.5);
  EXPECT_EQ(written.logprobs(0).token_bytes(), "\xff");
  ASSERT_EQ(written.logprobs(0).alternatives_size(), 1);
  EXPECT_EQ(written.logprobs(0).alternatives(0).token(), "alt");
  EXPECT_EQ(written.logprobs(0).alternatives(0).logprob(), -1.5);
  EXPECT_EQ(written.logprobs(0).alternatives(0).token_bytes(), "\x01");
  EXPECT_EQ(written.finish_reason(), v1::FINISH_REASON_TOOL_CALLS);
}

v1::StreamDelta Delta(model::ContentDelta delta) {
  v1::StreamDelta written;
  WriteDelta(std::move(delta), &written);
  return written;
}

TEST(WriteDeltaTest, WritesEachKind) {
  const v1::StreamDelta text = Delta(model::TextDelta{1, "hi", {{"hi", -0.1, "hi", {}}}});
  EXPECT_EQ(text.choice_index(), 1);
  EXPECT_EQ(text.text(), "hi");
  EXPECT_EQ(text.logprobs_size(), 1);

  const v1::StreamDelta reasoning = Delta(model::ReasoningDelta{2, "hm"});
  EXPECT_EQ(reasoning.choice_index(), 2);
  EXPECT_EQ(reasoning.reasoning(), "hm");

  EXPECT_EQ(Delta(model::RefusalDelta{0, "no"}).refusal(), "no");

  const v1::StreamDelta call = Delta(model::ToolCallDelta{1, 3, "call-1", "find", "{\"a"});
  EXPECT_EQ(call.choice_index(), 1);
  EXPECT_EQ(call.tool_call().index(), 3);
  EXPECT_EQ(call.tool_call().id(), "call-1");
  EXPECT_EQ(call.tool_call().name(), "find");
  EXPECT_EQ(call.tool_call().arguments_json(), "{\"a");

  const v1::StreamDelta citation = Delta(model::CitationDelta{1, {"2", "https://e", "E"}});
  EXPECT_EQ(citation.choice_index(), 1);
  EXPECT_EQ(citation.citation().number(), "2");
}

TEST(FinishReasonTest, EachHasItsOwn) {
  using model::FinishReason;
  EXPECT_EQ(FinishReasonOf(FinishReason::kNone), v1::FINISH_REASON_UNSPECIFIED);
  EXPECT_EQ(FinishReasonOf(FinishReason::kStop), v1::FINISH_REASON_STOP);
  EXPECT_EQ(FinishReasonOf(FinishReason::kLength), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(FinishReasonOf(FinishReason::kToolCalls), v1::FINISH_REASON_TOOL_CALLS);
  EXPECT_EQ(FinishReasonOf(FinishReason::kContentFilter), v1::FINISH_REASON_CONTENT_FILTER);
  EXPECT_EQ(FinishReasonOf(FinishReason::kOther), v1::FINISH_REASON_OTHER);
}

TEST(WriteUsageTest, EachSourceHasItsOwn) {
  const std::pair<model::UsageSource, v1::UsageSource> sources[] = {
      {model::UsageSource::kNone, v1::USAGE_SOURCE_UNSPECIFIED},
      {model::UsageSource::kMeasured, v1::USAGE_SOURCE_MEASURED},
      {model::UsageSource::kCounted, v1::USAGE_SOURCE_COUNTED},
      {model::UsageSource::kEstimated, v1::USAGE_SOURCE_ESTIMATED}};
  for (const auto& [from, to] : sources) {
    model::Usage usage;
    usage.source = from;
    usage.lower_bound = true;
    v1::Usage written;
    WriteUsage(usage, &written);
    EXPECT_EQ(written.source(), to);
    EXPECT_TRUE(written.lower_bound());
  }
}

TEST(WriteTimingsTest, AFirstTokenIsWrittenWhereThereWasOne) {
  exchange::Timings timings;
  timings.total = absl::Seconds(2);
  timings.first_token = absl::Nanoseconds(1);
  v1::Timings written;
  WriteTimings(timings, &written);
  EXPECT_EQ(written.first_token().seconds(), 0);
  EXPECT_EQ(written.first_token().nanos(), 1);
}

TEST(WriteDurationTest, SecondsAndNanosHaveOneSign) {
  google::protobuf::Duration written;
  WriteDuration(-absl::Milliseconds(1'500), &written);
  EXPECT_EQ(written.seconds(), -1);
  EXPECT_EQ(written.nanos(), -500'000'000);
}

TEST(WriteServedByTest, EachActionHasItsOwn) {
  using Action = providers::Adaptation::Action;
  const std::pair<Action, v1::Adaptation::Action> actions[] = {
      {Action::kDropped, v1::Adaptation::ACTION_DROPPED},
      {Action::kClamped, v1::Adaptation::ACTION_CLAMPED},
      {Action::kRenamed, v1::Adaptation::ACTION_RENAMED},
      {Action::kMapped, v1::Adaptation::ACTION_MAPPED}};
  for (const auto& [from, to] : actions) {
    exchange::ServedBy served_by;
    served_by.adaptations = {{"f", from, "r"}};
    v1::ServedBy written;
    WriteServedBy(served_by, &written);
    EXPECT_EQ(written.adaptations(0).action(), to);
  }
}

}  // namespace
}  // namespace pingti::rpc
