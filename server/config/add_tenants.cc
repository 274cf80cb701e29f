#include "server/config/add_tenants.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "server/base/strings.h"

namespace pingti::config {
namespace {

// Names of what a configuration has.
struct Taken {
  explicit Taken(const Config& config) {
    for (const Tenant& tenant : config.tenants) {
      tenants.insert(tenant.name);
      for (const KeyRecord& key : tenant.keys) key_ids.insert(key.public_id);
      identities.insert(tenant.identities.begin(), tenant.identities.end());
    }
    for (const AdminKey& admin : config.admin_keys) key_ids.insert(admin.record.public_id);
    for (const Tier& tier : config.tiers) tiers.insert(tier.name);
  }

  std::unordered_set<std::string> tenants;
  std::unordered_set<std::string> key_ids;
  std::unordered_set<std::string> identities;
  std::unordered_set<std::string> tiers;
};

}  // namespace

std::vector<std::string> AddTenants(std::vector<Tenant> stored, Config* config) {
  const Taken taken(*config);
  std::vector<std::string> notes;
  for (Tenant& tenant : stored) {
    if (taken.tenants.count(tenant.name) > 0) {
      notes.push_back(base::StrCat("tenant ", tenant.name,
                                   " of the database is left out: the configuration has one of "
                                   "this name"));
      continue;
    }
    std::erase_if(tenant.keys, [&](const KeyRecord& key) {
      if (taken.key_ids.count(key.public_id) == 0) return false;
      notes.push_back(base::StrCat("API key ", key.public_id, " of tenant ", tenant.name,
                                   " is left out: the configuration has one of this public id"));
      return true;
    });
    std::erase_if(tenant.identities, [&](const std::string& identity) {
      if (taken.identities.count(identity) == 0) return false;
      notes.push_back(base::StrCat("identity ", identity, " of tenant ", tenant.name,
                                   " is left out: the configuration gives it to a tenant"));
      return true;
    });
    if (taken.tiers.count(tenant.tier) == 0) {
      notes.push_back(base::StrCat("tenant ", tenant.name, " is closed: there is no tier ",
                                   tenant.tier, " any more"));
      tenant.tier = std::string(kClosedTier);
      tenant.suspended = true;
    }
    tenant.stored = true;
    config->tenants.push_back(std::move(tenant));
  }
  AddClosedTier(config);
  return notes;
}

void AddClosedTier(Config* config) {
  const auto is_closed = [](const Tier& tier) { return tier.name == kClosedTier; };
  const bool used = std::any_of(config->tenants.begin(), config->tenants.end(),
                                [](const Tenant& tenant) { return tenant.tier == kClosedTier; });
  if (!used || std::any_of(config->tiers.begin(), config->tiers.end(), is_closed)) return;
  Tier& closed = config->tiers.emplace_back();
  closed.name = std::string(kClosedTier);
  closed.other_classes.requests_per_minute = 0;
}

}  // namespace pingti::config
