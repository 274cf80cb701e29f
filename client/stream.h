// The answer of a model, piece by piece.
//
//   pingti::client::CompletionStream stream = client.Stream(spec);
//   for (const auto& event : stream) std::cout << event.delta().text() << std::flush;
//   if (const auto& error = stream.Finish(); !error.ok()) ...
//
// Only Finish() says whether the answer is complete: a loop over the events ends in the same way
// when the connection breaks. A stream that the server ends with OK but without its `finished`
// message is an error, too (UNAVAILABLE, reason ANSWER_INCOMPLETE).
//
// Thread-safety: one thread reads; Cancel() may be called from any thread while the stream exists.
// Ownership: owns its call; it may outlive the Client. Destroying it before its end cancels the
// call.
// Errors: those of pingti/v1/error_reason.proto, and UNAVAILABLE, DEADLINE_EXCEEDED or CANCELLED
// from gRPC itself.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "client/error.h"
#include "pingti/v1/completion_service.grpc.pb.h"

namespace pingti::client {

class CompletionStream {
 public:
  // The call behind a stream; made by Client::Stream().
  class Call;

  explicit CompletionStream(std::unique_ptr<Call> call);
  CompletionStream(CompletionStream&&) noexcept;
  CompletionStream& operator=(CompletionStream&&) noexcept;
  ~CompletionStream();

  // Waits for the next event. Nothing: the stream has ended; Finish() says how.
  std::optional<v1::StreamCompletionResponse> Next();

  // Stops the call, here and at the provider. Events that are already here are still read; then
  // the stream ends with CANCELLED, unless it was complete before.
  void Cancel();

  // Reads what is left, without keeping it, and says how the stream ended: ok() only when the
  // answer is complete. The same answer each time.
  const Error& Finish();

  // Id of the call; empty until the first event.
  const std::string& request_id() const;

  // Input iterator over the events that are left; reading it is Next().
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = v1::StreamCompletionResponse;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    explicit Iterator(CompletionStream* stream) : stream_(stream) { ++*this; }
    reference operator*() const { return *event_; }
    pointer operator->() const { return &*event_; }
    Iterator& operator++() {
      event_ = stream_->Next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return !it.event_; }

   private:
    CompletionStream* stream_;
    std::optional<value_type> event_;
  };
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::unique_ptr<Call> call_;
};

}  // namespace pingti::client
