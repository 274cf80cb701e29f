// A call of GenerateCompletion.
#pragma once

#include <vector>

#include <grpcpp/support/async_unary_call.h>

#include "server/rpc/completion_call.h"

namespace pingti::rpc {

class UnaryCall final : public CompletionCall {
 public:
  // Waits for one call; it makes its successor itself. Destroys itself.
  static void Wait(const Listener& listener) { new UnaryCall(listener); }

  void SendStarted(std::string_view, std::string_view, const exchange::ServedBy&) override;
  void SendDelta(model::ContentDelta) override;
  bool full() const override { return false; }
  void FinishStream(exchange::Completed, std::vector<model::ChoiceEnd>) override;
  void FinishAnswer(exchange::Completed completed, model::Answer answer) override;
  void Fail(const model::CallError& error, std::string_view request_id) override;

 private:
  explicit UnaryCall(const Listener& listener);
  void WaitForNext() override { Wait(listener_); }
  std::optional<model::CallError> ReadInput(exchange::CallInput* input) override;

  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer_{&context_};
};

}  // namespace pingti::rpc
