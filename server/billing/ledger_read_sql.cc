// What people ask of the ledger.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/strings.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

using soci::into;
using soci::use;

// Of one tenant, for which there are indexes, or of all.
const char* OfTenant(const std::string& tenant) {
  return tenant.empty() ? ":tenant = ''" : "tenant = :tenant";
}

}  // namespace

std::optional<Balance> Ledger::GetBalanceAt(const std::string& tenant, absl::Time at) {
  if (!GetBalance(tenant)) return std::nullopt;
  const int64_t micros = Bounded(at);
  Balance balance;
  database_.session() << "SELECT CAST(COALESCE(SUM(CASE WHEN credit = 'cash' THEN amount "
                         "WHEN debit = 'cash' THEN -amount ELSE 0 END), 0) AS BIGINT), "
                         "CAST(COALESCE(SUM(CASE WHEN credit = 'bonus' THEN amount "
                         "WHEN debit = 'bonus' THEN -amount ELSE 0 END), 0) AS BIGINT) "
                         "FROM transfers WHERE tenant = :tenant AND created_at < :at",
      into(balance.cash), into(balance.bonus), use(tenant, "tenant"), use(micros, "at");
  return balance;
}

std::vector<Transfer> Ledger::ListTransfers(const TransferFilter& filter) {
  const int64_t before = filter.before_id == 0 ? INT64_MAX : filter.before_id;
  const int64_t from = Bounded(filter.from);
  const int64_t until = Bounded(filter.until);
  std::vector<Transfer> transfers;
  Transfer one;
  int64_t at = 0;
  soci::statement find =
      (database_.session().prepare
           << "SELECT id, tenant, kind, debit, credit, amount, created_at, "
              "COALESCE(request_id, ''), COALESCE(reference, ''), reason, actor FROM transfers "
              "WHERE id < :before AND created_at >= :since AND created_at < :until AND "
           << OfTenant(filter.tenant)
           << " AND (:kind = '' OR kind = :kind) ORDER BY id DESC LIMIT :max",
       into(one.id), into(one.tenant), into(one.kind), into(one.debit), into(one.credit),
       into(one.nano), into(at), into(one.request_id), into(one.reference), into(one.reason),
       into(one.actor), use(before, "before"), use(from, "since"), use(until, "until"),
       use(filter.tenant, "tenant"), use(filter.kind, "kind"), use(filter.limit, "max"));
  find.execute();
  while (find.fetch()) {
    one.at = absl::FromUnixMicros(at);
    transfers.push_back(one);
  }
  return transfers;
}

std::pair<int64_t, absl::Time> Ledger::OpenHolds() {
  int64_t count = 0;
  int64_t oldest = 0;
  database_.session() << "SELECT COUNT(*), COALESCE(MIN(opened_at), 0) FROM calls "
                         "WHERE state = 'open'",
      into(count), into(oldest);
  return {count, count == 0 ? absl::InfiniteFuture() : absl::FromUnixMicros(oldest)};
}

}  // namespace pingti::billing
