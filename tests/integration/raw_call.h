// A gRPC call with bytes instead of messages, for what no generated stub can send or show: requests
// that are no protobuf, services whose protocol is not here (health, reflection), metadata.
//
// Thread-safety: an object belongs to one thread.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "client/error.h"
#include "tests/integration/process.h"

namespace pingti::integration {

using Headers = std::multimap<std::string, std::string>;

class RawCall {
 public:
  // Sends `request` as the only message. `method` is `/package.Service/Method`.
  RawCall(std::shared_ptr<grpc::Channel> channel, const std::string& method,
          const std::string& request, const Headers& headers, Millis deadline = WaitMax());
  ~RawCall();

  // The next message; nothing: there is none any more.
  std::optional<std::string> Next();
  // How the call ended, with details decoded. Reads what is left.
  client::Error Finish();
  void Cancel() { context_.TryCancel(); }

  // After the first Next() or Finish().
  std::string InitialHeader(const std::string& name) const;

 private:
  // Waits for the one operation under way.
  bool Done();

  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  std::optional<client::Error> end_;
};

// Status that grpc.health.v1.Health/Check gives: 1 is SERVING, 2 NOT_SERVING; minus the gRPC code
// where it gives none.
int CheckHealth(std::shared_ptr<grpc::Channel> channel, const std::string& service = "");

// A grpc.health.v1.HealthCheckRequest, and the status in a HealthCheckResponse.
std::string HealthRequest(const std::string& service);
int HealthStatus(const std::string& response);

}  // namespace pingti::integration
