// A client of a Pingti server: completions, models, quota.
//
//   auto client = pingti::client::Client::Create({.target = "127.0.0.1:50051", .api_key = key});
//   pingti::v1::CompletionSpec spec = ...;
//   auto answer = client->Generate(spec);
//   if (!answer.ok()) std::cerr << answer.error().message;
//
// Every call blocks its thread until it has an answer, an error, or its deadline; nothing is
// retried. Error::retry_delay says when trying again makes sense.
//
// Thread-safety: a Client may be used from any number of threads at once.
// Ownership: shares one channel (one connection, opened by the first call) with its copies and
// streams.
// Errors: those of pingti/v1/error_reason.proto; UNAVAILABLE where no server answers,
// DEADLINE_EXCEEDED and CANCELLED from gRPC itself.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <vector>

#include "client/options.h"
#include "client/result.h"
#include "client/stream.h"
#include "pingti/v1/completion_service.grpc.pb.h"
#include "pingti/v1/models_service.grpc.pb.h"

namespace pingti::client {

class Client {
 public:
  // Checks the options; does not connect. INVALID_ARGUMENT: a setting that cannot be, also an API
  // key with characters that a header cannot carry.
  static Result<Client> Create(ClientOptions options);

  // The answer in one piece.
  Result<v1::GenerateCompletionResponse> Generate(const v1::CompletionSpec& spec,
                                                  const CallOptions& options = {}) const;

  // The answer piece by piece. Always returns a stream: what goes wrong is said by its Finish().
  CompletionStream Stream(const v1::CompletionSpec& spec, const StreamOptions& options = {}) const;

  // Estimates the tokens of a request; takes no quota.
  Result<v1::CountTokensResponse> CountTokens(const v1::CompletionSpec& spec,
                                              const CallOptions& options = {}) const;

  // The caller's quota buckets: those that a call of `model` takes from, or all if it is empty.
  Result<v1::GetQuotaResponse> GetQuota(const std::string& model = {},
                                        const CallOptions& options = {}) const;

  // Every model that the caller may name, all pages. The deadline holds for each page. INTERNAL: a
  // server whose pages do not end.
  Result<std::vector<v1::Model>> ListModels(const CallOptions& options = {}) const;

 private:
  Client(ClientOptions options, const std::shared_ptr<grpc::Channel>& channel);

  ClientOptions options_;
  std::string authorization_;
  std::shared_ptr<v1::Completion::StubInterface> completion_;
  std::shared_ptr<v1::Models::StubInterface> models_;
};

}  // namespace pingti::client
