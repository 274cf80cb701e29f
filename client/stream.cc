#include "client/stream.h"

#include <utility>

#include "client/stream_call.h"

namespace pingti::client {

CompletionStream::Call::Call(std::shared_ptr<v1::Completion::StubInterface> stub,
                             const std::string& authorization,
                             std::chrono::milliseconds default_deadline, const CallOptions& options,
                             const v1::StreamCompletionRequest& request)
    : stub_(std::move(stub)),
      context_(authorization, default_deadline, options),
      reader_(stub_->StreamCompletion(&context_.grpc(), request)) {}

CompletionStream::Call::~Call() {
  if (end_) return;
  // gRPC wants the status of every stream to be taken.
  Cancel();
  End();
}

std::optional<v1::StreamCompletionResponse> CompletionStream::Call::Next() {
  if (end_) return std::nullopt;
  v1::StreamCompletionResponse event;
  if (!reader_->Read(&event)) {
    End();
    return std::nullopt;
  }
  if (finished_seen_) {
    // Nothing may follow the last message; a peer that goes on is not trusted with the rest.
    event_after_finished_ = true;
    Cancel();
    End();
    return std::nullopt;
  }
  switch (event.event_case()) {
    case v1::StreamCompletionResponse::kStarted:
      request_id_ = event.started().request_id();
      break;
    case v1::StreamCompletionResponse::kDelta:
      answer_started_ = true;
      break;
    case v1::StreamCompletionResponse::kFinished:
      finished_seen_ = true;
      break;
    case v1::StreamCompletionResponse::EVENT_NOT_SET:
      break;
  }
  return event;
}

void CompletionStream::Call::End() {
  const grpc::Status status = reader_->Finish();
  if (request_id_.empty()) request_id_ = RequestIdOf(context_.grpc());
  Error error = ErrorFromStatus(status, request_id_);
  if (event_after_finished_) {
    error = LocalError(grpc::StatusCode::INTERNAL, "the server went on after its last message");
  } else if (error.ok() && !finished_seen_) {
    error = LocalError(grpc::StatusCode::UNAVAILABLE,
                       "the stream ended without its last message; the answer is not complete");
    error.reason = kReasonAnswerIncomplete;
  }
  if (error.request_id.empty()) error.request_id = request_id_;
  error.answer_started = !error.ok() && answer_started_;
  end_ = std::move(error);
}

const Error& CompletionStream::Call::Finish() {
  // Bounded by the call's deadline.
  while (!end_) Next();
  return *end_;
}

CompletionStream::CompletionStream(std::unique_ptr<Call> call) : call_(std::move(call)) {}
CompletionStream::CompletionStream(CompletionStream&&) noexcept = default;
CompletionStream& CompletionStream::operator=(CompletionStream&&) noexcept = default;
CompletionStream::~CompletionStream() = default;

std::optional<v1::StreamCompletionResponse> CompletionStream::Next() { return call_->Next(); }
void CompletionStream::Cancel() { call_->Cancel(); }
const Error& CompletionStream::Finish() { return call_->Finish(); }
const std::string& CompletionStream::request_id() const { return call_->request_id(); }

}  // namespace pingti::client
