// The health service, grpc.health.v1.
//
// Our own and not gRPC's default one, because that brings the threads of the callback API into the
// process: they take part in polling every connection and cost each call 10 to 25% more CPU.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include "server/rpc/completion_call.h"

namespace pingti::rpc {

// Calls of Check: answered at once on the completion-queue thread.
class HealthCheckCall {
 public:
  // Waits for one call; it makes its successor itself. Destroys itself.
  static void Wait(const Listener& listener) { new HealthCheckCall(listener); }

 private:
  explicit HealthCheckCall(const Listener& listener);
  void OnAccepted(bool ok);
  void OnFinished(bool ok);

  const Listener listener_;
  LiveCalls::Token live_;  // from the acceptance on
  grpc::ServerContext context_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::ServerAsyncResponseWriter<grpc::health::v1::HealthCheckResponse> writer_{&context_};
  MemberTag<HealthCheckCall, &HealthCheckCall::OnAccepted> accepted_tag_{this};
  MemberTag<HealthCheckCall, &HealthCheckCall::OnFinished> finished_tag_{this};
};

// Calls of Watch: the state is sent at once, and again when it changes, which it does once. Loop
// thread but for tags.
class HealthWatchCall {
 public:
  // Watchers that a worker has at most; further ones get RESOURCE_EXHAUSTED.
  static constexpr size_t kWatchersMax = 1000;

  static void Wait(const Listener& listener) { new HealthWatchCall(listener); }

  // The state has changed: tell the watcher, and end its call if `last`. Loop thread.
  void Update(bool last);

 private:
  explicit HealthWatchCall(const Listener& listener);
  void OnAccepted(bool ok);
  void OnWritten(bool ok);
  void OnDone(bool ok);
  void OnFinished(bool ok);
  void Start();
  void AfterWrite();
  void Cancel();
  // Starts what can be started: the next state, or the end.
  void Pump();
  // The same for callers that hold no party: the end's event may come while Pump() is still at it.
  void PumpAndHold();
  void Release();

  const Listener listener_;
  LiveCalls::Token live_;  // from the acceptance on
  grpc::ServerContext context_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::ServerAsyncWriter<grpc::health::v1::HealthCheckResponse> writer_{&context_};
  // Loop thread.
  std::optional<int> sent_;  // the last state that was sent
  bool writing_ = false;
  bool ending_ = false;
  bool ended_ = false;
  grpc::Status end_ = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down");

  std::atomic<int> parties_{2};  // done tag, finished tag
  MemberTag<HealthWatchCall, &HealthWatchCall::OnAccepted> accepted_tag_{this};
  MemberTag<HealthWatchCall, &HealthWatchCall::OnWritten> written_tag_{this};
  MemberTag<HealthWatchCall, &HealthWatchCall::OnDone> done_tag_{this};
  MemberTag<HealthWatchCall, &HealthWatchCall::OnFinished> finished_tag_{this};
  MemberTask<HealthWatchCall, &HealthWatchCall::Start> start_task_{this};
  MemberTask<HealthWatchCall, &HealthWatchCall::AfterWrite> written_task_{this};
  MemberTask<HealthWatchCall, &HealthWatchCall::Cancel> cancel_task_{this};
};

}  // namespace pingti::rpc
