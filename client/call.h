// One call in flight: its gRPC context with deadline, key and cancellation. Internal to client/.
//
// Thread-safety: the cancel token may fire on any thread; everything else belongs to the caller's.
// Ownership: must not move while the call runs, because gRPC and the token point into it.
#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "client/options.h"

namespace pingti::client {

class CallContext {
 public:
  // `authorization` is the whole value of that header, or empty.
  CallContext(const std::string& authorization, std::chrono::milliseconds default_deadline,
              const CallOptions& options);
  CallContext(const CallContext&) = delete;
  CallContext& operator=(const CallContext&) = delete;

  grpc::ClientContext& grpc() { return context_; }

 private:
  struct Canceller {
    grpc::ClientContext* context;
    void operator()() const { context->TryCancel(); }
  };

  grpc::ClientContext context_;
  std::stop_callback<Canceller> on_cancel_;
};

}  // namespace pingti::client
