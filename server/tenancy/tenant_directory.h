// Who is behind an API key, or the identity of a peer. Made from the configuration; immutable and
// thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "server/config/config.h"
#include "server/tenancy/api_key.h"
#include "server/tenancy/key_uses.h"

namespace pingti::tenancy {

// A tenant, by one of its keys or by who the peer is.
struct Identity {
  size_t tenant = 0;  // index in Config::tenants
  // Public id of the key; lives as long as the directory. Empty: there was none.
  std::string_view key_id;
  // That calls with the key may name, as key_id; empty: those of the tenant.
  std::span<const std::string> key_models{};
  config::KeyRights rights{};
  const config::KeyBudget* budget = nullptr;  // as key_id; null: it has none
  KeyUse* use = nullptr;                      // as key_id; null: nobody wants to know
};

// Whose key it is: a tenant's, or an administrator's.
struct KeyOwner {
  bool is_admin = false;
  size_t index = 0;         // in Config::tenants, or in Config::admin_keys
  std::string_view key_id;  // as in Identity
  std::span<const std::string> key_models{};
  config::KeyRights rights{};  // this and what follows: of a tenant's key
  const config::KeyBudget* budget = nullptr;
  KeyUse* use = nullptr;

  static KeyOwner Of(const Identity& who) {
    return {false, who.tenant, who.key_id, who.key_models, who.rights, who.budget, who.use};
  }
  // REQUIRES: it is a tenant's.
  Identity identity() const { return {index, key_id, key_models, rights, budget, use}; }
};

class TenantDirectory {
 public:
  // `uses` may be null; else each key's use is its one of this id.
  explicit TenantDirectory(const config::Config& config, KeyUses* uses = nullptr);

  // The owner of a key that is valid at `now`. Unknown ids, wrong secrets and keys that have
  // expired take the same path and time.
  std::optional<KeyOwner> FindOwner(std::string_view key, absl::Time now) const;
  // The same, of a tenant's key only.
  std::optional<Identity> Find(std::string_view key, absl::Time now) const;
  // The one tenant that has any of the identities, which a peer has proved to have. Nothing: none
  // has, or several have.
  std::optional<Identity> FindPeer(std::span<const std::string> identities) const;

 private:
  struct Entry {
    KeyHash hash{};
    bool is_admin = false;
    size_t index = 0;
    absl::Time expires_at = absl::InfinitePast();
    std::vector<std::string> models{};
    config::KeyRights rights{};
    std::optional<config::KeyBudget> budget{};
    std::shared_ptr<KeyUse> use{};
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  void Add(const config::KeyRecord& record, bool is_admin, size_t index, KeyUses* uses);

  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> by_public_id_;
  std::unordered_map<std::string, size_t> by_identity_;
};

}  // namespace pingti::tenancy
