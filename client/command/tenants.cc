#include "client/command/tenants.h"

#include <utility>

#include "client/command/accounts_table.h"
#include "client/command/json.h"
#include "client/command/key_terms.h"
#include "client/command/table.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

std::string StateName(v1::TenantState state) {
  switch (state) {
    case v1::TENANT_STATE_ACTIVE:
      return "active";
    case v1::TENANT_STATE_SUSPENDED:
      return "suspended";
    case v1::TENANT_STATE_DELETED:
      return "deleted";
    default:
      return "";
  }
}

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& names,
                   const std::string& if_none) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? if_none : text;
}

// One command under way.
class TenantsRun {
 public:
  explicit TenantsRun(const Session& session)
      : session_(session),
        line_(*session.line.tenants),
        color_(session.console.OutColor()),
        answer_(session.interrupts) {
    options_.cancel = answer_.token();
  }

  ExitCode Go() const {
    switch (line_.verb) {
      case TenantsVerb::kCreateTenant: {
        v1::CreateTenantRequest request;
        request.set_tier(line_.tier);
        return Change(request, &client::Client::CreateTenant);
      }
      case TenantsVerb::kSuspendTenant:
        return Change(v1::SuspendTenantRequest(), &client::Client::SuspendTenant);
      case TenantsVerb::kResumeTenant:
        return Change(v1::ResumeTenantRequest(), &client::Client::ResumeTenant);
      case TenantsVerb::kDeleteTenant:
        return Change(v1::DeleteTenantRequest(), &client::Client::DeleteTenant);
      case TenantsVerb::kSetTier: {
        v1::SetTierRequest request;
        request.set_tier(line_.tier);
        return Change(request, &client::Client::SetTier);
      }
      case TenantsVerb::kSetIdentities: {
        v1::SetIdentitiesRequest request;
        request.mutable_identities()->Assign(line_.identities.begin(), line_.identities.end());
        return Change(request, &client::Client::SetIdentities);
      }
      case TenantsVerb::kListTenants:
        return ListTenants();
      case TenantsVerb::kCreateKey:
        return CreateKey();
      case TenantsVerb::kRotateKey:
        return RotateKey();
      case TenantsVerb::kRevokeKey:
        return RevokeKey();
      case TenantsVerb::kListKeys:
        return ListKeys();
    }
    return kExitOther;
  }

 private:
  template <typename Request, typename Response>
  using Method = client::Result<Response> (client::Client::*)(const Request&,
                                                              const client::CallOptions&) const;

  template <typename Request, typename Response>
  ExitCode Change(Request request, Method<Request, Response> method) const {
    request.set_tenant(line_.tenant);
    const client::Result<Response> done = (session_.client.*method)(request, options_);
    if (!done.ok()) return session_.Fail(done.error());
    if (line_.json) return session_.WriteForeign(ToJson(*done) + "\n");
    return session_.Write(TenantsTable({done->tenant()}, color_));
  }

  // All pages of a list in the first one. `items` takes them out of a page.
  template <typename Item, typename Request, typename Response>
  ExitCode ListAll(Request request, Method<Request, Response> method,
                   google::protobuf::RepeatedPtrField<Item>* (Response::*items)(),
                   std::vector<Item>* all) const {
    while (true) {
      client::Result<Response> page = (session_.client.*method)(request, options_);
      if (!page.ok()) return session_.Fail(page.error());
      for (Item& item : *(page.value().*items)()) all->push_back(std::move(item));
      const std::string& next = page->next_page_token();
      if (next.empty()) return kExitOk;
      if (next == request.page_token()) {
        return session_.Fail(
            client::LocalError(grpc::StatusCode::INTERNAL, "the server's list does not end"));
      }
      request.set_page_token(next);
    }
  }

  ExitCode ListTenants() const {
    v1::ListTenantsRequest request;
    request.set_show_deleted(line_.deleted);
    std::vector<v1::Tenant> all;
    const ExitCode code = ListAll(request, &client::Client::ListTenants,
                                  &v1::ListTenantsResponse::mutable_tenants, &all);
    if (code != kExitOk) return code;
    if (!line_.json) return session_.Write(TenantsTable(all, color_));
    v1::ListTenantsResponse response;
    response.mutable_tenants()->Add(all.begin(), all.end());
    return session_.WriteForeign(ToJson(response) + "\n");
  }

  ExitCode ListKeys() const {
    v1::ListKeysRequest request;
    request.set_tenant(line_.tenant);
    std::vector<v1::Key> all;
    const ExitCode code =
        ListAll(request, &client::Client::ListKeys, &v1::ListKeysResponse::mutable_keys, &all);
    if (code != kExitOk) return code;
    if (!line_.json) return session_.Write(KeysTable(all, color_));
    v1::ListKeysResponse response;
    response.mutable_keys()->Add(all.begin(), all.end());
    return session_.WriteForeign(ToJson(response) + "\n");
  }

  template <typename Response>
  ExitCode ShowMade(const client::Result<Response>& made) const {
    if (!made.ok()) return session_.Fail(made.error());
    if (line_.json) return session_.WriteForeign(ToJson(*made) + "\n");
    const ExitCode code = session_.WriteForeign(made->secret() + "\n");
    if (code == kExitOk && session_.console.err_is_terminal) {
      session_.console.err << "Keep it: nobody can show it again. Its public id is "
                           << VisibleText(made->key().id(), LineBreaks::kShow) << ".\n";
    }
    return code;
  }

  ExitCode CreateKey() const {
    v1::CreateKeyRequest request;
    request.set_tenant(line_.tenant);
    request.set_name(line_.name);
    for (const std::string& model : line_.models) request.add_models(model);
    for (const v1::KeyLimit& limit : line_.limits) *request.add_limits() = limit;
    for (const v1::KeyRight right : line_.rights) request.add_rights(right);
    if (line_.budget) *request.mutable_budget() = *line_.budget;
    if (line_.seconds > 0) request.mutable_lifetime()->set_seconds(line_.seconds);
    return ShowMade(session_.client.CreateKey(request, options_));
  }

  ExitCode RotateKey() const {
    v1::RotateKeyRequest request;
    request.set_tenant(line_.tenant);
    request.set_key_id(line_.key_id);
    request.mutable_overlap()->set_seconds(line_.seconds);
    return ShowMade(session_.client.RotateKey(request, options_));
  }

  ExitCode RevokeKey() const {
    v1::RevokeKeyRequest request;
    request.set_tenant(line_.tenant);
    request.set_key_id(line_.key_id);
    const auto done = session_.client.RevokeKey(request, options_);
    if (!done.ok()) return session_.Fail(done.error());
    if (line_.json) return session_.WriteForeign(ToJson(*done) + "\n");
    return session_.WriteForeign("API key " + line_.key_id + " of tenant " + line_.tenant +
                                 " is revoked\n");
  }

  const Session& session_;
  const TenantsLine& line_;
  const bool color_;
  const Interrupts::Answer answer_;
  client::CallOptions options_;
};

}  // namespace

ExitCode RunTenants(const Session& session) { return TenantsRun(session).Go(); }

std::string TenantsTable(const std::vector<v1::Tenant>& tenants, bool color) {
  if (tenants.empty()) return "no tenants\n";
  std::vector<std::vector<Cell>> rows;
  rows.reserve(tenants.size());
  for (const v1::Tenant& tenant : tenants) {
    const bool active = tenant.state() == v1::TENANT_STATE_ACTIVE;
    rows.push_back({{tenant.name()},
                    {tenant.tier()},
                    {StateName(tenant.state()), active ? Style::kPlain : Style::kYellow},
                    {std::to_string(tenant.live_keys())},
                    {FormatTime(tenant.create_time())},
                    {Joined(tenant.identities(), "")}});
  }
  return RenderTable(
      {{"TENANT"}, {"TIER"}, {"STATE"}, {"KEYS", true}, {"SINCE (UTC)"}, {"IDENTITIES"}}, rows,
      color);
}

std::string KeysTable(const std::vector<v1::Key>& keys, bool color) {
  if (keys.empty()) return "no keys\n";
  std::vector<std::vector<Cell>> rows;
  rows.reserve(keys.size());
  for (const v1::Key& key : keys) {
    rows.push_back({{key.id()},
                    {key.name()},
                    {Joined(key.models(), "all")},
                    {FormatKeyRights(key)},
                    {FormatKeyLimits(key)},
                    {FormatKeyBudget(key)},
                    {FormatTime(key.create_time())},
                    {key.has_last_use_time() ? FormatTime(key.last_use_time()) : "never"},
                    {key.has_expire_time() ? FormatTime(key.expire_time()) : "never"},
                    {key.has_revoke_time() ? FormatTime(key.revoke_time()) : "", Style::kRed},
                    {key.replaced_by()}});
  }
  return RenderTable({{"ID"},
                      {"NAME"},
                      {"MODELS"},
                      {"RIGHTS"},
                      {"LIMITS"},
                      {"BUDGET"},
                      {"SINCE (UTC)"},
                      {"LAST USED"},
                      {"EXPIRES"},
                      {"REVOKED"},
                      {"REPLACED BY"}},
                     rows, color);
}

}  // namespace pingti::command
