// Who calls, and may they: the first gate of every method of every edge.
#pragma once

#include <string_view>
#include <variant>

#include "server/config/config.h"
#include "server/model/failure.h"
#include "server/tenancy/tenant_directory.h"

namespace pingti::admission {

// `authorization`: value of that metadata or header; empty: none was sent. Errors: KEY_MISSING,
// KEY_INVALID, TENANT_SUSPENDED. Thread-safe. For what tenants and administrators may do.
std::variant<tenancy::KeyOwner, model::CallError> AuthenticateOwner(
    std::string_view authorization, const tenancy::TenantDirectory& directory,
    const config::Config& config);

// The same for what only tenants may do: KEY_INVALID of an administrator's key, too.
std::variant<tenancy::Identity, model::CallError> Authenticate(
    std::string_view authorization, const tenancy::TenantDirectory& directory,
    const config::Config& config);

// MODEL_NOT_ALLOWED where the tenant may not use `model` (the name that it asked for).
std::optional<model::CallError> CheckModelAllowed(const config::Tenant& tenant,
                                                  const std::string& model);

}  // namespace pingti::admission
