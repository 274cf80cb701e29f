#include "server/providers/openai/answer_decoder.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "server/base/strings.h"
#include "server/providers/openai/answer_info.h"
#include "server/providers/openai/errors.h"
#include "server/providers/openai/finish.h"
#include "server/providers/openai/json_text.h"
#include "server/providers/openai/stream_decoder.h"

namespace pingti::providers::openai {
namespace {

using model::Answer;
using model::Choice;
using model::Failure;
using model::FailureClass;

Failure AnswerFailure(FailureClass failure_class, std::string_view body) {
  return MakeFailure(failure_class, kStatusOk, body);
}

bool AppendAll(const EscapedText& pieces, std::string* text) {
  SurrogateHalf half;
  for (std::string_view piece : pieces) {
    if (!AppendUnescaped(piece, &half, text)) return false;
  }
  half.Flush(text);
  return true;
}

bool TakeToolCalls(const std::vector<ToolFragment>& fragments,
                   std::vector<model::ToolCall>* calls) {
  for (const ToolFragment& fragment : fragments) {
    model::ToolCall& call = calls->emplace_back();
    call.id = Unescaped(fragment.id, kNameBytesMax);
    call.name = Unescaped(fragment.name, kNameBytesMax);
    if (fragment.arguments_raw) {
      call.arguments_json.assign(fragment.arguments);
    } else if (!AppendUnescaped(fragment.arguments, nullptr, &call.arguments_json)) {
      return false;
    }
  }
  return true;
}

// All of a choice but its finish reason; false: malformed.
bool TakeChoice(const ChunkChoice& from, Choice* choice) {
  const ChunkContent& content = from.message.present ? from.message : from.delta;
  choice->index = from.index;
  choice->citations = content.citations;
  choice->citations.insert(choice->citations.end(), from.citations.begin(), from.citations.end());
  choice->logprobs = from.logprobs;
  return AppendAll(content.text, &choice->text) &&
         AppendAll(content.reasoning.empty() ? content.other_reasoning : content.reasoning,
                   &choice->reasoning) &&
         AppendAll(content.refusal, &choice->refusal) &&
         TakeToolCalls(content.tools, &choice->tool_calls);
}

model::Result<Answer> AnswerOfChunk(const Chunk& chunk, std::string_view body) {
  if (chunk.error.stated) return FailureOfError(kStatusOk, chunk.error, body);
  if (chunk.choice_count == 0) return AnswerFailure(FailureClass::kMalformed, body);
  Answer answer;
  MergeInfo(chunk, &answer.info);
  for (size_t i = 0; i < chunk.choice_count; ++i) {
    const ChunkChoice& from = chunk.choices[i];
    Choice& choice = answer.choices.emplace_back();
    if (!TakeChoice(from, &choice)) return AnswerFailure(FailureClass::kMalformed, body);
    if (from.finish.empty()) return AnswerFailure(FailureClass::kCut, body);
    Finish finish = ReadFinish(from.finish, !choice.tool_calls.empty());
    if (finish.failure) return AnswerFailure(*finish.failure, body);
    choice.finish_reason = finish.reason;
  }
  auto by_index = [](const Choice& a, const Choice& b) { return a.index < b.index; };
  std::sort(answer.choices.begin(), answer.choices.end(), by_index);
  auto same_index = [](const Choice& a, const Choice& b) { return a.index == b.index; };
  if (std::adjacent_find(answer.choices.begin(), answer.choices.end(), same_index) !=
      answer.choices.end()) {
    return AnswerFailure(FailureClass::kMalformed, body);
  }
  return answer;
}

// The choice with `index`, in order.
Choice& ChoiceOf(int32_t index, Answer* answer) {
  auto it = std::lower_bound(answer->choices.begin(), answer->choices.end(), index,
                             [](const Choice& choice, int32_t i) { return choice.index < i; });
  if (it == answer->choices.end() || it->index != index) {
    it = answer->choices.emplace(it);
    it->index = index;
  }
  return *it;
}

void AddDelta(model::ContentDelta delta, Answer* answer) {
  std::visit(
      [answer](auto& piece) {
        using Piece = std::decay_t<decltype(piece)>;
        Choice& choice = ChoiceOf(piece.choice, answer);
        if constexpr (std::is_same_v<Piece, model::TextDelta>) {
          choice.text += piece.text;
          std::move(piece.logprobs.begin(), piece.logprobs.end(),
                    std::back_inserter(choice.logprobs));
        } else if constexpr (std::is_same_v<Piece, model::ReasoningDelta>) {
          choice.reasoning += piece.text;
        } else if constexpr (std::is_same_v<Piece, model::RefusalDelta>) {
          choice.refusal += piece.text;
        } else if constexpr (std::is_same_v<Piece, model::CitationDelta>) {
          choice.citations.push_back(std::move(piece.citation));
        } else {
          size_t index = static_cast<size_t>(piece.index);
          if (index >= choice.tool_calls.size()) choice.tool_calls.resize(index + 1);
          model::ToolCall& call = choice.tool_calls[index];
          call.id += piece.id;
          call.name += piece.name;
          call.arguments_json += piece.arguments_json;
        }
      },
      delta);
}

model::Result<Answer> AnswerOfStream(std::string_view body,
                                     const std::shared_ptr<ChunkReader>& reader) {
  DecoderLimits limits;
  limits.line_bytes_max = body.size();  // the body is bounded already
  OpenAiStreamDecoder decoder(limits, reader);
  model::StreamEvents events;
  if (auto failure = decoder.Feed(body, &events)) return *std::move(failure);
  if (auto failure = decoder.End(&events)) return *std::move(failure);
  Answer answer;
  answer.info = decoder.info();
  for (model::ContentDelta& delta : events.deltas) AddDelta(std::move(delta), &answer);
  for (const model::ChoiceEnd& end : events.ends) {
    ChoiceOf(end.index, &answer).finish_reason = end.reason;
  }
  return answer;
}

bool IsStream(std::string_view content_type, std::string_view body) {
  if (body.starts_with('{')) return false;
  absl::string_view type = base::AbslView(content_type);
  return absl::StartsWithIgnoreCase(type, "text/event-stream") || body.starts_with("data:") ||
         body.starts_with("event:") || body.starts_with(':');
}

}  // namespace

model::Result<Answer> DecodeWholeAnswer(std::string_view content_type, std::string_view body,
                                        const std::shared_ptr<ChunkReader>& reader) {
  // Blank lines come first where a provider keeps the connection alive with them.
  absl::string_view stripped = absl::StripAsciiWhitespace(base::AbslView(body));
  body = std::string_view(stripped.data(), stripped.size());
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  if (body.empty()) return AnswerFailure(FailureClass::kMalformed, body);
  if (IsHtml(content_type, body)) return FailureOfHtml(kStatusOk, body);
  if (IsStream(content_type, body)) return AnswerOfStream(body, reader);
  const Chunk* chunk = reader->Read(body);
  if (chunk == nullptr) return AnswerFailure(FailureClass::kMalformed, body);
  return AnswerOfChunk(*chunk, body);
}

}  // namespace pingti::providers::openai
