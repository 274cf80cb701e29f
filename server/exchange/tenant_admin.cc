#include "server/exchange/tenant_admin.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_join.h"
#include "server/base/check.h"
#include "server/base/log.h"
#include "server/base/money.h"
#include "server/base/strings.h"
#include "server/billing/ledger_client.h"
#include "server/config/value.h"
#include "server/exchange/tenant_accounts.h"
#include "server/tenancy/api_key.h"

namespace pingti::exchange {
namespace {

using tenancy::StoreVerdict;
using tenancy::TenantStore;
using Error = std::optional<model::CallError>;

// Changes of tenants come behind what calls write: the row that counts them is locked last.
std::string OrderOf(const std::string& tenant) { return "~" + tenant; }

Error CheckAccess(Worker& worker, const tenancy::KeyOwner& who) {
  if (auto error = CheckAdmin(who)) return error;
  return CheckLedger(worker);
}

bool IsConfigured(const View& view, const std::string& tenant) {
  const auto& tenants = view.config().tenants;
  return std::any_of(tenants.begin(), tenants.end(),
                     [&](const config::Tenant& t) { return t.name == tenant && !t.stored; });
}

// The first of the identities that the configuration gives a tenant; null: none.
const std::string* FindConfigured(const View& view, const std::vector<std::string>& identities) {
  for (const config::Tenant& tenant : view.config().tenants) {
    if (tenant.stored) continue;
    for (const std::string& identity : identities) {
      const auto& own = tenant.identities;
      if (std::find(own.begin(), own.end(), identity) != own.end()) return &identity;
    }
  }
  return nullptr;
}

// Those of the database are at hand, too, so that a name that is not there may be a slip.
model::CallError TenantUnknown(const View& view, const std::string& tenant) {
  auto error = model::Refuse(
      model::ErrorReason::kTenantUnknown,
      IsConfigured(view, tenant)
          ? base::StrCat("tenant ", tenant, " is one of the configuration: change it there")
          : base::StrCat("there is no tenant ", tenant, " in the database"));
  error.metadata["tenant"] = tenant;
  AddNearTenants(view, tenant, &error);
  return error;
}

model::CallError TooMany(std::string_view what, int limit) {
  auto error =
      model::Refuse(model::ErrorReason::kTooMany,
                    base::StrCat("there are ", limit, " ", what, " already, which is the most"));
  error.metadata["what"] = std::string(what);
  error.metadata["limit"] = base::StrCat(limit);
  return error;
}

Error CheckTier(const View& view, const std::string& tier) {
  const auto& tiers = view.config().tiers;
  const bool exists = std::any_of(tiers.begin(), tiers.end(),
                                  [&](const config::Tier& t) { return t.name == tier; });
  if (exists && tier != config::kClosedTier) return std::nullopt;
  std::vector<std::string> names;
  for (const config::Tier& t : tiers) {
    if (t.name != config::kClosedTier) names.push_back(t.name);
  }
  return model::InvalidField("tier",
                             base::StrCat("\"", tier, "\" is not the name of a tier; there is ",
                                          absl::StrJoin(names, ", ")));
}

Error CheckTenantName(const std::string& tenant) {
  const std::string wrong = config::CheckName(tenant);
  if (wrong.empty()) return std::nullopt;
  return model::InvalidField("tenant", base::StrCat("\"", tenant, "\" ", wrong));
}

Error CheckIdentities(const std::vector<std::string>& identities) {
  if (identities.size() > tenancy::kIdentitiesOfTenantMax) {
    return model::InvalidField("identities",
                               base::StrCat("has ", identities.size(), " identities; at most ",
                                            tenancy::kIdentitiesOfTenantMax, " are allowed"));
  }
  for (size_t i = 0; i < identities.size(); ++i) {
    std::string wrong = config::CheckIdentity(identities[i]);
    const auto here = identities.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(identities.begin(), here, identities[i]) != here) wrong = "is there twice";
    if (!wrong.empty()) return model::InvalidField(base::StrCat("identities[", i, "]"), wrong);
  }
  return std::nullopt;
}

Error CheckChange(const View& view, const TenantChange& change) {
  if (auto error = CheckTenantName(change.tenant)) return error;
  if (auto error = CheckIdentities(change.identities)) return error;
  const bool has_tier = change.verb == TenantVerb::kCreate || change.verb == TenantVerb::kSetTier;
  return has_tier ? CheckTier(view, change.tier) : std::nullopt;
}

bool IsKeyId(std::string_view id) {
  return tenancy::PublicIdOf(base::StrCat("pt_", id, "_x")) == id;
}

Error CheckKey(const View& view, const KeyRequest& request) {
  if (auto error = CheckTenantName(request.tenant)) return error;
  if (auto error = CheckText("name", request.name, kKeyNameBytesMax, true)) return error;
  if (request.models.size() > kKeyModelsMax) {
    return model::InvalidField(
        "models", base::StrCat("has ", request.models.size(), " names; at most ", kKeyModelsMax,
                               " are allowed"));
  }
  for (size_t i = 0; i < request.models.size(); ++i) {
    if (view.runtime().routes().Find(request.models[i]) != nullptr) continue;
    return model::InvalidField(
        base::StrCat("models[", i, "]"),
        base::StrCat("\"", request.models[i], "\" is not the name of a model or alias"));
  }
  const auto lifetime = request.lifetime;
  if (lifetime && (*lifetime < kKeyLifetimeMin || *lifetime > kKeyLifetimeMax)) {
    return model::InvalidField("lifetime", "must be from 1 s to 10 years; not set: for ever");
  }
  return std::nullopt;
}

std::string_view WordOf(TenantVerb verb) {
  switch (verb) {
    case TenantVerb::kCreate:
      return "created";
    case TenantVerb::kSuspend:
      return "suspended";
    case TenantVerb::kResume:
      return "resumed";
    case TenantVerb::kSetTier:
      return "tier set";
    case TenantVerb::kSetIdentities:
      return "identities set";
    case TenantVerb::kDelete:
      return "deleted";
  }
  base::CheckFailed(__FILE__, __LINE__, "known verb", "TenantVerb out of range");
}

// What a change has come to.
struct ChangeReply {
  StoreVerdict verdict = StoreVerdict::kDone;
  int64_t held = 0;
  std::string identity{};  // kIdentityTaken
  std::optional<tenancy::StoredTenant> tenant{};
};

ChangeReply DoChange(billing::Ledger& ledger, const TenantChange& change, const billing::Plan& plan,
                     absl::Time now) {
  TenantStore store(ledger.database());
  ChangeReply reply;
  switch (change.verb) {
    case TenantVerb::kCreate:
      reply.verdict = CreateTenant(ledger, change.tenant, change.tier, plan, now);
      break;
    case TenantVerb::kSuspend:
      reply.verdict = store.Suspend(change.tenant);
      break;
    case TenantVerb::kResume:
      reply.verdict = store.Resume(change.tenant);
      break;
    case TenantVerb::kSetTier:
      reply.verdict = store.SetTier(change.tenant, change.tier);
      break;
    case TenantVerb::kSetIdentities:
      reply.verdict = store.SetIdentities(change.tenant, change.identities, &reply.identity);
      break;
    case TenantVerb::kDelete: {
      const DeleteReply deleted = DeleteTenant(ledger, change.tenant, now);
      reply.verdict = deleted.verdict;
      reply.held = deleted.held;
      break;
    }
  }
  reply.tenant = store.Find(change.tenant, now);
  return reply;
}

Error ErrorOf(const ChangeReply& reply, const View& view, const std::string& tenant) {
  if (reply.held > 0) {
    const std::string shown = base::FormatMoney({reply.held, view.config().billing.currency});
    auto error = model::Refuse(model::ErrorReason::kTenantInUse,
                               base::StrCat("calls of tenant ", tenant, " hold ", shown,
                                            "; suspend it, and delete it when they have ended"));
    error.metadata["tenant"] = tenant;
    error.metadata["held"] = shown;
    return error;
  }
  switch (reply.verdict) {
    case StoreVerdict::kNameTaken: {
      auto error = model::Refuse(model::ErrorReason::kTenantNameTaken,
                                 base::StrCat("there is or was a tenant ", tenant,
                                              "; a name is never given to another one"));
      error.metadata["tenant"] = tenant;
      return error;
    }
    case StoreVerdict::kIdentityTaken: {
      auto error = model::Refuse(model::ErrorReason::kIdentityTaken,
                                 base::StrCat("a peer with the identity ", reply.identity,
                                              " is taken for another tenant"));
      error.metadata["identity"] = reply.identity;
      return error;
    }
    case StoreVerdict::kTooMany:
      return TooMany("tenants", tenancy::kStoredTenantsMax);
    case StoreVerdict::kUnknownTenant:
      return TenantUnknown(view, tenant);
    default:
      return std::nullopt;
  }
}

model::CallError KeyUnknown(const std::string& tenant, const std::string& key_id) {
  auto error = model::Refuse(model::ErrorReason::kKeyUnknown,
                             base::StrCat("tenant ", tenant, " has no API key ", key_id));
  error.metadata["key_id"] = key_id;
  return error;
}

Error KeyErrorOf(StoreVerdict verdict, const View& view, const std::string& tenant,
                 const std::string& key_id) {
  switch (verdict) {
    case StoreVerdict::kUnknownTenant:
      return TenantUnknown(view, tenant);
    case StoreVerdict::kTooMany:
      return TooMany("keys of this tenant", tenancy::kKeysOfTenantMax);
    case StoreVerdict::kUnknownKey:
      return KeyUnknown(tenant, key_id);
    case StoreVerdict::kKeyEnded: {
      auto error = model::Refuse(
          model::ErrorReason::kKeyEnded,
          base::StrCat("API key ", key_id, " was revoked, has expired or was rotated before"));
      error.metadata["key_id"] = key_id;
      return error;
    }
    default:
      return std::nullopt;
  }
}

MadeKey MakeKeyOf(const std::string& tenant, absl::Time now) {
  const tenancy::NewKey made = tenancy::MakeKey();
  const std::optional<config::KeyRecord> record = config::ParseKeyRecord(made.record);
  PINGTI_CHECK(record.has_value(), "what we make is what we read");
  MadeKey key;
  key.key.id = record->public_id;
  key.key.sha256 = record->sha256;
  key.key.tenant = tenant;
  key.key.created_at = now;
  key.secret = made.key;
  return key;
}

void LogKey(const View& view, const tenancy::KeyOwner& who, std::string_view what,
            const std::string& tenant, const std::string& key_id) {
  base::Log(base::LogLevel::kInfo, base::StrCat("API key ", what),
            {{"tenant", tenant}, {"key_id", key_id}, {"by", ActorOf(view, who)}});
}

}  // namespace

base::Task<OrError<tenancy::StoredTenant>> ChangeTenant(Worker& worker, const View& view,
                                                        tenancy::KeyOwner who,
                                                        TenantChange change) {
  if (auto error = CheckAccess(worker, who)) co_return *std::move(error);
  if (auto error = CheckChange(view, change)) co_return *std::move(error);
  auto reply = std::make_shared<ChangeReply>();
  if (change.verb == TenantVerb::kCreate && IsConfigured(view, change.tenant)) {
    reply->verdict = StoreVerdict::kNameTaken;
  } else if (const std::string* taken = FindConfigured(view, change.identities)) {
    reply->verdict = StoreVerdict::kIdentityTaken;
    reply->identity = *taken;
  } else {
    const billing::Plan plan = worker.accounts()->plan();
    const absl::Time now = worker.clock().Now();
    base::Task<Error> ask =
        AskLedger(worker, Access::kWrite, OrderOf(change.tenant),
                  [=](billing::Ledger& ledger) { *reply = DoChange(ledger, change, plan, now); });
    Error failed = co_await std::move(ask);
    if (failed) co_return *std::move(failed);
  }
  if (auto error = ErrorOf(*reply, view, change.tenant)) co_return *std::move(error);
  base::Log(base::LogLevel::kInfo, base::StrCat("tenant ", WordOf(change.verb)),
            {{"tenant", change.tenant}, {"tier", reply->tenant->tier}, {"by", ActorOf(view, who)}});
  co_return *std::move(reply->tenant);
}

base::Task<OrError<std::vector<tenancy::StoredTenant>>> ListTenants(Worker& worker,
                                                                    tenancy::KeyOwner who,
                                                                    TenantFilter filter) {
  if (auto error = CheckAccess(worker, who)) co_return *std::move(error);
  auto found = std::make_shared<std::vector<tenancy::StoredTenant>>();
  const absl::Time now = worker.clock().Now();
  base::Task<Error> ask = AskLedger(worker, Access::kRead, "", [=](billing::Ledger& ledger) {
    *found = TenantStore(ledger.database()).List(filter.after, filter.limit, filter.deleted, now);
  });
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  co_return std::move(*found);
}

base::Task<OrError<MadeKey>> CreateKey(Worker& worker, const View& view, tenancy::KeyOwner who,
                                       KeyRequest request) {
  if (auto error = CheckAccess(worker, who)) co_return *std::move(error);
  if (auto error = CheckKey(view, request)) co_return *std::move(error);
  MadeKey made = MakeKeyOf(request.tenant, worker.clock().Now());
  made.key.name = request.name;
  made.key.models = request.models;
  if (auto error = ReadKeyLimits(request.limits, &made.key.limits)) co_return *std::move(error);
  if (request.budget) {
    const base::Currency currency = view.config().billing.currency;
    auto error = ReadKeyBudget(*request.budget, currency, &made.key.budget.emplace());
    if (error) co_return *std::move(error);
  }
  if (auto error = ReadKeyRights(request.rights, &made.key.rights)) co_return *std::move(error);
  if (request.lifetime) made.key.expires_at = made.key.created_at + *request.lifetime;
  auto verdict = std::make_shared<StoreVerdict>();
  const tenancy::StoredKey key = made.key;
  base::Task<Error> ask = AskLedger(
      worker, Access::kWrite, OrderOf(request.tenant),
      [=](billing::Ledger& ledger) { *verdict = TenantStore(ledger.database()).CreateKey(key); });
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  if (auto error = KeyErrorOf(*verdict, view, request.tenant, "")) co_return *std::move(error);
  LogKey(view, who, "created", request.tenant, key.id);
  co_return made;
}

base::Task<OrError<MadeKey>> RotateKey(Worker& worker, const View& view, tenancy::KeyOwner who,
                                       KeyRotation rotation) {
  if (auto error = CheckAccess(worker, who)) co_return *std::move(error);
  if (auto error = CheckTenantName(rotation.tenant)) co_return *std::move(error);
  if (rotation.overlap < absl::ZeroDuration() || rotation.overlap > kKeyOverlapMax) {
    co_return model::InvalidField("overlap", "must be from 0 s to 366 days");
  }
  if (!IsKeyId(rotation.key_id)) co_return KeyUnknown(rotation.tenant, rotation.key_id);
  struct Reply {
    StoreVerdict verdict = StoreVerdict::kDone;
    tenancy::StoredKey key;
  };
  MadeKey made = MakeKeyOf(rotation.tenant, worker.clock().Now());
  auto reply = std::make_shared<Reply>();
  const tenancy::StoredKey key = made.key;
  base::Task<Error> ask =
      AskLedger(worker, Access::kWrite, OrderOf(rotation.tenant), [=](billing::Ledger& ledger) {
        reply->key = key;
        reply->verdict =
            TenantStore(ledger.database())
                .RotateKey(rotation.key_id, key.created_at + rotation.overlap, &reply->key);
      });
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  if (auto error = KeyErrorOf(reply->verdict, view, rotation.tenant, rotation.key_id)) {
    co_return *std::move(error);
  }
  made.key = reply->key;
  LogKey(view, who, base::StrCat("rotated to ", made.key.id), rotation.tenant, rotation.key_id);
  co_return made;
}

base::Task<std::optional<model::CallError>> RevokeKey(Worker& worker, const View& view,
                                                      tenancy::KeyOwner who, std::string tenant,
                                                      std::string key_id) {
  if (auto error = CheckAccess(worker, who)) co_return error;
  if (auto error = CheckTenantName(tenant)) co_return error;
  if (!IsKeyId(key_id)) co_return KeyUnknown(tenant, key_id);
  auto verdict = std::make_shared<StoreVerdict>();
  const absl::Time now = worker.clock().Now();
  base::Task<Error> ask =
      AskLedger(worker, Access::kWrite, OrderOf(tenant), [=](billing::Ledger& ledger) {
        *verdict = TenantStore(ledger.database()).RevokeKey(tenant, key_id, now);
      });
  Error failed = co_await std::move(ask);
  if (failed) co_return failed;
  if (auto error = KeyErrorOf(*verdict, view, tenant, key_id)) co_return error;
  LogKey(view, who, "revoked", tenant, key_id);
  co_return std::nullopt;
}

base::Task<OrError<std::vector<tenancy::StoredKey>>> ListKeys(Worker& worker, const View& view,
                                                              tenancy::KeyOwner who,
                                                              KeyFilter filter) {
  if (auto error = CheckAccess(worker, who)) co_return *std::move(error);
  if (auto error = CheckTenantName(filter.tenant)) co_return *std::move(error);
  struct Reply {
    bool known = false;
    std::vector<tenancy::StoredKey> keys;
  };
  auto reply = std::make_shared<Reply>();
  const absl::Time now = worker.clock().Now();
  base::Task<Error> ask = AskLedger(worker, Access::kRead, "", [=](billing::Ledger& ledger) {
    TenantStore store(ledger.database());
    reply->known = store.Find(filter.tenant, now).has_value();
    reply->keys = store.ListKeys(filter.tenant, filter.after, filter.limit);
  });
  Error failed = co_await std::move(ask);
  if (failed) co_return *std::move(failed);
  if (!reply->known) co_return TenantUnknown(view, filter.tenant);
  co_return std::move(reply->keys);
}

}  // namespace pingti::exchange
