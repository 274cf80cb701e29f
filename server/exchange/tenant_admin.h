// What pingti.v1.Accounts does with tenants and API keys of the database. For administrators only.
//
// On the worker's loop thread; each waits for the ledger, which answers there, whether or not the
// caller still is. `who` and `view` are those of the call. Errors of all: LEDGER_OFF,
// LEDGER_UNAVAILABLE, FIELD_INVALID, NOT_ADMIN; TENANT_UNKNOWN of all that name a tenant but
// kCreate. What was changed is in force on every replica within a second, and a line in the log
// says who did it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/base/task.h"
#include "server/exchange/key_terms.h"
#include "server/exchange/ledger_access.h"
#include "server/exchange/view.h"
#include "server/exchange/worker.h"
#include "server/tenancy/tenant_directory.h"
#include "server/tenancy/tenant_store.h"

namespace pingti::exchange {

inline constexpr size_t kKeyNameBytesMax = 128;
inline constexpr size_t kKeyModelsMax = 100;
inline constexpr absl::Duration kKeyLifetimeMin = absl::Seconds(1);
inline constexpr absl::Duration kKeyLifetimeMax = absl::Hours(24 * 3'653);
inline constexpr absl::Duration kKeyOverlapMax = absl::Hours(24 * 366);

enum class TenantVerb {
  kCreate,   // TENANT_NAME_TAKEN, TOO_MANY
  kSuspend,  // its keys stay
  kResume,
  kSetTier,
  kSetIdentities,  // IDENTITY_TAKEN
  kDelete,         // TENANT_IN_USE while calls hold money
};

struct TenantChange {
  TenantVerb verb = TenantVerb::kCreate;
  std::string tenant;
  std::string tier{};                     // kCreate and kSetTier
  std::vector<std::string> identities{};  // kSetIdentities
};

// The tenant as it is afterwards.
base::Task<OrError<tenancy::StoredTenant>> ChangeTenant(Worker& worker, const View& view,
                                                        tenancy::KeyOwner who, TenantChange change);

struct TenantFilter {
  std::string after;  // only names behind it
  int limit = 0;
  bool deleted = false;  // these, too
};
base::Task<OrError<std::vector<tenancy::StoredTenant>>> ListTenants(Worker& worker,
                                                                    tenancy::KeyOwner who,
                                                                    TenantFilter filter);

// A key that was just made; nothing keeps `secret` but this.
struct MadeKey {
  tenancy::StoredKey key;
  std::string secret;  // the whole key
};

struct KeyRequest {
  std::string tenant;
  std::string name;
  std::vector<std::string> models;         // empty: those of the tenant
  std::optional<absl::Duration> lifetime;  // nothing: for ever
  std::vector<KeyLimit> limits;            // over all models, beside those of the tenant
  std::optional<KeyBudgetRequest> budget;  // nothing: none
  std::vector<std::optional<config::KeyRight>> rights;  // nothing: none that we know; empty: all
};
// TOO_MANY.
base::Task<OrError<MadeKey>> CreateKey(Worker& worker, const View& view, tenancy::KeyOwner who,
                                       KeyRequest request);

struct KeyRotation {
  std::string tenant;
  std::string key_id;
  absl::Duration overlap;  // the old key goes on for so long
};
// KEY_UNKNOWN; KEY_ENDED where it was revoked, has expired or was rotated before; TOO_MANY.
base::Task<OrError<MadeKey>> RotateKey(Worker& worker, const View& view, tenancy::KeyOwner who,
                                       KeyRotation rotation);

// KEY_UNKNOWN. One that has ended stays as it is.
base::Task<std::optional<model::CallError>> RevokeKey(Worker& worker, const View& view,
                                                      tenancy::KeyOwner who, std::string tenant,
                                                      std::string key_id);

struct KeyFilter {
  std::string tenant;
  std::string after;  // only public ids behind it
  int limit = 0;
};
// Also those that have ended.
base::Task<OrError<std::vector<tenancy::StoredKey>>> ListKeys(Worker& worker, const View& view,
                                                              tenancy::KeyOwner who,
                                                              KeyFilter filter);

}  // namespace pingti::exchange
