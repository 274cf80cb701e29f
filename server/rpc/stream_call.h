// A call of StreamCompletion: one write outstanding, a bounded queue behind it.
//
// A write's completion comes on the completion-queue thread, or at once on the loop thread that
// started it (inline_event.h). It wakes the loop only when the loop waits for it, that is when
// something is queued or the stream is to be finished; otherwise it only notes that the stream is
// idle again.
#pragma once

#include <atomic>
#include <deque>
#include <optional>
#include <vector>

#include <grpcpp/support/async_stream.h>

#include "server/rpc/completion_call.h"

namespace pingti::rpc {

class StreamCall final : public CompletionCall {
 public:
  // Waits for one call; it makes its successor itself. Destroys itself.
  static void Wait(const Listener& listener) { new StreamCall(listener); }

  void SendStarted(std::string_view request_id, std::string_view model,
                   const exchange::ServedBy& served_by) override;
  void SendDelta(model::ContentDelta delta) override;
  bool full() const override;
  void FinishStream(exchange::Completed completed, std::vector<model::ChoiceEnd> ends) override;
  void FinishAnswer(exchange::Completed, model::Answer) override;
  void Fail(const model::CallError& error, std::string_view request_id) override;

 private:
  enum WriteState { kIdle, kWriting, kWritingAndAwaited };

  // A message that waits for the write before it.
  struct Queued {
    v1::StreamCompletionResponse message;
    size_t bytes = 0;
  };

  explicit StreamCall(const Listener& listener);
  void WaitForNext() override { Wait(listener_); }
  std::optional<model::CallError> ReadInput(exchange::CallInput* input) override;

  // Adds to the last queued message if that is a piece of the same kind and choice.
  bool Join(const model::ContentDelta& delta);
  void Enqueue(v1::StreamCompletionResponse message, size_t bytes);
  // Starts what can be started: the next write, or the end. Loop thread.
  void Pump();
  // True if a write may be started now; otherwise its completion will call Pump().
  bool ClaimWriter();
  void OnWritten(bool ok);
  void OnAwaitedWrite();

  grpc::ServerAsyncWriter<grpc::ByteBuffer> writer_{&context_};
  std::atomic<WriteState> write_state_{kIdle};
  std::atomic<bool> broken_{false};  // a write failed: the caller is gone
  bool wrote_ = false;               // a write was started
  std::deque<Queued> queue_;         // bounded by full()
  size_t queued_bytes_ = 0;
  std::optional<grpc::Status> end_;  // set: finish with this when the queue is empty
  MemberTag<StreamCall, &StreamCall::OnWritten> written_tag_{this};
  MemberTask<StreamCall, &StreamCall::OnAwaitedWrite> awaited_task_{this};
};

}  // namespace pingti::rpc
