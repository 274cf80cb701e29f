// Identities of peers that are taken for tenants of the database.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/tenancy/tenant_store_sql.h"

namespace pingti::tenancy {
namespace {

using soci::into;
using soci::use;

constexpr char kSelectIdentities[] = "SELECT tenant, identity FROM tenant_identities";

// What a row of it is read into.
struct IdentityRow {
  std::string tenant, identity;
};

IdentitiesByTenant Collect(soci::statement& find, const IdentityRow& row) {
  IdentitiesByTenant identities;
  find.execute();
  while (find.fetch()) identities[row.tenant].push_back(row.identity);
  // By their bytes, whatever the database's collation is.
  for (auto& [tenant, all] : identities) std::sort(all.begin(), all.end());
  return identities;
}

}  // namespace

StoreVerdict TenantStore::SetIdentities(const std::string& name,
                                        std::vector<std::string> identities, std::string* taken) {
  if (!Lock(name)) return StoreVerdict::kUnknownTenant;
  // In one order, so that two changes do not wait for each other in a circle.
  std::sort(identities.begin(), identities.end());
  soci::session& sql = database_.session();
  const std::vector<std::string> before = std::move(ReadIdentities(sql, name, name)[name]);
  if (before == identities) return StoreVerdict::kDone;
  std::string identity;
  soci::statement add =
      (sql.prepare
           << "INSERT INTO tenant_identities (identity, tenant) VALUES (:identity, :tenant) "
              "ON CONFLICT DO NOTHING",
       use(identity, "identity"), use(name, "tenant"));
  soci::statement remove =
      (sql.prepare << "DELETE FROM tenant_identities WHERE identity = :identity",
       use(identity, "identity"));
  std::vector<std::string> added;
  for (const std::string& wanted : identities) {
    if (std::binary_search(before.begin(), before.end(), wanted)) continue;
    identity = wanted;
    if (ChangedRows(add) == 1) {
      added.push_back(wanted);
      continue;
    }
    *taken = wanted;
    for (const std::string& undone : added) {
      identity = undone;
      ChangedRows(remove);
    }
    return StoreVerdict::kIdentityTaken;
  }
  for (const std::string& old : before) {
    if (std::binary_search(identities.begin(), identities.end(), old)) continue;
    identity = old;
    ChangedRows(remove);
  }
  CountChange();
  return StoreVerdict::kDone;
}

IdentitiesByTenant ReadIdentities(soci::session& sql, const std::string& first,
                                  const std::string& last) {
  IdentityRow row;
  soci::statement find =
      (sql.prepare << kSelectIdentities << " WHERE tenant BETWEEN :first AND :last",
       into(row.tenant), into(row.identity), use(first, "first"), use(last, "last"));
  return Collect(find, row);
}

void TenantStore::AddIdentities(std::vector<config::Tenant>* tenants) {
  IdentityRow row;
  soci::statement find =
      (database_.session().prepare << kSelectIdentities, into(row.tenant), into(row.identity));
  IdentitiesByTenant identities = Collect(find, row);
  for (config::Tenant& tenant : *tenants) tenant.identities = std::move(identities[tenant.name]);
}

}  // namespace pingti::tenancy
