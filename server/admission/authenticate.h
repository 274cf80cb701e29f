// Who calls, and may they: the first gate of every method of every edge.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/time/time.h"
#include "server/config/config.h"
#include "server/model/failure.h"
#include "server/tenancy/tenant_directory.h"

namespace pingti::admission {

// What a caller shows of itself.
struct Credentials {
  // Value of that metadata or header; empty: none was sent. What is sent decides.
  std::string_view authorization{};
  // That the peer has proved to have, by TLS; never what it says in a request.
  std::span<const std::string> peer_identities{};

  Credentials() = default;
  // A key is the usual one.
  Credentials(const char* authorization) : authorization(authorization) {}         // NOLINT
  Credentials(const std::string& authorization) : authorization(authorization) {}  // NOLINT
  Credentials(std::string_view authorization,                                      // NOLINT
              std::span<const std::string> peer_identities = {})
      : authorization(authorization), peer_identities(peer_identities) {}
};

// Errors: KEY_MISSING (also where no tenant, or no single one, has the peer's identities),
// KEY_INVALID (also of a key that has expired at `now`), TENANT_SUSPENDED. Thread-safe. For what
// tenants and administrators may do.
std::variant<tenancy::KeyOwner, model::CallError> AuthenticateOwner(
    const Credentials& credentials, const tenancy::TenantDirectory& directory,
    const config::Config& config, absl::Time now);

// The same for what only tenants may do: KEY_INVALID of an administrator's key, too.
std::variant<tenancy::Identity, model::CallError> Authenticate(
    const Credentials& credentials, const tenancy::TenantDirectory& directory,
    const config::Config& config, absl::Time now);

// RIGHT_MISSING where the key may not be used for that.
std::optional<model::CallError> CheckRight(const tenancy::Identity& who, config::KeyRight right);

// MODEL_NOT_ALLOWED where the tenant, or the key, may not use `model` (the name that was asked
// for).
std::optional<model::CallError> CheckModelAllowed(const config::Config& config,
                                                  const tenancy::Identity& who,
                                                  const std::string& model);

}  // namespace pingti::admission
