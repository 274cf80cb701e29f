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

// Microseconds that every time of ours lies between; a filter without an end has these.
constexpr int64_t kEver = int64_t{1} << 60;
constexpr int64_t kMicrosPerDay = int64_t{86'400} * 1'000'000;

int64_t Bounded(absl::Time time) {
  if (time == absl::InfinitePast()) return -kEver;
  if (time == absl::InfiniteFuture()) return kEver;
  return Micros(time);
}

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

std::vector<UsageRow> Ledger::SumUsage(const UsageFilter& filter) {
  const int64_t from = Bounded(filter.from);
  const int64_t until = Bounded(filter.until);
  // Without one, a day before all others.
  const UsageKey after = filter.after.value_or(UsageKey{});
  const int64_t after_day = filter.after ? after.day - absl::CivilDay() : -kEver;
  std::vector<UsageRow> rows;
  UsageRow one;
  int64_t day = 0;
  soci::statement find =
      (database_.session().prepare
           << "SELECT opened_at / :day, tenant, key_id, model, COUNT(*), "
              "CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(cached_input_tokens) AS BIGINT), "
              "CAST(SUM(output_tokens) AS BIGINT), CAST(SUM(charged) AS BIGINT), "
              "CAST(SUM(COALESCE(would_have_cost, 0)) AS BIGINT) FROM calls "
              "WHERE state <> 'open' AND opened_at >= :since AND opened_at < :until AND "
           << OfTenant(filter.tenant)
           << " AND (opened_at / :day, tenant, key_id, model) > "
              "(:after_day, :after_tenant, :after_key, :after_model) "
              "GROUP BY 1, tenant, key_id, model ORDER BY 1, tenant, key_id, model LIMIT :max",
       into(day), into(one.tenant), into(one.key_id), into(one.model), into(one.calls),
       into(one.input_tokens), into(one.cached_input_tokens), into(one.output_tokens),
       into(one.charged), into(one.would_have_cost), use(kMicrosPerDay, "day"), use(from, "since"),
       use(until, "until"), use(filter.tenant, "tenant"), use(after_day, "after_day"),
       use(after.tenant, "after_tenant"), use(after.key_id, "after_key"),
       use(after.model, "after_model"), use(filter.limit, "max"));
  find.execute();
  while (find.fetch()) {
    one.day = absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(day * kMicrosPerDay),
                               absl::UTCTimeZone());
    rows.push_back(one);
  }
  return rows;
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
