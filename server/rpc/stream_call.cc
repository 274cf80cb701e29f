#include "server/rpc/stream_call.h"

#include <utility>

#include "server/base/check.h"
#include "server/rpc/arena.h"
#include "server/rpc/inline_event.h"
#include "server/rpc/read_request.h"
#include "server/rpc/status.h"
#include "server/rpc/write_response.h"

namespace pingti::rpc {
namespace {

// What a queued message costs beside its text.
constexpr size_t kMessageOverheadBytes = 64;

size_t BytesOf(const model::ContentDelta& delta) {
  struct Visitor {
    size_t operator()(const model::TextDelta& d) const {
      return d.text.size() + d.logprobs.size() * kMessageOverheadBytes;
    }
    size_t operator()(const model::ReasoningDelta& d) const { return d.text.size(); }
    size_t operator()(const model::RefusalDelta& d) const { return d.text.size(); }
    size_t operator()(const model::ToolCallDelta& d) const {
      return d.arguments_json.size() + d.name.size() + d.id.size();
    }
    size_t operator()(const model::CitationDelta& d) const {
      return d.citation.url.size() + d.citation.title.size();
    }
  };
  return kMessageOverheadBytes + std::visit(Visitor(), delta);
}

}  // namespace

StreamCall::StreamCall(const Listener& listener) : CompletionCall(listener) {
  listener_.services->completion.RequestStreamCompletion(&context_, &request_, &writer_,
                                                         listener_.queue, listener_.queue,
                                                         accepted_tag().ForOperation());
}

std::optional<model::CallError> StreamCall::ReadInput(exchange::CallInput* input) {
  input->stream = true;
  google::protobuf::Arena arena;
  auto* request = NewIn<v1::StreamCompletionRequest>(&arena);
  if (auto error = ParseRequest(&request_, request)) return error;
  input->include_reasoning = request->include_reasoning();
  return ReadSpec(request->mutable_spec(), &input->request);
}

void StreamCall::SendStarted(std::string_view request_id, std::string_view model,
                             const exchange::ServedBy& served_by) {
  v1::StreamCompletionResponse message;
  v1::StreamStarted* started = message.mutable_started();
  started->set_request_id(request_id.data(), request_id.size());
  started->set_model(model.data(), model.size());
  WriteServedBy(served_by, started->mutable_served_by());
  Enqueue(std::move(message), kMessageOverheadBytes);
}

void StreamCall::SendDelta(model::ContentDelta delta) {
  const size_t bytes = BytesOf(delta);
  if (Join(delta)) {
    queue_.back().bytes += bytes;
    queued_bytes_ += bytes;
    return;
  }
  v1::StreamCompletionResponse message;
  WriteDelta(std::move(delta), message.mutable_delta());
  ++chunks_sent_;
  Enqueue(std::move(message), bytes);
  Pump();
}

bool StreamCall::Join(const model::ContentDelta& delta) {
  if (queue_.empty() || !queue_.back().message.has_delta()) return false;
  v1::StreamDelta* last = queue_.back().message.mutable_delta();
  if (const auto* text = std::get_if<model::TextDelta>(&delta)) {
    if (!last->has_text() || last->choice_index() != text->choice || !text->logprobs.empty()) {
      return false;
    }
    last->mutable_text()->append(text->text);
    return true;
  }
  if (const auto* reasoning = std::get_if<model::ReasoningDelta>(&delta)) {
    if (!last->has_reasoning() || last->choice_index() != reasoning->choice) return false;
    last->mutable_reasoning()->append(reasoning->text);
    return true;
  }
  if (const auto* call = std::get_if<model::ToolCallDelta>(&delta)) {
    if (!last->has_tool_call() || last->choice_index() != call->choice ||
        last->tool_call().index() != call->index || !call->id.empty() || !call->name.empty()) {
      return false;
    }
    last->mutable_tool_call()->mutable_arguments_json()->append(call->arguments_json);
    return true;
  }
  return false;
}

void StreamCall::Enqueue(v1::StreamCompletionResponse message, size_t bytes) {
  queued_bytes_ += bytes;
  queue_.push_back({std::move(message), bytes});
}

bool StreamCall::full() const {
  return queued_bytes_ >=
         static_cast<size_t>(listener_.worker->config().limits.stream_buffer_bytes_max);
}

bool StreamCall::ClaimWriter() {
  WriteState seen = kIdle;
  if (write_state_.compare_exchange_strong(seen, kWriting, std::memory_order_acq_rel)) return true;
  if (seen == kWritingAndAwaited) return false;
  if (write_state_.compare_exchange_strong(seen, kWritingAndAwaited, std::memory_order_acq_rel)) {
    return false;
  }
  // The write ended between the two looks; nobody else starts one.
  write_state_.store(kWriting, std::memory_order_relaxed);
  return true;
}

void StreamCall::Pump() {
  if (broken_.load(std::memory_order_acquire)) {
    queue_.clear();
    queued_bytes_ = 0;
    // The caller has gone, though gRPC may take its time to say so. Until then there would be room
    // for everything, and the provider would be read to its end for nobody.
    if (call_ && !end_) return call_->Stop(exchange::StopCause::kCallerCancelled);
  }
  if (queue_.empty() && !end_) return;
  if (!ClaimWriter()) return;
  if (queue_.empty()) {
    writer_.Finish(*end_, finished_tag().ForOperation());
    return;
  }
  Queued next = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= next.bytes;
  grpc::ByteBuffer bytes;
  Serialize(next.message, &bytes);
  grpc::WriteOptions options;
  if (queue_.empty() && end_) {
    writer_.WriteAndFinish(bytes, options, *end_, finished_tag().ForOperation());
    return;
  }
  const bool first = !std::exchange(wrote_, true);
  if (queue_.empty()) {
    StartAndTakeEvent(listener_.queue,
                      [&] { writer_.Write(bytes, options, written_tag_.ForOperation()); });
    return;
  }
  write_state_.store(kWritingAndAwaited, std::memory_order_relaxed);
  // More follows at once: let gRPC put both into one segment. Not for the first message: it travels
  // with the initial metadata, and gRPC would hold both back without ever completing the write.
  if (!first) options.set_buffer_hint();
  writer_.Write(bytes, options, written_tag_.ForOperation());
}

void StreamCall::OnWritten(bool ok) {
  if (!ok) broken_.store(true, std::memory_order_release);
  // Once it is idle the loop may start the next write or the end, so nothing of this is touched any
  // more. Where the loop waits, the write stays claimed until the task runs there: otherwise the
  // loop could end the call, and this, before the task is posted.
  WriteState seen = kWriting;
  if (!write_state_.compare_exchange_strong(seen, kIdle, std::memory_order_acq_rel)) {
    listener_.worker->loop().Post(&awaited_task_);
  }
}

void StreamCall::OnAwaitedWrite() {
  // Pump() may send the end, whose event may come while it is still under way; the coroutine may be
  // long gone.
  Retain();
  write_state_.store(kIdle, std::memory_order_relaxed);
  listener_.worker->stats().loop_posts.Add();
  const bool call_waits = call_ && full();
  Pump();
  if (call_waits && call_ && !full()) call_->signal().Notify();
  Release();
}

void StreamCall::FinishStream(exchange::Completed completed, std::vector<model::ChoiceEnd> ends) {
  v1::StreamCompletionResponse message;
  v1::StreamFinished* finished = message.mutable_finished();
  for (const model::ChoiceEnd& end : ends) {
    v1::ChoiceEnd* written = finished->add_choices();
    written->set_index(end.index);
    written->set_finish_reason(FinishReasonOf(end.reason));
  }
  WriteUsage(completed.usage, finished->mutable_usage());
  WriteServedBy(completed.served_by, finished->mutable_served_by());
  if (completed.cost.charged) WriteCost(completed.cost, finished->mutable_cost());
  WriteTimings(completed.timings, finished->mutable_timings());
  Enqueue(std::move(message), kMessageOverheadBytes);
  end_ = grpc::Status::OK;
  Pump();
}

void StreamCall::FinishAnswer(exchange::Completed, model::Answer) {
  PINGTI_CHECK(false, "a stream has no whole answer");
}

void StreamCall::Fail(const model::CallError& error, std::string_view request_id) {
  // What is queued goes out first, unless the caller is gone: it was received and is charged.
  end_ = ToStatus(error, request_id);
  Pump();
}

}  // namespace pingti::rpc
