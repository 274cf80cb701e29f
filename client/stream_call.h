// The call behind a CompletionStream. Internal to client/.
//
// Thread-safety and ownership: as CompletionStream, which owns it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "client/call.h"
#include "client/error.h"
#include "client/stream.h"
#include "pingti/v1/completion_service.grpc.pb.h"

namespace pingti::client {

class CompletionStream::Call {
 public:
  Call(std::shared_ptr<v1::Completion::StubInterface> stub, const std::string& authorization,
       std::chrono::milliseconds default_deadline, const CallOptions& options,
       const v1::StreamCompletionRequest& request);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  std::optional<v1::StreamCompletionResponse> Next();
  void Cancel() { context_.grpc().TryCancel(); }
  const Error& Finish();
  const std::string& request_id() const { return request_id_; }

 private:
  // Takes the status from gRPC and turns it, with what was seen, into the end of the stream.
  void End();

  std::shared_ptr<v1::Completion::StubInterface> stub_;
  CallContext context_;
  std::unique_ptr<grpc::ClientReaderInterface<v1::StreamCompletionResponse>> reader_;
  std::string request_id_;
  bool answer_started_ = false;
  bool finished_seen_ = false;
  bool event_after_finished_ = false;
  std::optional<Error> end_;
};

}  // namespace pingti::client
