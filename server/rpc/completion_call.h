// One call of GenerateCompletion or StreamCompletion: gRPC's side of an exchange::Call.
//
// Life: made to wait for a call; accepted on the completion-queue thread, which at once makes the
// next one; from then on it works on the worker's loop thread. It is destroyed when the coroutine
// has ended and gRPC has given back its two last tags, by whichever of them comes last. What
// belongs to the loop (the exchange::Call and its timer) is destroyed before, on the loop thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

#include <google/protobuf/message.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include "server/base/event_loop.h"
#include "server/exchange/call.h"
#include "server/exchange/response_sink.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/service.h"
#include "server/rpc/tag.h"

namespace pingti::rpc {

class HealthWatchCall;

// What a call needs of the worker that it came in at.
struct Listener {
  Services* services = nullptr;
  grpc::ServerCompletionQueue* queue = nullptr;
  exchange::Worker* worker = nullptr;
  std::set<HealthWatchCall*>* watchers = nullptr;  // loop thread
  LiveCalls* live_calls = nullptr;
};

base::Instant DeadlineOf(const grpc::ServerContext& context, const base::Clock& clock);

// A task of the loop that calls a method of its owner.
template <typename Owner, void (Owner::*kMethod)()>
class MemberTask final : public base::LoopTask {
 public:
  explicit MemberTask(Owner* owner) : owner_(owner) {}

 protected:
  void Run() override { (owner_->*kMethod)(); }

 private:
  Owner* const owner_;
};

// What the two methods have in common.
class CompletionCall : public exchange::ResponseSink {
 public:
  void AddHeader(std::string_view name, std::string_view value) override;
  int64_t chunks_sent() const override { return chunks_sent_; }
  int64_t bytes_sent() const override { return bytes_sent_; }

 protected:
  explicit CompletionCall(const Listener& listener);

  // Makes the next call that waits, and reads the request of this one.
  virtual void WaitForNext() = 0;
  virtual std::optional<model::CallError> ReadInput(exchange::CallInput* input) = 0;

  // One more party keeps this alive, or one of them has ended. The last one destroys it.
  void Retain() { parties_.fetch_add(1, std::memory_order_relaxed); }
  void Release();
  // Serialises into `buffer` and counts its bytes.
  void Serialize(const google::protobuf::Message& message, grpc::ByteBuffer* buffer);

  const Listener listener_;
  LiveCalls::Token live_;  // from the acceptance on
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  std::optional<exchange::Call> call_;  // loop thread
  base::Instant accepted_at_;
  int64_t chunks_sent_ = 0;
  int64_t bytes_sent_ = 0;

  Tag& accepted_tag() { return accepted_tag_; }
  Tag& finished_tag() { return finished_tag_; }

 private:
  // Completion-queue thread.
  void OnAccepted(bool ok);
  void OnDone(bool ok);
  void OnFinished(bool ok);
  // Loop thread.
  void Start();
  void Cancel();
  base::Task<void> RunCall();

  std::atomic<int> parties_{3};  // coroutine, done tag, finished tag
  MemberTag<CompletionCall, &CompletionCall::OnAccepted> accepted_tag_{this};
  MemberTag<CompletionCall, &CompletionCall::OnDone> done_tag_{this};
  MemberTag<CompletionCall, &CompletionCall::OnFinished> finished_tag_{this};
  MemberTask<CompletionCall, &CompletionCall::Start> start_task_{this};
  MemberTask<CompletionCall, &CompletionCall::Cancel> cancel_task_{this};
};

}  // namespace pingti::rpc
