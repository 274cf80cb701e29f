// A Pingti server for tests of the client: says what a test tells it to and remembers what it was
// asked.
//
// Runs in the process, on a port that the system chooses, with gRPC's asynchronous API and one
// thread for everything: a call that hangs holds no thread, its cancellation is an event and not
// something to poll, and ThreadSanitizer, which does not see the order inside of gRPC, sees all of
// a call on one thread.
//
// Thread-safety: set the scripts first, then ask for target(), then call; what it saw may be read
// from any thread. The scripts run on the server's thread.
#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "pingti/v1/completion_service.pb.h"
#include "pingti/v1/models_service.pb.h"
#include "tests/unit/client/canned.h"
#include "tests/unit/client/scripted_call.h"

namespace pingti::testing {

class ServerDouble {
 public:
  ServerDouble() {
    host_.answer = [this](const auto& context, const auto& request) {
      return Answer(context, request);
    };
    host_.on_hang = [this] {
      if (on_hang) on_hang();
    };
    host_.on_cancelled = [this] { cancelled_.set_value(); };
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterAsyncGenericService(&host_.service);
    queue_ = builder.AddCompletionQueue();
    host_.queue = queue_.get();
    server_ = builder.BuildAndStart();
    host_.Accept();
    thread_ = std::thread([this] { Serve(); });
  }

  ~ServerDouble() {
    host_.Stop();
    // A deadline in the past: calls that still hang are cancelled.
    server_->Shutdown(gpr_time_0(GPR_CLOCK_MONOTONIC));
    host_.WaitForCalls();
    queue_->Shutdown();
    thread_.join();
  }

  ServerDouble(const ServerDouble&) = delete;
  ServerDouble& operator=(const ServerDouble&) = delete;

  // `127.0.0.1:<port>`.
  std::string target() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return "127.0.0.1:" + std::to_string(port_);
  }

  template <typename Request, typename Response>
  using Script = std::function<grpc::Status(const Request&, Response&)>;

  // Those of streams are used one after the other, the last one again and again. A method without
  // a script is UNIMPLEMENTED.
  std::vector<StreamScript> streams;
  Script<v1::GenerateCompletionRequest, v1::GenerateCompletionResponse> generate;
  bool generate_hangs = false;
  Script<v1::CountTokensRequest, v1::CountTokensResponse> count;
  Script<v1::GetQuotaRequest, v1::GetQuotaResponse> quota;
  Script<v1::ListModelsRequest, v1::ListModelsResponse> models;
  // A call has sent all of its events and now hangs.
  std::function<void()> on_hang;

  // Headers of the last call.
  std::map<std::string, std::string> headers() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return headers_;
  }

  std::vector<v1::StreamCompletionRequest> stream_requests() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return stream_requests_;
  }

  // Waits until a hanging call has been cancelled by its client.
  void WaitForCancel() { cancelled_.get_future().wait(); }

 private:
  static grpc::ByteBuffer Serialized(const google::protobuf::MessageLite& message) {
    const grpc::Slice slice(message.SerializeAsString());
    return grpc::ByteBuffer(&slice, 1);
  }

  template <typename Message>
  static Message Parsed(const grpc::ByteBuffer& bytes) {
    std::vector<grpc::Slice> slices;
    std::string text;
    if (bytes.Dump(&slices).ok()) {
      for (const grpc::Slice& slice : slices) {
        text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
    Message message;
    if (!message.ParseFromString(text)) message.Clear();
    return message;
  }

  void Serve() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      const auto& of_call = *static_cast<const ScriptedCall::Tag*>(tag);
      of_call.call->OnTag(of_call, ok);
    }
  }

  Reply Answer(const grpc::GenericServerContext& context, const grpc::ByteBuffer& request) {
    {
      // Also makes what the test wrote before target() visible here.
      const std::lock_guard<std::mutex> lock(mu_);
      headers_.clear();
      for (const auto& [key, value] : context.client_metadata()) {
        headers_.emplace(std::string(key.data(), key.size()),
                         std::string(value.data(), value.size()));
      }
    }
    const std::string& method = context.method();
    if (method == "/pingti.v1.Completion/StreamCompletion") return AnswerStream(request);
    if (method == "/pingti.v1.Completion/GenerateCompletion") {
      return generate_hangs ? Reply{.hang = true} : AnswerUnary(generate, request);
    }
    if (method == "/pingti.v1.Completion/CountTokens") return AnswerUnary(count, request);
    if (method == "/pingti.v1.Completion/GetQuota") return AnswerUnary(quota, request);
    if (method == "/pingti.v1.Models/ListModels") return AnswerUnary(models, request);
    return Unimplemented();
  }

  Reply AnswerStream(const grpc::ByteBuffer& request) {
    std::size_t number = 0;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      stream_requests_.push_back(Parsed<v1::StreamCompletionRequest>(request));
      number = stream_requests_.size() - 1;
    }
    if (streams.empty()) return Unimplemented();
    const StreamScript& script = streams[std::min(number, streams.size() - 1)];
    Reply reply{.status = script.status, .hang = script.hang};
    for (const auto& event : script.events) reply.messages.push_back(Serialized(event));
    return reply;
  }

  template <typename Request, typename Response>
  static Reply AnswerUnary(const std::function<grpc::Status(const Request&, Response&)>& script,
                           const grpc::ByteBuffer& request) {
    if (!script) return Unimplemented();
    Response response;
    Reply reply{.status = script(Parsed<Request>(request), response)};
    if (reply.status.ok()) reply.messages.push_back(Serialized(response));
    return reply;
  }

  static Reply Unimplemented() {
    return {.status = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no script")};
  }

  int port_ = 0;
  ScriptedCall::Host host_;
  mutable std::mutex mu_;
  std::map<std::string, std::string> headers_;                // Guarded by mu_.
  std::vector<v1::StreamCompletionRequest> stream_requests_;  // Guarded by mu_.
  std::promise<void> cancelled_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
};

}  // namespace pingti::testing
