// Decodes the stream of an OpenAI-compatible provider.
//
// A stream is complete where each choice that began has had its finish reason; `[DONE]` or the end
// of the body may follow. `[DONE]` alone is not enough: gateways in front of a model send it after
// a cut, too, and a finish reason is never made up. What is tolerated besides OpenAI's own shape is
// shown by the transcripts in tests/golden/openai/.
//
// Thread-safety: none; a decoder belongs to one attempt and is used on its dialect's thread, whose
// ChunkReader it shares.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/providers/dialect.h"
#include "server/providers/openai/chunk_reader.h"
#include "server/providers/openai/tool_calls.h"
#include "server/providers/sse_parser.h"

namespace pingti::providers::openai {

class OpenAiStreamDecoder : public StreamDecoder {
 public:
  OpenAiStreamDecoder(DecoderLimits limits, std::shared_ptr<ChunkReader> reader);

  std::optional<model::Failure> Feed(std::string_view bytes, model::StreamEvents* events) override;
  std::optional<model::Failure> End(model::StreamEvents* events) override;
  bool terminated() const override { return terminated_; }
  const model::AnswerInfo& info() const override { return info_; }

 private:
  // What is known of one choice.
  struct ChoiceState {
    bool begun = false;
    bool finished = false;
    bool has_content = false;
    SurrogateHalf text;
    SurrogateHalf reasoning;
    SurrogateHalf refusal;
    ToolCallTracker tools;
    std::vector<model::TokenLogprob> logprobs;  // of tokens that had no text of their own yet
    std::vector<std::string> citations;         // seen: number and address
  };

  // Log probabilities that wait for text; past it they leave with an empty one.
  static constexpr size_t kWaitingLogprobsMax = 256;

  std::optional<model::Failure> TakeEvent(const SseEvent& event, model::StreamEvents* events);
  std::optional<model::Failure> TakeChunk(const Chunk& chunk, std::string_view data,
                                          model::StreamEvents* events);
  // These return false where the text has malformed escapes or there is too much of a kind.
  bool TakeContent(const ChunkChoice& choice, const ChunkContent& content, ChoiceState* state,
                   model::StreamEvents* events);
  bool TakeText(const ChunkChoice& choice, const EscapedText& text, ChoiceState* state,
                model::StreamEvents* events);
  bool TakeCitations(int32_t choice, const std::vector<model::Citation>& citations,
                     ChoiceState* state, model::StreamEvents* events);
  // Gives out what still waits for more of the choice.
  void Flush(int32_t choice, ChoiceState* state, model::StreamEvents* events);
  std::optional<model::Failure> JudgeEnd() const;

  const size_t line_bytes_max_;
  SseParser parser_;
  const std::shared_ptr<ChunkReader> reader_;
  model::AnswerInfo info_;
  std::vector<ChoiceState> choices_;  // by index
  bool terminated_ = false;
  bool had_event_ = false;
};

}  // namespace pingti::providers::openai
