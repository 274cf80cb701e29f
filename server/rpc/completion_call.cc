#include "server/rpc/completion_call.h"

#include <chrono>
#include <utility>

#include <grpcpp/impl/codegen/proto_utils.h>

#include "server/rpc/credentials.h"

namespace pingti::rpc {

base::Instant DeadlineOf(const grpc::ServerContext& context, const base::Clock& clock) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return base::Instant::InfiniteFuture();
  }
  return clock.MonotonicNow() + (absl::FromChrono(deadline) - clock.Now());
}

CompletionCall::CompletionCall(const Listener& listener) : listener_(listener) {
  context_.AsyncNotifyWhenDone(done_tag_.ForOperation());
}

void CompletionCall::AddHeader(std::string_view name, std::string_view value) {
  context_.AddInitialMetadata(std::string(name), std::string(value));
}

void CompletionCall::OnAccepted(bool ok) {
  if (!ok) {  // the server shuts down
    delete this;
    return;
  }
  live_ = listener_.live_calls->Enter();
  accepted_at_ = listener_.worker->clock().MonotonicNow();
  WaitForNext();
  listener_.worker->loop().Post(&start_task_);
}

void CompletionCall::Start() {
  exchange::Worker& worker = *listener_.worker;
  worker.stats().loop_posts.Add();
  exchange::CallInput input;
  input.arrival = accepted_at_;
  worker.NoteLoopDelay(worker.clock().MonotonicNow() - accepted_at_);
  input.deadline = DeadlineOf(context_, worker.clock());
  Credentials credentials = CredentialsOf(context_);
  input.authorization = credentials.authorization;
  input.peer_identities = std::move(credentials.peer_identities);
  if (worker.records_calls()) input.peer = context_.peer();
  input.bytes = static_cast<int64_t>(request_.Length());
  input.unreadable = ReadInput(&input);
  call_.emplace(worker, *this, std::move(input));
  base::Detach(RunCall());
}

base::Task<void> CompletionCall::RunCall() {
  co_await call_->Run();
  call_.reset();
  Release();
}

void CompletionCall::OnDone(bool /*ok*/) {
  // Also given when all went well; only a call that was cut off has to be ended.
  if (context_.IsCancelled()) {
    listener_.worker->loop().Post(&cancel_task_);
  } else {
    Release();
  }
}

void CompletionCall::Cancel() {
  listener_.worker->stats().loop_posts.Add();
  if (call_) call_->Stop(exchange::StopCause::kCallerCancelled);
  Release();
}

void CompletionCall::OnFinished(bool /*ok*/) { Release(); }

void CompletionCall::Release() {
  if (parties_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void CompletionCall::Serialize(const google::protobuf::Message& message, grpc::ByteBuffer* buffer) {
  bool own_buffer = false;
  // Cannot fail: messages of ours are far below 2 GB and all their texts are UTF-8.
  (void)grpc::SerializationTraits<google::protobuf::Message>::Serialize(message, buffer,
                                                                        &own_buffer);
  bytes_sent_ += static_cast<int64_t>(buffer->Length());
}

}  // namespace pingti::rpc
