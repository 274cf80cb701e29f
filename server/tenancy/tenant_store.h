// Tenants and their API keys in the database of the ledger, beside those of the configuration. Each
// change counts up one number there, by which all replicas see that there is something new.
//
// Every member runs inside a transaction of the caller's (storage::Database::Transact, or a
// storage::Work) and throws soci::soci_error. Each can be run again after a commit that may or may
// not have happened: it finds what it has written and answers the same. What a name, a tier or a
// model may be is checked by who asks. Thread-safety: as its Database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/config/config.h"
#include "server/storage/database.h"

namespace pingti::tenancy {

enum class TenantState {
  kActive,
  kSuspended,  // TENANT_SUSPENDED
  kDeleted,    // has no keys, for ever; its name is not given away again
};

struct StoredTenant {
  std::string name;
  std::string tier;
  TenantState state = TenantState::kActive;
  absl::Time created_at;
  int live_keys = 0;                    // neither revoked nor expired
  std::vector<std::string> identities;  // of peers that are taken for it; sorted
};

// A key without its secret.
struct StoredKey {
  std::string id;  // public id
  std::string tenant;
  std::string name;                 // for people; several keys may have the same
  std::string sha256;               // of the whole key, 32 bytes; empty where keys are listed
  std::vector<std::string> models;  // empty: those of the tenant
  config::ClassLimits limits;       // over all models, beside those of the tenant
  config::KeyRights rights;
  std::optional<config::KeyBudget> budget;
  absl::Time created_at;
  absl::Time expires_at = absl::InfiniteFuture();
  absl::Time revoked_at = absl::InfiniteFuture();
  absl::Time used_at = absl::InfinitePast();  // last, as far as it is written; ListKeys() only
  std::string replaced_by;  // public id of the key that it was rotated to; empty: none
};

enum class StoreVerdict {
  kDone,
  kUnknownTenant,  // also one that was deleted, where it is not asked about itself
  kNameTaken,      // by a tenant that is or was
  kTooMany,        // tenants or keys
  kUnknownKey,     // of this tenant
  kKeyEnded,       // revoked, expired or replaced: it cannot be rotated
  kIdentityTaken,  // by another tenant
};

// What is not deleted, and live keys and identities of one tenant. All replicas keep them in
// memory.
inline constexpr int kStoredTenantsMax = 20'000;
inline constexpr int kKeysOfTenantMax = 100;
inline constexpr int kIdentitiesOfTenantMax = 16;

class TenantStore {
 public:
  explicit TenantStore(storage::Database& database) : database_(database) {}

  // kNameTaken, kTooMany. The same `at` and tier as before: it was this one.
  StoreVerdict Create(const std::string& name, const std::string& tier, absl::Time at);
  // kUnknownTenant.
  StoreVerdict Suspend(const std::string& name);
  StoreVerdict Resume(const std::string& name);
  StoreVerdict SetTier(const std::string& name, const std::string& tier);
  // These and no others are its identities, at most kIdentitiesOfTenantMax, none twice.
  // kUnknownTenant; kIdentityTaken, where `taken` is which and nothing was changed.
  StoreVerdict SetIdentities(const std::string& name, std::vector<std::string> identities,
                             std::string* taken);
  // Revokes its keys and takes its identities. kUnknownTenant. Whether it may go is up to who asks.
  StoreVerdict Delete(const std::string& name, absl::Time at);
  // Sets the tier where it is one of `from` now. False: it is not, or there is no such tenant.
  bool LiftTier(const std::string& name, const std::vector<std::string>& from,
                const std::string& to);

  std::optional<StoredTenant> Find(const std::string& name, absl::Time now);
  // By name, those behind `after`, deleted ones only where asked for.
  std::vector<StoredTenant> List(const std::string& after, int limit, bool deleted, absl::Time now);

  // `key` is without the two that say how it ended. kUnknownTenant, kTooMany.
  StoreVerdict CreateKey(const StoredKey& key);
  // A new key in place of the live key `id` of the same tenant, with its name, models, limits,
  // rights, budget and lifetime; that one ends at `until`, or before where it would. `made` has id,
  // tenant and sha256, and created_at, which is now; what it has taken over is set. kUnknownTenant,
  // kUnknownKey, kKeyEnded, kTooMany.
  StoreVerdict RotateKey(const std::string& id, absl::Time until, StoredKey* made);
  // kUnknownTenant, kUnknownKey. A key that has ended stays as it is.
  StoreVerdict RevokeKey(const std::string& tenant, const std::string& id, absl::Time at);
  // By public id, those behind `after`; also those that have ended.
  std::vector<StoredKey> ListKeys(const std::string& tenant, const std::string& after, int limit);

  // How many changes there were.
  int64_t Changes();
  // All that are not deleted, with the keys that live at `now`, as entries of Config::tenants.
  std::vector<config::Tenant> Snapshot(absl::Time now);

 private:
  StoreVerdict SetState(const std::string& name, TenantState state);
  // Nothing where it is deleted, or not there. Locks it until the transaction ends.
  bool Lock(const std::string& name);
  std::optional<StoredKey> FindKey(const std::string& tenant, const std::string& id);
  bool HasRoomForKey(const std::string& tenant, absl::Time now);
  void Insert(const StoredKey& key);
  void AddKeys(absl::Time now, std::vector<config::Tenant>* tenants);
  void AddIdentities(std::vector<config::Tenant>* tenants);
  void CountChange();

  storage::Database& database_;
};

}  // namespace pingti::tenancy
