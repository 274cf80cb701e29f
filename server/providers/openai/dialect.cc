#include "server/providers/openai/dialect.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "rapidjson/stringbuffer.h"
#include "server/base/strings.h"
#include "server/providers/openai/answer_decoder.h"
#include "server/providers/openai/chunk_reader.h"
#include "server/providers/openai/errors.h"
#include "server/providers/openai/request_writer.h"
#include "server/providers/openai/stream_decoder.h"
#include "server/providers/retry_after.h"

namespace pingti::providers::openai {
namespace {

using model::Failure;
using model::FailureClass;

// A buffer that has grown past it is given up after the request.
constexpr size_t kKeptBytesMax = 1024 * 1024;
// Longer error bodies are not parsed.
constexpr size_t kErrorBodyBytesMax = 1024 * 1024;

class OpenAiDialect : public Dialect {
 public:
  OpenAiDialect() : reader_(std::make_shared<ChunkReader>()) {}

  WireRequest Encode(const model::CompletionRequest& request, const TargetTraits& target,
                     bool stream) override {
    WireRequest wire;
    wire.path = "/chat/completions";
    buffer_.Clear();
    WriteRequest(request, target, stream, &buffer_, &wire.adaptations);
    wire.body.assign(buffer_.GetString(), buffer_.GetSize());
    if (buffer_.GetSize() > kKeptBytesMax) {
      buffer_.Clear();
      buffer_.ShrinkToFit();
    }
    return wire;
  }

  std::unique_ptr<StreamDecoder> NewStreamDecoder(DecoderLimits limits) override {
    return std::make_unique<OpenAiStreamDecoder>(limits, reader_);
  }

  model::Result<model::Answer> DecodeAnswer(std::string_view content_type,
                                            std::string_view body) override {
    return DecodeWholeAnswer(content_type, body, reader_);
  }

  Failure Classify(int status, std::string_view content_type, std::string_view body,
                   std::string_view retry_after, std::string_view retry_after_ms,
                   absl::Time now) override {
    Failure failure = ClassifyBody(status, content_type, body);
    if (auto wait = ParseRetryAfter(retry_after, retry_after_ms, now)) failure.retry_after = wait;
    return failure;
  }

 private:
  Failure ClassifyBody(int status, std::string_view content_type, std::string_view body) {
    if (IsHtml(content_type, body)) return FailureOfHtml(status, body);
    const Chunk* chunk = ReadErrorBody(body);
    if (status == kStatusOk && (chunk == nullptr || !chunk->error.stated)) {
      // An answer in one piece, or nothing at all, where a stream was asked for.
      return MakeFailure(FailureClass::kMalformed, status, body);
    }
    return FailureOfError(status, chunk != nullptr ? chunk->error : ProviderError(), body);
  }

  const Chunk* ReadErrorBody(std::string_view body) {
    if (body.size() > kErrorBodyBytesMax) return nullptr;
    absl::string_view stripped = absl::StripAsciiWhitespace(base::AbslView(body));
    body = std::string_view(stripped.data(), stripped.size());
    // Gemini's compatible endpoint wraps its error in an array.
    if (body.starts_with('[') && body.ends_with(']')) body = body.substr(1, body.size() - 2);
    return reader_->Read(body);
  }

  std::shared_ptr<ChunkReader> reader_;
  rapidjson::StringBuffer buffer_;
};

}  // namespace

std::unique_ptr<Dialect> NewOpenAiDialect() { return std::make_unique<OpenAiDialect>(); }

}  // namespace pingti::providers::openai
