// A client of a Pingti server: completions, models, quota, accounts.
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
#include "pingti/v1/accounts_service.grpc.pb.h"
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

  // The methods of pingti.v1.Accounts, one call each; accounts_service.proto says what a tenant's
  // key may do and what takes an administrator's. A list is one page.
  Result<v1::GetBalanceResponse> GetBalance(const v1::GetBalanceRequest& request,
                                            const CallOptions& options = {}) const;
  Result<v1::TopUpResponse> TopUp(const v1::TopUpRequest& request,
                                  const CallOptions& options = {}) const;
  Result<v1::AdjustResponse> Adjust(const v1::AdjustRequest& request,
                                    const CallOptions& options = {}) const;
  Result<v1::ListTransfersResponse> ListTransfers(const v1::ListTransfersRequest& request,
                                                  const CallOptions& options = {}) const;
  Result<v1::ListUsageResponse> ListUsage(const v1::ListUsageRequest& request,
                                          const CallOptions& options = {}) const;
  Result<v1::ListPricesResponse> ListPrices(const v1::ListPricesRequest& request,
                                            const CallOptions& options = {}) const;
  Result<v1::VerifyLedgerResponse> VerifyLedger(const CallOptions& options = {}) const;
  Result<v1::CreateTenantResponse> CreateTenant(const v1::CreateTenantRequest& request,
                                                const CallOptions& options = {}) const;
  Result<v1::SuspendTenantResponse> SuspendTenant(const v1::SuspendTenantRequest& request,
                                                  const CallOptions& options = {}) const;
  Result<v1::ResumeTenantResponse> ResumeTenant(const v1::ResumeTenantRequest& request,
                                                const CallOptions& options = {}) const;
  Result<v1::DeleteTenantResponse> DeleteTenant(const v1::DeleteTenantRequest& request,
                                                const CallOptions& options = {}) const;
  Result<v1::SetTierResponse> SetTier(const v1::SetTierRequest& request,
                                      const CallOptions& options = {}) const;
  Result<v1::SetIdentitiesResponse> SetIdentities(const v1::SetIdentitiesRequest& request,
                                                  const CallOptions& options = {}) const;
  Result<v1::ListTenantsResponse> ListTenants(const v1::ListTenantsRequest& request,
                                              const CallOptions& options = {}) const;
  Result<v1::CreateKeyResponse> CreateKey(const v1::CreateKeyRequest& request,
                                          const CallOptions& options = {}) const;
  Result<v1::RotateKeyResponse> RotateKey(const v1::RotateKeyRequest& request,
                                          const CallOptions& options = {}) const;
  Result<v1::RevokeKeyResponse> RevokeKey(const v1::RevokeKeyRequest& request,
                                          const CallOptions& options = {}) const;
  Result<v1::ListKeysResponse> ListKeys(const v1::ListKeysRequest& request,
                                        const CallOptions& options = {}) const;

 private:
  Client(ClientOptions options, const std::shared_ptr<grpc::Channel>& channel);

  // One call of Accounts.
  template <typename Request, typename Response>
  Result<Response> Ask(grpc::Status (v1::Accounts::StubInterface::*method)(grpc::ClientContext*,
                                                                           const Request&,
                                                                           Response*),
                       const Request& request, const CallOptions& options) const;

  ClientOptions options_;
  std::string authorization_;
  std::shared_ptr<v1::Completion::StubInterface> completion_;
  std::shared_ptr<v1::Models::StubInterface> models_;
  std::shared_ptr<v1::Accounts::StubInterface> accounts_;
};

}  // namespace pingti::client
