// Limits of single API keys in the database.
#include <string>

#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/config/limit_kinds.h"
#include "server/tenancy/tenant_store_sql.h"

namespace pingti::tenancy {
namespace {

using soci::into;
using soci::use;

constexpr char kSelectLimits[] =
    "SELECT l.key_id, l.kind, l.amount, l.burst, l.shadow FROM key_limits l "
    "JOIN api_keys k ON k.id = l.key_id WHERE ";

// What a row of kSelectLimits is read into.
struct LimitsRow {
  void AddTo(LimitsById* limits) const {
    const config::LimitKind* found = config::FindLimitKind(kind);
    PINGTI_CHECK(found != nullptr, "the database allows no other kind");
    (*limits)[key_id].*(found->limit) = config::Limit(amount, burst, shadow != 0);
  }

  std::string key_id, kind;
  int64_t amount = 0, burst = 0, shadow = 0;
};

}  // namespace

void InsertLimits(soci::session& sql, const StoredKey& key) {
  for (const config::LimitKind& kind : config::kLimitKinds) {
    const std::optional<config::Limit>& limit = key.limits.*kind.limit;
    if (!limit) continue;
    const std::string name(kind.name);
    const int64_t shadow = limit->shadow ? 1 : 0;
    sql << "INSERT INTO key_limits (key_id, kind, amount, burst, shadow) "
           "VALUES (:id, :kind, :amount, :burst, :shadow)",
        use(key.id, "id"), use(name, "kind"), use(limit->limit, "amount"),
        use(limit->burst, "burst"), use(shadow, "shadow");
  }
}

LimitsById ReadLimits(soci::session& sql, const std::string& tenant, const std::string& first,
                      const std::string& last) {
  LimitsById limits;
  LimitsRow row;
  soci::statement find =
      (sql.prepare << kSelectLimits << "k.tenant = :tenant AND k.id BETWEEN :first AND :last",
       into(row.key_id), into(row.kind), into(row.amount), into(row.burst), into(row.shadow),
       use(tenant, "tenant"), use(first, "first"), use(last, "last"));
  find.execute();
  while (find.fetch()) row.AddTo(&limits);
  return limits;
}

LimitsById ReadLiveLimits(soci::session& sql) {
  LimitsById limits;
  LimitsRow row;
  soci::statement find = (sql.prepare << kSelectLimits << "k.revoked_at IS NULL", into(row.key_id),
                          into(row.kind), into(row.amount), into(row.burst), into(row.shadow));
  find.execute();
  while (find.fetch()) row.AddTo(&limits);
  return limits;
}

}  // namespace pingti::tenancy
