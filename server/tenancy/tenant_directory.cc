#include "server/tenancy/tenant_directory.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "server/base/check.h"

namespace pingti::tenancy {

TenantDirectory::TenantDirectory(const config::Config& config, KeyUses* uses) {
  for (size_t tenant = 0; tenant < config.tenants.size(); ++tenant) {
    for (const config::KeyRecord& record : config.tenants[tenant].keys) {
      Add(record, false, tenant, uses);
    }
    for (const std::string& identity : config.tenants[tenant].identities) {
      by_identity_.emplace(identity, tenant);
    }
  }
  for (size_t admin = 0; admin < config.admin_keys.size(); ++admin) {
    Add(config.admin_keys[admin].record, true, admin, uses);
  }
}

void TenantDirectory::Add(const config::KeyRecord& record, bool is_admin, size_t index,
                          KeyUses* uses) {
  Entry entry{{},
              is_admin,
              index,
              record.expires_at,
              record.models,
              record.rights,
              record.budget,
              uses == nullptr ? nullptr : uses->Find(record.public_id)};
  PINGTI_CHECK(record.sha256.size() == entry.hash.size(), "the configuration checks hashes");
  std::copy(record.sha256.begin(), record.sha256.end(), entry.hash.begin());
  by_public_id_.emplace(record.public_id, std::move(entry));
}

std::optional<KeyOwner> TenantDirectory::FindOwner(std::string_view key, absl::Time now) const {
  static const Entry kNobody{};
  const auto it = by_public_id_.find(PublicIdOf(key).value_or(std::string_view()));
  const bool known = it != by_public_id_.end();
  const Entry& entry = known ? it->second : kNobody;
  const KeyHash hash = HashKey(key);
  const bool same = CRYPTO_memcmp(hash.data(), entry.hash.data(), hash.size()) == 0;
  const bool lives = now < entry.expires_at;
  if (!known || !same || !lives) return std::nullopt;
  return KeyOwner{entry.is_admin, entry.index,  it->first,
                  entry.models,   entry.rights, entry.budget ? &*entry.budget : nullptr,
                  entry.use.get()};
}

std::optional<Identity> TenantDirectory::Find(std::string_view key, absl::Time now) const {
  const std::optional<KeyOwner> owner = FindOwner(key, now);
  if (!owner || owner->is_admin) return std::nullopt;
  return owner->identity();
}

std::optional<Identity> TenantDirectory::FindPeer(std::span<const std::string> identities) const {
  std::optional<Identity> found;
  for (const std::string& identity : identities) {
    const auto it = by_identity_.find(identity);
    if (it == by_identity_.end()) continue;
    if (found && found->tenant != it->second) return std::nullopt;
    found.emplace().tenant = it->second;
  }
  return found;
}

}  // namespace pingti::tenancy
