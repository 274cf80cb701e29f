#include "server/rpc/query_call.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include <grpcpp/impl/codegen/proto_utils.h>

#include "pingti/v1/accounts_service.pb.h"
#include "server/base/request_id.h"
#include "server/base/strings.h"
#include "server/exchange/queries.h"
#include "server/rpc/accounts_query.h"
#include "server/rpc/credentials.h"
#include "server/rpc/prices_query.h"
#include "server/rpc/query_fields.h"
#include "server/rpc/read_request.h"
#include "server/rpc/status.h"
#include "server/rpc/tenants_query.h"
#include "server/rpc/write_response.h"

namespace pingti::rpc {
namespace {

using google::protobuf::Message;
using telemetry::Method;

base::Task<QueryError> AnswerCountTokens(QueryContext c) {
  model::CompletionRequest request;
  auto* spec = static_cast<v1::CountTokensRequest*>(c.in)->mutable_spec();
  if (auto error = ReadSpec(spec, &request)) co_return error;
  auto counted = exchange::CountTokens(c.view, c.who(), request);
  if (auto* error = std::get_if<model::CallError>(&counted)) co_return std::move(*error);
  const auto& count = std::get<exchange::TokenCount>(counted);
  auto* response = static_cast<v1::CountTokensResponse*>(c.out);
  response->set_input_tokens(count.estimate.input_tokens);
  response->set_likely_output_tokens(count.estimate.output_tokens);
  response->set_reserved_tokens(count.estimate.reserved_tokens);
  response->set_source(v1::USAGE_SOURCE_ESTIMATED);
  response->set_upstream_model(count.route->first().upstream_model);
  response->set_context_tokens(count.route->first().model->context_tokens);
  co_return std::nullopt;
}

base::Task<QueryError> AnswerGetQuota(QueryContext c) {
  const std::string& model = static_cast<v1::GetQuotaRequest*>(c.in)->model();
  const tenancy::Identity who = c.who();
  auto read = co_await exchange::ReadQuotas(c.worker, c.view, who, model);
  if (auto* error = std::get_if<model::CallError>(&read)) co_return std::move(*error);
  auto* response = static_cast<v1::GetQuotaResponse*>(c.out);
  const config::Tenant& tenant = c.view.config().tenants[who.tenant];
  response->set_tenant(tenant.name);
  response->set_tier(tenant.tier);
  for (const auto& report : std::get<std::vector<exchange::BucketReport>>(read)) {
    v1::QuotaBucket* bucket = response->add_buckets();
    bucket->set_name(report.name);
    bucket->set_model_class(report.model_class);
    bucket->set_dimension(static_cast<v1::QuotaDimension>(static_cast<int>(report.dimension) + 1));
    bucket->set_limit(report.state.limit);
    bucket->set_capacity(report.state.capacity);
    bucket->set_shadow(report.shadow);
    bucket->set_remaining(report.state.remaining);
    WriteDuration(report.state.full_in, bucket->mutable_full_in());
    const int64_t nanos = absl::ToUnixNanos(report.full_at);
    bucket->mutable_full_at()->set_seconds(nanos / 1'000'000'000);
    bucket->mutable_full_at()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  }
  co_return std::nullopt;
}

void WriteModel(const QueryContext& c, const routing::Route& route, v1::Model* model) {
  const routing::Target& first = route.first();
  model->set_name(route.name);
  model->set_serves(first.model->name);
  model->set_provider(first.provider->name);
  model->set_model_class(route.model_class);
  model->set_context_tokens(first.model->context_tokens);
  model->set_vision(first.model->vision);
  model->set_tools(first.model->tools);
  model->set_verified(first.model->verified);
  const billing::PriceBook& prices = c.view.runtime().prices();
  const config::Billing& billing = c.view.config().billing;
  const absl::Time now = c.worker.clock().Now();
  if (const auto* price = billing::PriceAt(prices.Find(first.model->name), now)) {
    WritePrice(*price, billing, model->mutable_price());
  }
  if (first.model->name == route.name) return;
  if (const auto* price = billing::PriceAt(prices.Find(route.name), now)) {
    WritePrice(*price, billing, model->mutable_requested_price());
  }
}

base::Task<QueryError> AnswerListModels(QueryContext c) {
  const auto* request = static_cast<v1::ListModelsRequest*>(c.in);
  int limit = 0;
  if (auto error = ReadPageSize(request->page_size(), &limit)) co_return error;
  const auto usable = exchange::UsableModels(c.view, c.who());
  // The token is the last name of the page before: it stays right when models come and go.
  auto next = std::find_if(usable.begin(), usable.end(), [&](const routing::Route* route) {
    return route->name > request->page_token();
  });
  auto* response = static_cast<v1::ListModelsResponse*>(c.out);
  for (; next != usable.end() && response->models_size() < limit - 1; ++next) {
    WriteModel(c, **next, response->add_models());
  }
  if (next != usable.end()) {
    response->set_next_page_token(response->models(response->models_size() - 1).name());
  }
  co_return std::nullopt;
}

base::Task<QueryError> AnswerCreateEmbedding(QueryContext /*context*/) {
  model::CallError error;
  error.reason = model::ErrorReason::kNotSupported;
  error.message = "embeddings are declared and not served by this version";
  error.metadata["feature"] = "embedding";
  co_return error;
}

constexpr exchange::Permission kOfModels = {.right = config::KeyRight::kComplete};
constexpr exchange::Permission kOfAccount = {.for_admins = true,
                                             .right = config::KeyRight::kReadAccount};
constexpr exchange::Permission kOfAll = {.for_admins = true};
// A tenant's key learns from the method that it is not an administrator's.
constexpr exchange::Permission kForAdmins = {.for_admins = true};

// `in_services` and `request_call`: the method of gRPC that waits for a call.
template <typename Request, typename Response, auto in_services, auto request_call>
Query Row(Method method, Query::Answer answer, exchange::Permission permission = {}) {
  const auto wait = [](Services& services, const Query::Call& call, void* tag) {
    ((services.*in_services).*request_call)(call.context, call.request, call.writer, call.queue,
                                            call.queue, tag);
  };
  return {method,    Request::default_instance(), Response::default_instance(), wait, answer,
          permission};
}

template <typename Request, typename Response, auto request_call>
Query AccountsRow(Method method, Query::Answer answer, exchange::Permission permission) {
  return Row<Request, Response, &Services::accounts, request_call>(method, answer, permission);
}

const Query& QueryAt(int index) {
  static const Query kQueries[kQueryCount] = {
      Row<v1::CountTokensRequest, v1::CountTokensResponse, &Services::completion,
          &CompletionService::RequestCountTokens>(Method::kCountTokens, &AnswerCountTokens,
                                                  kOfModels),
      Row<v1::GetQuotaRequest, v1::GetQuotaResponse, &Services::completion,
          &CompletionService::RequestGetQuota>(Method::kGetQuota, &AnswerGetQuota),
      Row<v1::ListModelsRequest, v1::ListModelsResponse, &Services::models,
          &ModelsService::RequestListModels>(Method::kListModels, &AnswerListModels),
      Row<v1::CreateEmbeddingRequest, v1::CreateEmbeddingResponse, &Services::embedding,
          &EmbeddingService::RequestCreateEmbedding>(Method::kCreateEmbedding,
                                                     &AnswerCreateEmbedding, kOfModels),
      AccountsRow<v1::GetBalanceRequest, v1::GetBalanceResponse,
                  &AccountsService::RequestGetBalance>(Method::kGetBalance, &AnswerGetBalance,
                                                       kOfAccount),
      AccountsRow<v1::TopUpRequest, v1::TopUpResponse, &AccountsService::RequestTopUp>(
          Method::kTopUp, &AnswerTopUp, kForAdmins),
      AccountsRow<v1::AdjustRequest, v1::AdjustResponse, &AccountsService::RequestAdjust>(
          Method::kAdjust, &AnswerAdjust, kForAdmins),
      AccountsRow<v1::ListTransfersRequest, v1::ListTransfersResponse,
                  &AccountsService::RequestListTransfers>(Method::kListTransfers,
                                                          &AnswerListTransfers, kOfAccount),
      AccountsRow<v1::ListUsageRequest, v1::ListUsageResponse, &AccountsService::RequestListUsage>(
          Method::kListUsage, &AnswerListUsage, kOfAccount),
      AccountsRow<v1::ListPricesRequest, v1::ListPricesResponse,
                  &AccountsService::RequestListPrices>(Method::kListPrices, &AnswerListPrices,
                                                       kOfAll),
      AccountsRow<v1::VerifyLedgerRequest, v1::VerifyLedgerResponse,
                  &AccountsService::RequestVerifyLedger>(Method::kVerifyLedger, &AnswerVerifyLedger,
                                                         kForAdmins),
      AccountsRow<v1::CreateTenantRequest, v1::CreateTenantResponse,
                  &AccountsService::RequestCreateTenant>(Method::kCreateTenant, &AnswerCreateTenant,
                                                         kForAdmins),
      AccountsRow<v1::SuspendTenantRequest, v1::SuspendTenantResponse,
                  &AccountsService::RequestSuspendTenant>(Method::kSuspendTenant,
                                                          &AnswerSuspendTenant, kForAdmins),
      AccountsRow<v1::ResumeTenantRequest, v1::ResumeTenantResponse,
                  &AccountsService::RequestResumeTenant>(Method::kResumeTenant, &AnswerResumeTenant,
                                                         kForAdmins),
      AccountsRow<v1::DeleteTenantRequest, v1::DeleteTenantResponse,
                  &AccountsService::RequestDeleteTenant>(Method::kDeleteTenant, &AnswerDeleteTenant,
                                                         kForAdmins),
      AccountsRow<v1::SetTierRequest, v1::SetTierResponse, &AccountsService::RequestSetTier>(
          Method::kSetTier, &AnswerSetTier, kForAdmins),
      AccountsRow<v1::SetIdentitiesRequest, v1::SetIdentitiesResponse,
                  &AccountsService::RequestSetIdentities>(Method::kSetIdentities,
                                                          &AnswerSetIdentities, kForAdmins),
      AccountsRow<v1::ListTenantsRequest, v1::ListTenantsResponse,
                  &AccountsService::RequestListTenants>(Method::kListTenants, &AnswerListTenants,
                                                        kForAdmins),
      AccountsRow<v1::CreateKeyRequest, v1::CreateKeyResponse, &AccountsService::RequestCreateKey>(
          Method::kCreateKey, &AnswerCreateKey, kForAdmins),
      AccountsRow<v1::RotateKeyRequest, v1::RotateKeyResponse, &AccountsService::RequestRotateKey>(
          Method::kRotateKey, &AnswerRotateKey, kForAdmins),
      AccountsRow<v1::RevokeKeyRequest, v1::RevokeKeyResponse, &AccountsService::RequestRevokeKey>(
          Method::kRevokeKey, &AnswerRevokeKey, kForAdmins),
      AccountsRow<v1::ListKeysRequest, v1::ListKeysResponse, &AccountsService::RequestListKeys>(
          Method::kListKeys, &AnswerListKeys, kForAdmins),
  };
  return kQueries[index];
}

}  // namespace

QueryCall::QueryCall(const Listener& listener, int query) : listener_(listener), query_(query) {
  QueryAt(query).wait(*listener.services, {&context_, &request_, &writer_, listener.queue},
                      accepted_tag_.ForOperation());
}

void QueryCall::OnAccepted(bool ok) {
  if (!ok) {  // the server shuts down
    delete this;
    return;
  }
  live_ = listener_.live_calls->Enter();
  Wait(listener_, query_);
  listener_.worker->loop().Post(&answer_task_);
}

void QueryCall::OnFinished(bool /*ok*/) { Release(); }

void QueryCall::Release() {
  if (parties_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void QueryCall::Answer() { base::Detach(Run()); }

base::Task<void> QueryCall::Run() {
  exchange::Worker& worker = *listener_.worker;
  worker.stats().loop_posts.Add();
  const std::shared_ptr<exchange::View> view = worker.view();
  const base::Instant arrival = worker.clock().MonotonicNow();
  const Query& query = QueryAt(query_);
  const std::string request_id = base::NewRequestId(worker.clock().Now(), worker.random());
  context_.AddInitialMetadata("x-request-id", request_id);
  std::unique_ptr<Message> request(query.request.New());
  std::unique_ptr<Message> response(query.response.New());

  const Credentials credentials = CredentialsOf(context_);
  auto who =
      exchange::IdentifyOwner(*view, {credentials.authorization, credentials.peer_identities},
                              worker.clock().Now(), query.permission);
  const auto* owner = std::get_if<tenancy::KeyOwner>(&who);
  QueryError error;
  if (owner == nullptr) {
    error = std::move(std::get<model::CallError>(who));
  } else {
    error = ParseRequest(&request_, request.get());
  }
  if (!error) {
    const QueryContext context{worker, *view, *owner, request.get(), response.get()};
    error = co_await query.answer(context);
  }
  exchange::RecordQuery(worker, *view, query.method, request_id, owner, error ? &*error : nullptr,
                        arrival, context_.peer());
  if (error) {
    writer_.FinishWithError(ToStatus(*error, request_id), finished_tag_.ForOperation());
  } else {
    Finish(*response);
  }
  Release();
}

void QueryCall::Finish(const Message& response) {
  grpc::ByteBuffer bytes;
  bool own_buffer = false;
  (void)grpc::SerializationTraits<Message>::Serialize(response, &bytes, &own_buffer);
  writer_.Finish(bytes, grpc::Status::OK, finished_tag_.ForOperation());
}

}  // namespace pingti::rpc
