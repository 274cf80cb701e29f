// Tenants that come from elsewhere than the files: those of the database (tenancy/tenant_store.h).
#pragma once

#include <string>
#include <vector>

#include "server/config/config.h"

namespace pingti::config {

// Appends `stored`, which have names by the rules of the files. What the files say stands over it:
// - a tenant whose name they have is left out;
// - a key whose public id they have, and an identity that they give a tenant, are left out;
// - a tenant whose tier they do not have is closed, as one of tier `0`: TENANT_SUSPENDED.
// Returns a line for the operator about each.
std::vector<std::string> AddTenants(std::vector<Tenant> stored, Config* config);

// Makes the tier `0` where a tenant has it, so that each tenant's tier is there.
void AddClosedTier(Config* config);

}  // namespace pingti::config
