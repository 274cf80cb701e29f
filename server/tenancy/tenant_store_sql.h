// Inside of the store of tenants, for its *_sql.cc only.
#pragma once

#include <soci/soci.h>

#include <cstdint>

#include "server/tenancy/tenant_store.h"

namespace pingti::tenancy {

// Runs a statement that gives no row: how many it changed.
inline int64_t ChangedRows(soci::statement& statement) {
  statement.execute(true);
  return statement.get_affected_rows();
}

}  // namespace pingti::tenancy
