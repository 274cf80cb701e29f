// Tenants in the database; their keys are in key_store_sql.cc, their identities in
// identity_store_sql.cc.
#include <string>
#include <utility>
#include <vector>

#include "server/tenancy/tenant_store_sql.h"

namespace pingti::tenancy {
namespace {

using soci::into;
using soci::use;

std::string NameOf(TenantState state) {
  switch (state) {
    case TenantState::kActive:
      return "active";
    case TenantState::kSuspended:
      return "suspended";
    case TenantState::kDeleted:
      return "deleted";
  }
  return "";
}

TenantState StateOf(const std::string& name) {
  if (name == "active") return TenantState::kActive;
  return name == "suspended" ? TenantState::kSuspended : TenantState::kDeleted;
}

constexpr char kSelectTenants[] =
    "SELECT name, tier, state, created_at, (SELECT COUNT(*) FROM api_keys WHERE tenant = "
    "tenants.name AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)) "
    "FROM tenants WHERE ";

// What a row of kSelectTenants is read into.
struct TenantRow {
  StoredTenant Take() const {
    StoredTenant tenant = this->tenant;
    tenant.state = StateOf(state);
    tenant.created_at = absl::FromUnixMicros(created_at);
    return tenant;
  }

  StoredTenant tenant;
  std::string state;
  int64_t created_at = 0;
};

}  // namespace

StoreVerdict TenantStore::Create(const std::string& name, const std::string& tier, absl::Time at) {
  const int64_t micros = absl::ToUnixMicros(at);
  soci::session& sql = database_.session();
  soci::statement insert =
      (sql.prepare << "INSERT INTO tenants (name, tier, state, created_at) "
                      "VALUES (:name, :tier, 'active', :at) ON CONFLICT DO NOTHING",
       use(name, "name"), use(tier, "tier"), use(micros, "at"));
  if (ChangedRows(insert) == 0) {
    int64_t same = 0;
    sql << "SELECT COUNT(*) FROM tenants WHERE name = :name AND tier = :tier AND created_at = :at "
           "AND state <> 'deleted'",
        into(same), use(name, "name"), use(tier, "tier"), use(micros, "at");
    return same == 1 ? StoreVerdict::kDone : StoreVerdict::kNameTaken;
  }
  int64_t count = 0;
  sql << "SELECT COUNT(*) FROM tenants WHERE state <> 'deleted'", into(count);
  if (count > kStoredTenantsMax) {
    sql << "DELETE FROM tenants WHERE name = :name", use(name, "name");
    return StoreVerdict::kTooMany;
  }
  CountChange();
  return StoreVerdict::kDone;
}

StoreVerdict TenantStore::Suspend(const std::string& name) {
  return SetState(name, TenantState::kSuspended);
}

StoreVerdict TenantStore::Resume(const std::string& name) {
  return SetState(name, TenantState::kActive);
}

StoreVerdict TenantStore::SetState(const std::string& name, TenantState state) {
  if (!Lock(name)) return StoreVerdict::kUnknownTenant;
  const std::string to = NameOf(state);
  soci::statement update =
      (database_.session().prepare
           << "UPDATE tenants SET state = :state WHERE name = :name AND state <> :state",
       use(to, "state"), use(name, "name"));
  if (ChangedRows(update) > 0) CountChange();
  return StoreVerdict::kDone;
}

StoreVerdict TenantStore::SetTier(const std::string& name, const std::string& tier) {
  if (!Lock(name)) return StoreVerdict::kUnknownTenant;
  soci::statement update =
      (database_.session().prepare
           << "UPDATE tenants SET tier = :tier WHERE name = :name AND tier <> :tier",
       use(tier, "tier"), use(name, "name"));
  if (ChangedRows(update) > 0) CountChange();
  return StoreVerdict::kDone;
}

bool TenantStore::LiftTier(const std::string& name, const std::vector<std::string>& from,
                           const std::string& to) {
  for (const std::string& tier : from) {
    soci::statement update =
        (database_.session().prepare << "UPDATE tenants SET tier = :to WHERE name = :name AND "
                                        "tier = :tier AND state <> 'deleted'",
         use(to, "to"), use(name, "name"), use(tier, "tier"));
    if (ChangedRows(update) == 0) continue;
    CountChange();
    return true;
  }
  return false;
}

StoreVerdict TenantStore::Delete(const std::string& name, absl::Time at) {
  soci::session& sql = database_.session();
  if (!Lock(name)) {
    int64_t deleted = 0;
    sql << "SELECT COUNT(*) FROM tenants WHERE name = :name", into(deleted), use(name, "name");
    return deleted == 1 ? StoreVerdict::kDone : StoreVerdict::kUnknownTenant;
  }
  const int64_t micros = absl::ToUnixMicros(at);
  sql << "UPDATE tenants SET state = 'deleted' WHERE name = :name", use(name, "name");
  sql << "UPDATE api_keys SET revoked_at = :at WHERE tenant = :name AND revoked_at IS NULL",
      use(micros, "at"), use(name, "name");
  sql << "DELETE FROM tenant_identities WHERE tenant = :name", use(name, "name");
  CountChange();
  return StoreVerdict::kDone;
}

std::optional<StoredTenant> TenantStore::Find(const std::string& name, absl::Time now) {
  const int64_t micros = absl::ToUnixMicros(now);
  TenantRow row;
  StoredTenant& tenant = row.tenant;
  soci::session& sql = database_.session();
  sql << kSelectTenants << "name = :name", into(tenant.name), into(tenant.tier), into(row.state),
      into(row.created_at), into(tenant.live_keys), use(micros, "now"), use(name, "name");
  if (!sql.got_data()) return std::nullopt;
  std::optional<StoredTenant> found = row.Take();
  found->identities = std::move(ReadIdentities(sql, name, name)[name]);
  return found;
}

std::vector<StoredTenant> TenantStore::List(const std::string& after, int limit, bool deleted,
                                            absl::Time now) {
  const int64_t micros = absl::ToUnixMicros(now);
  std::vector<StoredTenant> tenants;
  TenantRow row;
  StoredTenant& tenant = row.tenant;
  soci::statement find =
      (database_.session().prepare << kSelectTenants << "name > :after"
                                   << (deleted ? "" : " AND state <> 'deleted'")
                                   << " ORDER BY name LIMIT :max",
       into(tenant.name), into(tenant.tier), into(row.state), into(row.created_at),
       into(tenant.live_keys), use(micros, "now"), use(after, "after"), use(limit, "max"));
  find.execute();
  while (find.fetch()) tenants.push_back(row.Take());
  if (tenants.empty()) return tenants;
  IdentitiesByTenant identities =
      ReadIdentities(database_.session(), tenants.front().name, tenants.back().name);
  for (StoredTenant& each : tenants) each.identities = std::move(identities[each.name]);
  return tenants;
}

int64_t TenantStore::Changes() {
  int64_t changes = 0;
  database_.session() << "SELECT changes FROM tenant_changes", into(changes);
  return changes;
}

std::vector<config::Tenant> TenantStore::Snapshot(absl::Time now) {
  std::vector<config::Tenant> tenants;
  config::Tenant tenant;
  std::string state;
  soci::statement find =
      (database_.session().prepare
           << "SELECT name, tier, state FROM tenants WHERE state <> 'deleted' ORDER BY name",
       into(tenant.name), into(tenant.tier), into(state));
  find.execute();
  while (find.fetch()) {
    tenant.suspended = StateOf(state) == TenantState::kSuspended;
    tenants.push_back(tenant);
  }
  AddKeys(now, &tenants);
  AddIdentities(&tenants);
  return tenants;
}

bool TenantStore::Lock(const std::string& name) {
  std::string found;
  soci::session& sql = database_.session();
  sql << "SELECT name FROM tenants WHERE name = :name AND state <> 'deleted'"
      << (database_.engine() == storage::Engine::kPostgres ? " FOR UPDATE" : ""),
      into(found), use(name, "name");
  return sql.got_data();
}

void TenantStore::CountChange() {
  database_.session() << "UPDATE tenant_changes SET changes = changes + 1";
}

}  // namespace pingti::tenancy
