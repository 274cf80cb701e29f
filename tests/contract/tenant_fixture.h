// What the tests of the store of tenants stand on, whichever engine keeps it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/exchange/tenant_accounts.h"
#include "server/tenancy/tenant_store.h"
#include "tests/contract/ledger_fixture.h"

namespace pingti::exchange {

using billing::kAcme;
using tenancy::StoredKey;
using tenancy::StoredTenant;
using tenancy::StoreVerdict;
using tenancy::TenantState;
using tenancy::TenantStore;

using Ids = std::vector<std::string>;

class TenantContract : public billing::LedgerContract {
 protected:
  template <typename T>
  T Get(const std::function<T(TenantStore&)>& work) {
    std::optional<T> got;
    Do([&](billing::Ledger& ledger) {
      TenantStore store(ledger.database());
      got = work(store);
    });
    return std::move(*got);
  }
  StoreVerdict Change(const std::function<StoreVerdict(TenantStore&)>& work) { return Get(work); }

  StoreVerdict Create(const std::string& name, const std::string& tier = "Tier1") {
    StoreVerdict verdict = StoreVerdict::kDone;
    Do([&](billing::Ledger& ledger) {
      verdict = CreateTenant(ledger, name, tier, {.newcomer_bonus = 100}, now_);
    });
    return verdict;
  }
  StoredKey KeyOf(const std::string& id, const std::string& tenant = kAcme) const {
    StoredKey key;
    key.id = id;
    key.tenant = tenant;
    key.name = "of a test";
    key.sha256 = (id + std::string(32, '\xfe')).substr(0, 32);
    key.created_at = now_;
    return key;
  }
  StoreVerdict CreateKey(const StoredKey& key) {
    return Change([&](TenantStore& store) { return store.CreateKey(key); });
  }
  StoreVerdict RotateKey(const std::string& id, absl::Time until, StoredKey* made) {
    return Change([&](TenantStore& store) { return store.RotateKey(id, until, made); });
  }
  StoreVerdict SetIdentities(const std::string& name, const Ids& identities,
                             std::string* taken = nullptr) {
    std::string ignored;
    return Change([&](TenantStore& store) {
      return store.SetIdentities(name, identities, taken == nullptr ? &ignored : taken);
    });
  }
  int64_t Changes() {
    return Get<int64_t>([](TenantStore& store) { return store.Changes(); });
  }
  std::vector<config::Tenant> Snapshot(absl::Time now) {
    return Get<std::vector<config::Tenant>>(
        [&](TenantStore& store) { return store.Snapshot(now); });
  }
  StoredTenant Find(const std::string& name) {
    return Get<StoredTenant>(
        [&](TenantStore& store) { return store.Find(name, now_).value_or(StoredTenant()); });
  }
  // Public ids of the keys of the only tenant.
  std::vector<std::string> LiveKeys(absl::Time now) {
    std::vector<std::string> ids;
    for (const config::Tenant& tenant : Snapshot(now)) {
      for (const config::KeyRecord& key : tenant.keys) ids.push_back(key.public_id);
    }
    return ids;
  }
};

}  // namespace pingti::exchange
