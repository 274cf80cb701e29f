#include "server/billing/fingerprint.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace pingti::billing {
namespace {

model::CompletionRequest Plain() {
  model::CompletionRequest request;
  request.model = "gpt-4o";
  model::Message& message = request.messages.emplace_back();
  message.role = model::Role::kUser;
  message.parts.push_back(model::Text{"hello"});
  request.sampling.temperature = 0.5;
  request.labels["team"] = "search";
  return request;
}

TEST(FingerprintTest, IsTheSameForWhatIsServedAlike) {
  model::CompletionRequest again = Plain();
  again.request_id = "another";
  again.labels.clear();
  again.max_queue_wait = absl::Seconds(5);
  EXPECT_EQ(FingerprintOf(Plain()), FingerprintOf(again));
  EXPECT_EQ(FingerprintOf(Plain()).size(), 64u);
}

TEST(FingerprintTest, DiffersWhereverTheAnswerMay) {
  using Request = model::CompletionRequest;
  const std::vector<std::function<void(Request&)>> changes = {
      [](Request& r) { r.model = "gpt-4"; },
      [](Request& r) { r.messages[0].role = model::Role::kSystem; },
      [](Request& r) { r.messages[0].parts = {model::Text{"hell"}, model::Text{"o"}}; },
      [](Request& r) { r.messages[0].parts = {model::Reasoning{"hello"}}; },
      [](Request& r) { r.messages[0].name = "joe"; },
      [](Request& r) { r.messages.push_back(r.messages[0]); },
      [](Request& r) { r.messages[0].tool_calls.push_back({"1", "f", "{}"}); },
      [](Request& r) { r.sampling.temperature = 0.25; },
      [](Request& r) { r.sampling.temperature.reset(); },
      [](Request& r) { r.sampling.max_output_tokens = 5; },
      [](Request& r) { r.sampling.stop = {"a", "b"}; },
      [](Request& r) { r.sampling.stop = {"ab"}; },
      [](Request& r) { r.sampling.seed = 0; },
      [](Request& r) { r.sampling.logit_bias[5] = 1; },
      [](Request& r) { r.response_format.kind = model::ResponseFormatKind::kJsonObject; },
      [](Request& r) { r.tools.push_back({"f", "", "{}", {}}); },
      [](Request& r) { r.tool_choice.tool_name = "f"; },
      [](Request& r) { r.parallel_tool_calls = false; },
      [](Request& r) { r.reasoning_effort = model::ReasoningEffort::kHigh; },
      [](Request& r) { r.provider_fields_json = "{}"; },
      [](Request& r) { r.user = "u"; },
      [](Request& r) { r.routing.no_fallback = true; },
  };
  std::set<std::string> seen = {FingerprintOf(Plain())};
  for (size_t i = 0; i < changes.size(); ++i) {
    model::CompletionRequest changed = Plain();
    changes[i](changed);
    EXPECT_TRUE(seen.insert(FingerprintOf(changed)).second) << "change " << i;
  }
}

}  // namespace
}  // namespace pingti::billing
