#include "server/admission/authenticate.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "server/base/strings.h"

namespace pingti::admission {
namespace {

constexpr std::string_view kScheme = "Bearer ";

bool Allows(std::span<const std::string> models, const std::string& model) {
  return models.empty() || std::find(models.begin(), models.end(), model) != models.end();
}

// By the key where one was sent, also a wrong one; else by who the peer is.
std::variant<tenancy::KeyOwner, model::CallError> FindOwner(
    const Credentials& credentials, const tenancy::TenantDirectory& directory, absl::Time now) {
  const std::string_view authorization = credentials.authorization;
  if (authorization.empty()) {
    if (const auto peer = directory.FindPeer(credentials.peer_identities)) {
      return tenancy::KeyOwner::Of(*peer);
    }
    return model::Refuse(
        model::ErrorReason::kKeyMissing,
        base::StrCat("no API key: send the metadata `authorization: Bearer pt_...`",
                     credentials.peer_identities.empty()
                         ? ""
                         : "; no single tenant has the identities of the peer's certificate"));
  }
  if (!absl::StartsWithIgnoreCase(base::AbslView(authorization), base::AbslView(kScheme))) {
    return model::Refuse(model::ErrorReason::kKeyInvalid,
                         "the metadata `authorization` must have the form `Bearer pt_...`");
  }
  const auto owner = directory.FindOwner(authorization.substr(kScheme.size()), now);
  if (!owner) return model::Refuse(model::ErrorReason::kKeyInvalid, "the API key is not valid");
  return *owner;
}

}  // namespace

std::variant<tenancy::KeyOwner, model::CallError> AuthenticateOwner(
    const Credentials& credentials, const tenancy::TenantDirectory& directory,
    const config::Config& config, absl::Time now) {
  auto found = FindOwner(credentials, directory, now);
  if (auto* error = std::get_if<model::CallError>(&found)) return std::move(*error);
  const tenancy::KeyOwner* owner = &std::get<tenancy::KeyOwner>(found);
  if (owner->is_admin) return *owner;
  const config::Tenant& tenant = config.tenants[owner->index];
  if (tenant.suspended) {
    auto error = model::Refuse(model::ErrorReason::kTenantSuspended,
                               base::StrCat("tenant ", tenant.name, " is suspended"));
    error.metadata["tenant"] = tenant.name;
    return error;
  }
  return *owner;
}

std::variant<tenancy::Identity, model::CallError> Authenticate(
    const Credentials& credentials, const tenancy::TenantDirectory& directory,
    const config::Config& config, absl::Time now) {
  auto owner = AuthenticateOwner(credentials, directory, config, now);
  if (auto* error = std::get_if<model::CallError>(&owner)) return std::move(*error);
  const auto& found = std::get<tenancy::KeyOwner>(owner);
  if (found.is_admin) {
    return model::Refuse(
        model::ErrorReason::kKeyInvalid,
        "the API key is an administrator's: it manages accounts (pingti.v1.Accounts) and "
        "nothing else");
  }
  return found.identity();
}

std::optional<model::CallError> CheckRight(const tenancy::Identity& who, config::KeyRight right) {
  if (who.rights.Has(right)) return std::nullopt;
  const std::string_view name = config::kKeyRightNames[static_cast<size_t>(right)];
  auto error = model::Refuse(model::ErrorReason::kRightMissing,
                             base::StrCat("API key ", who.key_id, " has no right to ", name));
  error.metadata["right"] = std::string(name);
  return error;
}

std::optional<model::CallError> CheckModelAllowed(const config::Config& config,
                                                  const tenancy::Identity& who,
                                                  const std::string& model) {
  const config::Tenant& tenant = config.tenants[who.tenant];
  const bool of_tenant = Allows(tenant.models, model);
  if (of_tenant && Allows(who.key_models, model)) return std::nullopt;
  auto error = model::Refuse(
      model::ErrorReason::kModelNotAllowed,
      of_tenant ? base::StrCat("API key ", who.key_id, " may not be used for model ", model)
                : base::StrCat("tenant ", tenant.name, " may not use model ", model));
  error.metadata["model"] = model;
  return error;
}

}  // namespace pingti::admission
