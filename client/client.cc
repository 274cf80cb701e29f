#include "client/client.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/call.h"
#include "client/channel.h"
#include "client/stream_call.h"

namespace pingti::client {
namespace {

constexpr std::size_t kApiKeyBytesMax = 4096;

// Most pages that ListModels() reads, and the size that it asks for: the server's largest.
constexpr int kModelPagesMax = 100;
constexpr int kModelPageSize = 1000;

// gRPC aborts the process on header values that HTTP/2 does not allow.
bool CanBeBearerToken(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

Result<Client> Client::Create(ClientOptions options) {
  if (options.api_key.size() > kApiKeyBytesMax || !CanBeBearerToken(options.api_key)) {
    return LocalError(grpc::StatusCode::INVALID_ARGUMENT,
                      "the API key is too long or holds a character that no key has");
  }
  Result<std::shared_ptr<grpc::Channel>> channel = MakeChannel(options);
  if (!channel.ok()) return channel.error();
  return Client(std::move(options), *channel);
}

Client::Client(ClientOptions options, const std::shared_ptr<grpc::Channel>& channel)
    : options_(std::move(options)),
      authorization_(options_.api_key.empty() ? "" : "Bearer " + options_.api_key),
      completion_(v1::Completion::NewStub(channel)),
      models_(v1::Models::NewStub(channel)),
      accounts_(v1::Accounts::NewStub(channel)) {}

Result<v1::GenerateCompletionResponse> Client::Generate(const v1::CompletionSpec& spec,
                                                        const CallOptions& options) const {
  CallContext context(authorization_, options_.default_deadline, options);
  v1::GenerateCompletionRequest request;
  *request.mutable_spec() = spec;
  v1::GenerateCompletionResponse response;
  const grpc::Status status = completion_->GenerateCompletion(&context.grpc(), request, &response);
  if (!status.ok()) return ErrorFromStatus(status, RequestIdOf(context.grpc()));
  return response;
}

CompletionStream Client::Stream(const v1::CompletionSpec& spec,
                                const StreamOptions& options) const {
  v1::StreamCompletionRequest request;
  *request.mutable_spec() = spec;
  request.set_include_reasoning(options.include_reasoning);
  return CompletionStream(std::make_unique<CompletionStream::Call>(
      completion_, authorization_, options_.default_deadline, options, request));
}

Result<v1::CountTokensResponse> Client::CountTokens(const v1::CompletionSpec& spec,
                                                    const CallOptions& options) const {
  CallContext context(authorization_, options_.default_deadline, options);
  v1::CountTokensRequest request;
  *request.mutable_spec() = spec;
  v1::CountTokensResponse response;
  const grpc::Status status = completion_->CountTokens(&context.grpc(), request, &response);
  if (!status.ok()) return ErrorFromStatus(status, RequestIdOf(context.grpc()));
  return response;
}

Result<v1::GetQuotaResponse> Client::GetQuota(const std::string& model,
                                              const CallOptions& options) const {
  CallContext context(authorization_, options_.default_deadline, options);
  v1::GetQuotaRequest request;
  request.set_model(model);
  v1::GetQuotaResponse response;
  const grpc::Status status = completion_->GetQuota(&context.grpc(), request, &response);
  if (!status.ok()) return ErrorFromStatus(status, RequestIdOf(context.grpc()));
  return response;
}

Result<std::vector<v1::Model>> Client::ListModels(const CallOptions& options) const {
  std::vector<v1::Model> models;
  v1::ListModelsRequest request;
  request.set_page_size(kModelPageSize);
  for (int page = 0; page < kModelPagesMax; ++page) {
    CallContext context(authorization_, options_.default_deadline, options);
    v1::ListModelsResponse response;
    const grpc::Status status = models_->ListModels(&context.grpc(), request, &response);
    if (!status.ok()) return ErrorFromStatus(status, RequestIdOf(context.grpc()));
    std::move(response.mutable_models()->begin(), response.mutable_models()->end(),
              std::back_inserter(models));
    if (response.next_page_token().empty()) return models;
    request.set_page_token(response.next_page_token());
  }
  return LocalError(grpc::StatusCode::INTERNAL, "the server's list of models does not end");
}

template <typename Request, typename Response>
Result<Response> Client::Ask(grpc::Status (v1::Accounts::StubInterface::*method)(
                                 grpc::ClientContext*, const Request&, Response*),
                             const Request& request, const CallOptions& options) const {
  CallContext context(authorization_, options_.default_deadline, options);
  Response response;
  const grpc::Status status = ((*accounts_).*method)(&context.grpc(), request, &response);
  if (!status.ok()) return ErrorFromStatus(status, RequestIdOf(context.grpc()));
  return response;
}

Result<v1::GetBalanceResponse> Client::GetBalance(const v1::GetBalanceRequest& request,
                                                  const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::GetBalance, request, options);
}

Result<v1::TopUpResponse> Client::TopUp(const v1::TopUpRequest& request,
                                        const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::TopUp, request, options);
}

Result<v1::AdjustResponse> Client::Adjust(const v1::AdjustRequest& request,
                                          const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::Adjust, request, options);
}

Result<v1::ListTransfersResponse> Client::ListTransfers(const v1::ListTransfersRequest& request,
                                                        const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::ListTransfers, request, options);
}

Result<v1::ListUsageResponse> Client::ListUsage(const v1::ListUsageRequest& request,
                                                const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::ListUsage, request, options);
}

Result<v1::ListPricesResponse> Client::ListPrices(const v1::ListPricesRequest& request,
                                                  const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::ListPrices, request, options);
}

Result<v1::VerifyLedgerResponse> Client::VerifyLedger(const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::VerifyLedger, v1::VerifyLedgerRequest(), options);
}

Result<v1::CreateTenantResponse> Client::CreateTenant(const v1::CreateTenantRequest& request,
                                                      const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::CreateTenant, request, options);
}

Result<v1::SuspendTenantResponse> Client::SuspendTenant(const v1::SuspendTenantRequest& request,
                                                        const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::SuspendTenant, request, options);
}

Result<v1::ResumeTenantResponse> Client::ResumeTenant(const v1::ResumeTenantRequest& request,
                                                      const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::ResumeTenant, request, options);
}

Result<v1::DeleteTenantResponse> Client::DeleteTenant(const v1::DeleteTenantRequest& request,
                                                      const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::DeleteTenant, request, options);
}

Result<v1::SetTierResponse> Client::SetTier(const v1::SetTierRequest& request,
                                            const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::SetTier, request, options);
}

Result<v1::SetIdentitiesResponse> Client::SetIdentities(const v1::SetIdentitiesRequest& request,
                                                        const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::SetIdentities, request, options);
}

Result<v1::ListTenantsResponse> Client::ListTenants(const v1::ListTenantsRequest& request,
                                                    const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::ListTenants, request, options);
}

Result<v1::CreateKeyResponse> Client::CreateKey(const v1::CreateKeyRequest& request,
                                                const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::CreateKey, request, options);
}

Result<v1::RotateKeyResponse> Client::RotateKey(const v1::RotateKeyRequest& request,
                                                const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::RotateKey, request, options);
}

Result<v1::RevokeKeyResponse> Client::RevokeKey(const v1::RevokeKeyRequest& request,
                                                const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::RevokeKey, request, options);
}

Result<v1::ListKeysResponse> Client::ListKeys(const v1::ListKeysRequest& request,
                                              const CallOptions& options) const {
  return Ask(&v1::Accounts::StubInterface::ListKeys, request, options);
}

}  // namespace pingti::client
