#include "server/rpc/tenants_query.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "pingti/v1/accounts_service.pb.h"
#include "server/exchange/tenant_admin.h"
#include "server/rpc/key_fields.h"
#include "server/rpc/query_fields.h"

namespace pingti::rpc {
namespace {

using exchange::TenantVerb;

v1::TenantState StateOf(tenancy::TenantState state) {
  switch (state) {
    case tenancy::TenantState::kActive:
      return v1::TENANT_STATE_ACTIVE;
    case tenancy::TenantState::kSuspended:
      return v1::TENANT_STATE_SUSPENDED;
    case tenancy::TenantState::kDeleted:
      return v1::TENANT_STATE_DELETED;
  }
  return v1::TENANT_STATE_UNSPECIFIED;
}

void WriteTenant(const tenancy::StoredTenant& from, v1::Tenant* to) {
  to->set_name(from.name);
  to->set_tier(from.tier);
  to->set_state(StateOf(from.state));
  WriteTime(from.created_at, to->mutable_create_time());
  to->set_live_keys(from.live_keys);
  to->mutable_identities()->Assign(from.identities.begin(), from.identities.end());
}

// What all methods that change a tenant have in common: `Response` has the tenant.
template <typename Response>
base::Task<QueryError> Change(QueryContext context, exchange::TenantChange change) {
  auto task =
      exchange::ChangeTenant(context.worker, context.view, context.owner, std::move(change));
  auto done = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&done)) co_return std::move(*error);
  WriteTenant(std::get<tenancy::StoredTenant>(done),
              static_cast<Response*>(context.out)->mutable_tenant());
  co_return std::nullopt;
}

template <typename Response>
void WriteMade(const exchange::MadeKey& made, const QueryContext& context) {
  auto* response = static_cast<Response*>(context.out);
  WriteKey(made.key, context.view.config().billing.currency, response->mutable_key());
  response->set_secret(made.secret);
}

}  // namespace

base::Task<QueryError> AnswerCreateTenant(QueryContext context) {
  const auto& request = static_cast<const v1::CreateTenantRequest&>(*context.in);
  return Change<v1::CreateTenantResponse>(
      context, {.verb = TenantVerb::kCreate, .tenant = request.tenant(), .tier = request.tier()});
}

base::Task<QueryError> AnswerSuspendTenant(QueryContext context) {
  const auto& request = static_cast<const v1::SuspendTenantRequest&>(*context.in);
  return Change<v1::SuspendTenantResponse>(
      context, {.verb = TenantVerb::kSuspend, .tenant = request.tenant()});
}

base::Task<QueryError> AnswerResumeTenant(QueryContext context) {
  const auto& request = static_cast<const v1::ResumeTenantRequest&>(*context.in);
  return Change<v1::ResumeTenantResponse>(
      context, {.verb = TenantVerb::kResume, .tenant = request.tenant()});
}

base::Task<QueryError> AnswerDeleteTenant(QueryContext context) {
  const auto& request = static_cast<const v1::DeleteTenantRequest&>(*context.in);
  return Change<v1::DeleteTenantResponse>(
      context, {.verb = TenantVerb::kDelete, .tenant = request.tenant()});
}

base::Task<QueryError> AnswerSetTier(QueryContext context) {
  const auto& request = static_cast<const v1::SetTierRequest&>(*context.in);
  return Change<v1::SetTierResponse>(
      context, {.verb = TenantVerb::kSetTier, .tenant = request.tenant(), .tier = request.tier()});
}

base::Task<QueryError> AnswerSetIdentities(QueryContext context) {
  const auto& request = static_cast<const v1::SetIdentitiesRequest&>(*context.in);
  return Change<v1::SetIdentitiesResponse>(
      context, {.verb = TenantVerb::kSetIdentities,
                .tenant = request.tenant(),
                .identities = {request.identities().begin(), request.identities().end()}});
}

base::Task<QueryError> AnswerListTenants(QueryContext context) {
  const auto& request = static_cast<const v1::ListTenantsRequest&>(*context.in);
  exchange::TenantFilter filter;
  filter.after = request.page_token();
  filter.deleted = request.show_deleted();
  if (auto error = ReadPageSize(request.page_size(), &filter.limit)) co_return error;
  const int limit = filter.limit;
  auto task = exchange::ListTenants(context.worker, context.owner, std::move(filter));
  auto read = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&read)) co_return std::move(*error);
  auto* response = static_cast<v1::ListTenantsResponse*>(context.out);
  for (const auto& tenant : std::get<std::vector<tenancy::StoredTenant>>(read)) {
    if (response->tenants_size() == limit - 1) {
      response->set_next_page_token(response->tenants(limit - 2).name());
      break;
    }
    WriteTenant(tenant, response->add_tenants());
  }
  co_return std::nullopt;
}

base::Task<QueryError> AnswerCreateKey(QueryContext context) {
  const auto& request = static_cast<const v1::CreateKeyRequest&>(*context.in);
  exchange::KeyRequest wanted;
  if (auto error = ReadKeyRequest(request, &wanted)) co_return error;
  auto task = exchange::CreateKey(context.worker, context.view, context.owner, std::move(wanted));
  auto made = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&made)) co_return std::move(*error);
  WriteMade<v1::CreateKeyResponse>(std::get<exchange::MadeKey>(made), context);
  co_return std::nullopt;
}

base::Task<QueryError> AnswerRotateKey(QueryContext context) {
  const auto& request = static_cast<const v1::RotateKeyRequest&>(*context.in);
  exchange::KeyRotation rotation;
  rotation.tenant = request.tenant();
  rotation.key_id = request.key_id();
  if (auto error = ReadDuration("overlap", request.overlap(), &rotation.overlap)) co_return error;
  auto task = exchange::RotateKey(context.worker, context.view, context.owner, std::move(rotation));
  auto made = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&made)) co_return std::move(*error);
  WriteMade<v1::RotateKeyResponse>(std::get<exchange::MadeKey>(made), context);
  co_return std::nullopt;
}

base::Task<QueryError> AnswerRevokeKey(QueryContext context) {
  const auto& request = static_cast<const v1::RevokeKeyRequest&>(*context.in);
  return exchange::RevokeKey(context.worker, context.view, context.owner, request.tenant(),
                             request.key_id());
}

base::Task<QueryError> AnswerListKeys(QueryContext context) {
  const auto& request = static_cast<const v1::ListKeysRequest&>(*context.in);
  exchange::KeyFilter filter;
  filter.tenant = request.tenant();
  filter.after = request.page_token();
  if (auto error = ReadPageSize(request.page_size(), &filter.limit)) co_return error;
  const int limit = filter.limit;
  auto task = exchange::ListKeys(context.worker, context.view, context.owner, std::move(filter));
  auto read = co_await std::move(task);
  if (auto* error = std::get_if<model::CallError>(&read)) co_return std::move(*error);
  auto* response = static_cast<v1::ListKeysResponse*>(context.out);
  for (const auto& key : std::get<std::vector<tenancy::StoredKey>>(read)) {
    if (response->keys_size() == limit - 1) {
      response->set_next_page_token(response->keys(limit - 2).id());
      break;
    }
    WriteKey(key, context.view.config().billing.currency, response->add_keys());
  }
  co_return std::nullopt;
}

}  // namespace pingti::rpc
