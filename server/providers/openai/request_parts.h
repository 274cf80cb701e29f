// The parts of a request's body that are more than a name and a value: messages, tools, response
// format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/model/completion.h"
#include "server/providers/dialect.h"
#include "server/providers/openai/json_writer.h"

namespace pingti::providers::openai {

// What the functions below write to.
struct RequestSink {
  const TargetTraits& target;
  JsonWriter& json;
  std::vector<Adaptation>& adaptations;

  void Report(std::string field, Adaptation::Action action, std::string reason) {
    adaptations.push_back({std::move(field), action, std::move(reason)});
  }
};

// The value of `messages`.
void WriteMessages(const std::vector<model::Message>& messages, RequestSink& sink);

// The value of `tools`.
void WriteTools(const std::vector<model::Tool>& tools, JsonWriter& json);

// The value of `tool_choice`, which is not the default.
void WriteToolChoice(const model::ToolChoice& choice, JsonWriter& json);

// The value of `response_format`, which is not text.
void WriteResponseFormat(const model::ResponseFormat& format, JsonWriter& json);

}  // namespace pingti::providers::openai
