// How one kind of provider is spoken to: our request into its bytes, its bytes into our events.
//
// A `Dialect` has no state of a call and no I/O; it is shared by all calls of a worker and used
// from its loop thread only. A `StreamDecoder` belongs to one attempt. Everything that a provider
// sends is handled: any bytes lead to events or to a typed Failure, never to a crash, and text that
// leaves is valid UTF-8.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/model/answer.h"
#include "server/model/completion.h"
#include "server/model/failure.h"

namespace pingti::providers {

// A change that was made to a request for a target; same meaning as pingti.v1.Adaptation.
struct Adaptation {
  enum class Action { kDropped, kClamped, kRenamed, kMapped };
  std::string field;
  Action action = Action::kDropped;
  std::string reason;
};

// What a dialect must know of the model that is to serve; from the configuration.
struct TargetTraits {
  std::string upstream_model;
  // Parameters that the model does not know, by their names in CompletionSpec (`sampling.seed`,
  // `sampling.stop`, `response_format`, `user`, `stream_usage`, ...): dropped and reported.
  // `stream_usage` is our request for usage in a stream and is not reported.
  std::vector<std::string> unsupported_fields;
  // The model knows no role `developer`: sent as `system`.
  bool developer_role = false;
  // The model takes no system messages: they are dropped and reported.
  bool system_messages = true;
  // Name of the field for max_output_tokens: `max_tokens` or `max_completion_tokens`.
  std::string max_tokens_field = "max_tokens";
};

// A request in the provider's form. The transport's caller adds host and credentials.
struct WireRequest {
  std::string path;  // appended to the provider's base URL, for example `/chat/completions`
  std::string body;
  std::vector<Adaptation> adaptations;
};

struct DecoderLimits {
  size_t line_bytes_max = 16 * 1024 * 1024;  // longest line of a stream
};

// Turns the bytes of a streamed answer into events, whatever their segmentation.
class StreamDecoder {
 public:
  virtual ~StreamDecoder() = default;

  // Takes the next bytes and appends what they complete to `events`. Failure: kMalformed,
  // kAnswerTooLarge, or the class of an error event that the provider sent in the stream
  // (kOverloaded, kRateLimited, ...). After a failure only info() may be called.
  virtual std::optional<model::Failure> Feed(std::string_view bytes,
                                             model::StreamEvents* events) = 0;

  // The body has ended. Failure: kCut where the dialect's terminator or a finish reason for every
  // choice that began is missing; kMalformed where nothing at all was sent.
  virtual std::optional<model::Failure> End(model::StreamEvents* events) = 0;

  // The dialect's terminator has arrived: what follows is of no interest, the connection may be
  // dropped.
  virtual bool terminated() const = 0;

  // What is known so far; final after End().
  virtual const model::AnswerInfo& info() const = 0;
};

class Dialect {
 public:
  virtual ~Dialect() = default;

  // Writes the wire form of a valid request.
  virtual WireRequest Encode(const model::CompletionRequest& request, const TargetTraits& target,
                             bool stream) = 0;

  virtual std::unique_ptr<StreamDecoder> NewStreamDecoder(DecoderLimits limits) = 0;

  // Decodes a whole answer with HTTP status 200. `content_type` is the answer's header.
  virtual model::Result<model::Answer> DecodeAnswer(std::string_view content_type,
                                                    std::string_view body) = 0;

  // Classifies an answer that is an error: a status other than 200, or a 200 whose content type is
  // not a stream where one was asked for. `retry_after` and `retry_after_ms` are the values of
  // those headers, empty where absent; `now` is the wall clock, for dates.
  virtual model::Failure Classify(int status, std::string_view content_type, std::string_view body,
                                  std::string_view retry_after, std::string_view retry_after_ms,
                                  absl::Time now) = 0;
};

}  // namespace pingti::providers
