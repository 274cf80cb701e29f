// Inside of the store of tenants, for its *_sql.cc only.
#pragma once

#include <soci/soci.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/tenancy/tenant_store.h"

namespace pingti::tenancy {

// Runs a statement that gives no row: how many it changed.
inline int64_t ChangedRows(soci::statement& statement) {
  statement.execute(true);
  return statement.get_affected_rows();
}

// Limits of keys (key_limits_sql.cc), by public id. Keys without any are not in it.
using LimitsById = std::unordered_map<std::string, config::ClassLimits>;

void InsertLimits(soci::session& sql, const StoredKey& key);
// Of a tenant's keys from `first` to `last`.
LimitsById ReadLimits(soci::session& sql, const std::string& tenant, const std::string& first,
                      const std::string& last);
// Of all keys that are not revoked.
LimitsById ReadLiveLimits(soci::session& sql);

// Identities (identity_store_sql.cc), by tenant, ordered by their bytes. Tenants without any are
// not in it.
using IdentitiesByTenant = std::unordered_map<std::string, std::vector<std::string>>;

// Of tenants from `first` to `last`, in the order in which the database lists them.
IdentitiesByTenant ReadIdentities(soci::session& sql, const std::string& first,
                                  const std::string& last);

}  // namespace pingti::tenancy
