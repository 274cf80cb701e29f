#include "server/providers/openai/stream_decoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "server/base/strings.h"
#include "server/providers/openai/answer_info.h"
#include "server/providers/openai/errors.h"
#include "server/providers/openai/finish.h"
#include "server/providers/openai/json_text.h"

namespace pingti::providers::openai {
namespace {

using model::Failure;
using model::FailureClass;
using model::StreamEvents;

Failure StreamFailure(FailureClass failure_class, std::string_view upstream) {
  return MakeFailure(failure_class, kStatusOk, upstream);
}

Failure TooLongLine(size_t limit_bytes) {
  Failure failure = StreamFailure(FailureClass::kAnswerTooLarge, {});
  failure.limit_bytes = static_cast<int64_t>(limit_bytes);
  return failure;
}

std::string_view Trimmed(std::string_view text) {
  absl::string_view trimmed = absl::StripAsciiWhitespace(base::AbslView(text));
  return {trimmed.data(), trimmed.size()};
}

bool Append(const EscapedText& pieces, SurrogateHalf* half, std::string* text) {
  for (std::string_view piece : pieces) {
    if (!AppendUnescaped(piece, half, text)) return false;
  }
  return true;
}

// For the two kinds of text that carry nothing beside it.
template <typename Delta>
bool TakePlainText(int32_t choice, const EscapedText& pieces, SurrogateHalf* half,
                   StreamEvents* events) {
  if (pieces.empty()) return true;
  Delta delta;
  delta.choice = choice;
  if (!Append(pieces, half, &delta.text)) return false;
  if (!delta.text.empty()) events->deltas.emplace_back(std::move(delta));
  return true;
}

template <typename Delta>
void FlushHalf(int32_t choice, SurrogateHalf* half, StreamEvents* events) {
  if (!half->waiting()) return;
  Delta delta;
  delta.choice = choice;
  half->Flush(&delta.text);
  events->deltas.emplace_back(std::move(delta));
}

}  // namespace

OpenAiStreamDecoder::OpenAiStreamDecoder(DecoderLimits limits, std::shared_ptr<ChunkReader> reader)
    : line_bytes_max_(limits.line_bytes_max),
      parser_(limits.line_bytes_max),
      reader_(std::move(reader)) {}

std::optional<Failure> OpenAiStreamDecoder::Feed(std::string_view bytes, StreamEvents* events) {
  if (terminated_) return std::nullopt;
  parser_.Feed(bytes);
  SseEvent event;
  while (true) {
    switch (parser_.Next(&event)) {
      case SseResult::kEvent:
        if (auto failure = TakeEvent(event, events)) return failure;
        if (terminated_) return std::nullopt;
        break;
      case SseResult::kNeedMore:
        return std::nullopt;
      case SseResult::kTooLong:
        return TooLongLine(line_bytes_max_);
      case SseResult::kNul:
        return StreamFailure(FailureClass::kMalformed, {});
    }
  }
}

std::optional<Failure> OpenAiStreamDecoder::End(StreamEvents* events) {
  if (!terminated_) {
    SseEvent event;
    // What the end has cut off counts where it happens to be whole. An error in it is an error.
    if (parser_.Finish(&event) == SseResult::kEvent) {
      auto failure = TakeEvent(event, events);
      if (failure && failure->failure_class != FailureClass::kMalformed) return failure;
    }
  }
  for (size_t i = 0; i < choices_.size(); ++i) {
    Flush(static_cast<int32_t>(i), &choices_[i], events);
  }
  return JudgeEnd();
}

std::optional<Failure> OpenAiStreamDecoder::JudgeEnd() const {
  bool begun = false;
  for (const ChoiceState& choice : choices_) {
    if (choice.begun && !choice.finished) return StreamFailure(FailureClass::kCut, {});
    begun |= choice.begun;
  }
  if (begun) return std::nullopt;
  bool cut = had_event_ && !terminated_;
  return StreamFailure(cut ? FailureClass::kCut : FailureClass::kMalformed, {});
}

std::optional<Failure> OpenAiStreamDecoder::TakeEvent(const SseEvent& event, StreamEvents* events) {
  std::string_view data = Trimmed(event.data);
  // `data: : keepalive` is a comment that went through a program that adds `data:`.
  if (data.empty() || data[0] == ':') return std::nullopt;
  had_event_ = true;
  if (data == "[DONE]") {
    terminated_ = true;
    return std::nullopt;
  }
  const Chunk* chunk = reader_->Read(data);
  if (event.name == "error") {
    return FailureOfError(kStatusOk, chunk != nullptr ? chunk->error : ProviderError(), data);
  }
  if (chunk == nullptr) {
    // Events of unknown kinds may have any data.
    bool ordinary = event.name.empty() || event.name == "message" || data[0] == '{';
    if (!ordinary) return std::nullopt;
    return StreamFailure(FailureClass::kMalformed, data);
  }
  return TakeChunk(*chunk, data, events);
}

std::optional<Failure> OpenAiStreamDecoder::TakeChunk(const Chunk& chunk, std::string_view data,
                                                      StreamEvents* events) {
  MergeInfo(chunk, &info_);
  if (chunk.error.stated) return FailureOfError(kStatusOk, chunk.error, data);
  for (size_t i = 0; i < chunk.choice_count; ++i) {
    const ChunkChoice& choice = chunk.choices[i];
    size_t index = static_cast<size_t>(choice.index);
    if (index >= choices_.size()) choices_.resize(index + 1);
    ChoiceState& state = choices_[index];
    state.begun = true;
    // A whole `message` counts where no piece of it came before (MiniMax repeats everything in it).
    const ChunkContent& content =
        choice.message.present && !choice.delta.present && !state.has_content ? choice.message
                                                                              : choice.delta;
    if (!TakeContent(choice, content, &state, events)) {
      return StreamFailure(FailureClass::kMalformed, data);
    }
    if (choice.finish.empty() || state.finished) continue;
    Finish finish = ReadFinish(choice.finish, !state.tools.empty());
    if (finish.failure) return StreamFailure(*finish.failure, data);
    Flush(choice.index, &state, events);
    state.finished = true;
    events->ends.push_back({choice.index, finish.reason});
  }
  return std::nullopt;
}

bool OpenAiStreamDecoder::TakeContent(const ChunkChoice& choice, const ChunkContent& content,
                                      ChoiceState* state, StreamEvents* events) {
  const EscapedText& reasoning =
      content.reasoning.empty() ? content.other_reasoning : content.reasoning;
  size_t before = events->deltas.size();
  if (!TakePlainText<model::ReasoningDelta>(choice.index, reasoning, &state->reasoning, events) ||
      !TakeText(choice, content.text, state, events) ||
      !TakePlainText<model::RefusalDelta>(choice.index, content.refusal, &state->refusal, events)) {
    return false;
  }
  for (const ToolFragment& fragment : content.tools) {
    if (!state->tools.Take(fragment, choice.index, events)) return false;
  }
  if (!TakeCitations(choice.index, content.citations, state, events) ||
      !TakeCitations(choice.index, choice.citations, state, events)) {
    return false;
  }
  if (events->deltas.size() > before) state->has_content = true;
  return true;
}

bool OpenAiStreamDecoder::TakeText(const ChunkChoice& choice, const EscapedText& text,
                                   ChoiceState* state, StreamEvents* events) {
  if (text.empty() && choice.logprobs.empty()) return true;
  model::TextDelta delta;
  delta.choice = choice.index;
  if (!Append(text, &state->text, &delta.text)) return false;
  if (!choice.logprobs.empty()) {
    state->logprobs.insert(state->logprobs.end(), choice.logprobs.begin(), choice.logprobs.end());
  }
  if (delta.text.empty() && state->logprobs.size() < kWaitingLogprobsMax) return true;
  delta.logprobs = std::exchange(state->logprobs, {});
  events->deltas.emplace_back(std::move(delta));
  return true;
}

bool OpenAiStreamDecoder::TakeCitations(int32_t choice,
                                        const std::vector<model::Citation>& citations,
                                        ChoiceState* state, StreamEvents* events) {
  for (const model::Citation& citation : citations) {
    // The sources may come again with every chunk.
    std::string key = base::StrCat(citation.number, " ", citation.url);
    if (std::find(state->citations.begin(), state->citations.end(), key) !=
        state->citations.end()) {
      continue;
    }
    if (state->citations.size() == kCitationsMax) return false;
    state->citations.push_back(std::move(key));
    events->deltas.emplace_back(model::CitationDelta{choice, citation});
  }
  return true;
}

void OpenAiStreamDecoder::Flush(int32_t choice, ChoiceState* state, StreamEvents* events) {
  FlushHalf<model::ReasoningDelta>(choice, &state->reasoning, events);
  if (state->text.waiting() || !state->logprobs.empty()) {
    model::TextDelta delta;
    delta.choice = choice;
    state->text.Flush(&delta.text);
    delta.logprobs = std::exchange(state->logprobs, {});
    events->deltas.emplace_back(std::move(delta));
  }
  FlushHalf<model::RefusalDelta>(choice, &state->refusal, events);
  state->tools.Flush(choice, events);
}

}  // namespace pingti::providers::openai
