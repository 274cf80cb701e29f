// What all workers share and never change: the configuration and everything that was made from it.
// A reload makes a new one and leaves the old one to the calls that began with it.
//
// Immutable after construction but for the atomics inside the quota buckets and of the last uses of
// keys; thread-safe. Shared by
// `std::shared_ptr<const Runtime>`.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/billing/price_book.h"
#include "server/config/config.h"
#include "server/quota/quota_book.h"
#include "server/routing/route_table.h"
#include "server/tenancy/key_uses.h"
#include "server/tenancy/tenant_directory.h"
#include "server/transport/header_list.h"

namespace pingti::exchange {

// One of our keys at a provider.
struct UpstreamKey {
  config::ProviderKey key;
  // Of each request that is made with it, credentials included.
  std::shared_ptr<const transport::HeaderList> headers;
};

class Runtime {
 public:
  // `previous` may be null; else what its tenants have used up of their limits is taken over, while
  // its calls go on. INVALID_ARGUMENT where a provider's key cannot be sent as a header.
  static absl::StatusOr<std::shared_ptr<const Runtime>> Make(config::Snapshot config,
                                                             const Runtime* previous,
                                                             base::Instant now);

  const config::Config& config() const { return *config_; }
  const tenancy::TenantDirectory& directory() const { return directory_; }
  // When keys were last used: the same for all runtimes of a process.
  tenancy::KeyUses& key_uses() const { return *key_uses_; }
  const routing::RouteTable& routes() const { return routes_; }
  const quota::QuotaBook& quotas() const { return quotas_; }
  const billing::PriceBook& prices() const { return prices_; }
  // Our keys at a provider that is on; at least one.
  const std::vector<UpstreamKey>& keys(const config::Provider& provider) const {
    return keys_.at(&provider);
  }

 private:
  using Keys = std::unordered_map<const config::Provider*, std::vector<UpstreamKey>>;

  Runtime(config::Snapshot config, Keys keys, const Runtime* previous, base::Instant now);

  const config::Snapshot config_;
  const Keys keys_;
  const std::shared_ptr<tenancy::KeyUses> key_uses_;
  const tenancy::TenantDirectory directory_;
  const routing::RouteTable routes_;
  const quota::QuotaBook quotas_;
  const billing::PriceBook prices_;
};

}  // namespace pingti::exchange
