// API keys of the tenants in the database.
#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/base/strings.h"
#include "server/tenancy/tenant_store_sql.h"

namespace pingti::tenancy {
namespace {

using soci::into;
using soci::use;

// 0 stands for none.
absl::Time TimeOf(int64_t micros) {
  return micros == 0 ? absl::InfiniteFuture() : absl::FromUnixMicros(micros);
}

std::vector<std::string> SplitNames(const std::string& names) {
  return absl::StrSplit(names, ' ', absl::SkipEmpty());
}

config::KeyRights RightsOf(const std::string& names) {
  config::KeyRights rights = config::KeyRights::None();
  for (const std::string& name : SplitNames(names)) {
    // One that we do not know gives nothing.
    if (const auto right = config::FindKeyRight(name)) rights.Add(*right);
  }
  return rights;
}

// 0 stands for none.
std::optional<config::KeyBudget> BudgetOf(int64_t nano, const std::string& per) {
  if (nano == 0) return std::nullopt;
  return config::KeyBudget{nano,
                           config::FindBudgetPeriod(per).value_or(config::BudgetPeriod::kDay)};
}

constexpr char kSelectKeys[] =
    "SELECT id, tenant, name, sha256, models, created_at, COALESCE(expires_at, 0), "
    "COALESCE(revoked_at, 0), COALESCE(replaced_by, ''), rights, "
    "budget, budget_per, "
    "COALESCE((SELECT used_at FROM key_uses WHERE key_id = api_keys.id), 0) FROM api_keys WHERE "
    "tenant = :tenant AND ";

// What a row of kSelectKeys is read into.
struct KeyRow {
  StoredKey Take() const {
    StoredKey key = this->key;
    key.sha256 = absl::HexStringToBytes(hex);
    key.models = SplitNames(models);
    key.rights = RightsOf(rights);
    key.budget = BudgetOf(budget, budget_per);
    if (used_at != 0) key.used_at = absl::FromUnixMicros(used_at);
    key.created_at = absl::FromUnixMicros(created_at);
    key.expires_at = TimeOf(expires_at);
    key.revoked_at = TimeOf(revoked_at);
    return key;
  }

  StoredKey key;
  std::string hex, models, rights, budget_per;
  int64_t budget = 0, used_at = 0, created_at = 0, expires_at = 0, revoked_at = 0;
};

}  // namespace

StoreVerdict TenantStore::CreateKey(const StoredKey& key) {
  if (!Lock(key.tenant)) return StoreVerdict::kUnknownTenant;
  const std::optional<StoredKey> before = FindKey(key.tenant, key.id);
  if (before && before->sha256 == key.sha256) return StoreVerdict::kDone;
  if (!HasRoomForKey(key.tenant, key.created_at)) return StoreVerdict::kTooMany;
  Insert(key);
  CountChange();
  return StoreVerdict::kDone;
}

StoreVerdict TenantStore::RotateKey(const std::string& id, absl::Time until, StoredKey* made) {
  if (!Lock(made->tenant)) return StoreVerdict::kUnknownTenant;
  const std::optional<StoredKey> old = FindKey(made->tenant, id);
  if (!old) return StoreVerdict::kUnknownKey;
  if (old->replaced_by == made->id) {
    *made = FindKey(made->tenant, made->id).value_or(*made);
    return StoreVerdict::kDone;
  }
  const bool lives = old->revoked_at == absl::InfiniteFuture() &&
                     old->expires_at > made->created_at && old->replaced_by.empty();
  if (!lives) return StoreVerdict::kKeyEnded;
  if (!HasRoomForKey(made->tenant, made->created_at)) return StoreVerdict::kTooMany;
  made->name = old->name;
  made->models = old->models;
  made->limits = old->limits;
  made->rights = old->rights;
  made->budget = old->budget;
  // It lives as long as that one was meant to.
  made->expires_at = made->created_at + (old->expires_at - old->created_at);
  Insert(*made);
  const int64_t ends = absl::ToUnixMicros(std::min(old->expires_at, until));
  database_.session() << "UPDATE api_keys SET expires_at = :ends, replaced_by = :new "
                         "WHERE id = :id",
      use(ends, "ends"), use(made->id, "new"), use(id, "id");
  CountChange();
  return StoreVerdict::kDone;
}

StoreVerdict TenantStore::RevokeKey(const std::string& tenant, const std::string& id,
                                    absl::Time at) {
  if (!Lock(tenant)) return StoreVerdict::kUnknownTenant;
  if (!FindKey(tenant, id)) return StoreVerdict::kUnknownKey;
  const int64_t micros = absl::ToUnixMicros(at);
  soci::statement update =
      (database_.session().prepare
           << "UPDATE api_keys SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL",
       use(micros, "at"), use(id, "id"));
  if (ChangedRows(update) > 0) CountChange();
  return StoreVerdict::kDone;
}

std::vector<StoredKey> TenantStore::ListKeys(const std::string& tenant, const std::string& after,
                                             int limit) {
  std::vector<StoredKey> keys;
  KeyRow row;
  soci::statement find =
      (database_.session().prepare << kSelectKeys << "id > :after ORDER BY id LIMIT :max",
       into(row.key.id), into(row.key.tenant), into(row.key.name), into(row.hex), into(row.models),
       into(row.created_at), into(row.expires_at), into(row.revoked_at), into(row.key.replaced_by),
       into(row.rights), into(row.budget), into(row.budget_per), into(row.used_at),
       use(tenant, "tenant"), use(after, "after"), use(limit, "max"));
  find.execute();
  while (find.fetch()) {
    keys.push_back(row.Take());
    keys.back().sha256.clear();
  }
  if (keys.empty()) return keys;
  LimitsById limits = ReadLimits(database_.session(), tenant, keys.front().id, keys.back().id);
  for (StoredKey& key : keys) key.limits = limits[key.id];
  return keys;
}

std::optional<StoredKey> TenantStore::FindKey(const std::string& tenant, const std::string& id) {
  KeyRow row;
  soci::session& sql = database_.session();
  sql << kSelectKeys << "id = :id", into(row.key.id), into(row.key.tenant), into(row.key.name),
      into(row.hex), into(row.models), into(row.created_at), into(row.expires_at),
      into(row.revoked_at), into(row.key.replaced_by), into(row.rights), into(row.budget),
      into(row.budget_per), into(row.used_at), use(tenant, "tenant"), use(id, "id");
  if (!sql.got_data()) return std::nullopt;
  StoredKey key = row.Take();
  key.limits = ReadLimits(sql, tenant, id, id)[id];
  return key;
}

bool TenantStore::HasRoomForKey(const std::string& tenant, absl::Time now) {
  const int64_t micros = absl::ToUnixMicros(now);
  int64_t live = 0;
  database_.session() << "SELECT COUNT(*) FROM api_keys WHERE tenant = :tenant AND revoked_at IS "
                         "NULL AND (expires_at IS NULL OR expires_at > :now)",
      into(live), use(tenant, "tenant"), use(micros, "now");
  return live < kKeysOfTenantMax;
}

void TenantStore::Insert(const StoredKey& key) {
  const std::string hex =
      absl::BytesToHexString(absl::string_view(key.sha256.data(), key.sha256.size()));
  const std::string models = absl::StrJoin(key.models, " ");
  const std::string rights = config::FormatKeyRights(key.rights);
  const config::KeyBudget budget = key.budget.value_or(config::KeyBudget());
  const std::string per(config::BudgetPeriodName(budget.period));
  const int64_t created_at = absl::ToUnixMicros(key.created_at);
  const bool ends = key.expires_at < absl::InfiniteFuture();
  const int64_t expires_at = ends ? absl::ToUnixMicros(key.expires_at) : 0;
  soci::indicator has_end = ends ? soci::i_ok : soci::i_null;
  database_.session() << "INSERT INTO api_keys (id, tenant, name, sha256, models, created_at, "
                         "expires_at, rights, budget, budget_per) VALUES (:id, :tenant, :name, "
                         ":sha256, :models, :at, "
                         ":ends, :rights, :budget, :per)",
      use(key.id, "id"), use(key.tenant, "tenant"), use(key.name, "name"), use(hex, "sha256"),
      use(models, "models"), use(created_at, "at"), use(expires_at, has_end, "ends"),
      use(rights, "rights"), use(budget.nano, "budget"), use(per, "per");
  InsertLimits(database_.session(), key);
}

void TenantStore::AddKeys(absl::Time now, std::vector<config::Tenant>* tenants) {
  std::unordered_map<std::string, config::Tenant*> by_name;
  for (config::Tenant& tenant : *tenants) by_name.emplace(tenant.name, &tenant);
  LimitsById limits = ReadLiveLimits(database_.session());
  const int64_t micros = absl::ToUnixMicros(now);
  config::KeyRecord key;
  std::string tenant, hex, models, rights, budget_per;
  int64_t budget = 0, expires_at = 0;
  soci::statement find = (database_.session().prepare
                              << "SELECT tenant, id, sha256, models, rights, budget, budget_per, "
                                 "COALESCE(expires_at, 0) FROM api_keys WHERE "
                                 "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now) "
                                 "ORDER BY tenant, id",
                          into(tenant), into(key.public_id), into(hex), into(models), into(rights),
                          into(budget), into(budget_per), into(expires_at), use(micros, "now"));
  find.execute();
  while (find.fetch()) {
    const auto it = by_name.find(tenant);
    if (it == by_name.end()) continue;
    key.sha256 = absl::HexStringToBytes(hex);
    key.models = SplitNames(models);
    key.rights = RightsOf(rights);
    key.budget = BudgetOf(budget, budget_per);
    key.limits = limits[key.public_id];
    key.expires_at = TimeOf(expires_at);
    it->second->keys.push_back(key);
  }
}

}  // namespace pingti::tenancy
