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

// Rows of a tenant that are looked at at once.
constexpr int kStep = 1'000;

constexpr char kColumns[] =
    "SELECT id, tenant, kind, debit, credit, amount, created_at, COALESCE(request_id, ''), "
    "COALESCE(reference, ''), reason, actor, previous, latest FROM transfers ";
constexpr char kOfAll[] =
    "WHERE id < :next AND created_at >= :since AND created_at < :until AND "
    "(:kind = '' OR kind = :kind) ORDER BY id DESC LIMIT :max";
// A tenant's, :next and those before it.
constexpr char kOfChain[] =
    "WHERE id IN (WITH RECURSIVE chain(id, step) AS (SELECT CAST(:next AS BIGINT), 1 UNION ALL "
    "SELECT t.previous, step + 1 FROM chain JOIN transfers t ON t.id = chain.id WHERE "
    "t.previous > 0 AND t.previous < t.id AND step < :max) SELECT id FROM chain) ORDER BY id DESC";

// A row, and where it stands in its tenant's chain.
struct Link {
  Transfer transfer;
  int64_t at = 0, previous = 0, latest = 0;

  soci::details::prepare_temp_type& Into(soci::details::prepare_temp_type& query) {
    Transfer& t = transfer;
    return query, into(t.id), into(t.tenant), into(t.kind), into(t.debit), into(t.credit),
           into(t.nano), into(at), into(t.request_id), into(t.reference), into(t.reason),
           into(t.actor), into(previous), into(latest);
  }
};

std::vector<Link> Fetch(soci::details::prepare_temp_type& query, Link* link) {
  soci::statement find(query);
  find.execute();
  std::vector<Link> links;
  while (find.fetch()) {
    link->transfer.at = absl::FromUnixMicros(link->at);
    links.push_back(*link);
  }
  return links;
}

// The last transfer of a tenant, before `before` where that is one of its own. 0: there is none.
int64_t LastOfChain(soci::session& sql, const std::string& tenant, int64_t before) {
  int64_t id = 0;
  sql << "SELECT previous FROM transfers WHERE id = :before AND tenant = :tenant", into(id),
      use(before, "before"), use(tenant, "tenant");
  if (sql.got_data()) return id;
  sql << "SELECT last_transfer FROM accounts WHERE tenant = :tenant", into(id),
      use(tenant, "tenant");
  return sql.got_data() ? id : 0;
}

std::vector<Transfer> ListOfAll(soci::session& sql, const TransferFilter& filter) {
  const int64_t before = filter.before_id == 0 ? INT64_MAX : filter.before_id;
  const int64_t since = Bounded(filter.from);
  const int64_t until = Bounded(filter.until);
  Link link;
  soci::details::prepare_temp_type query = sql.prepare << kColumns << kOfAll;
  link.Into(query), use(before, "next"), use(since, "since"), use(until, "until"),
      use(filter.kind, "kind"), use(filter.limit, "max");
  std::vector<Transfer> transfers;
  for (Link& found : Fetch(query, &link)) transfers.push_back(std::move(found.transfer));
  return transfers;
}

}  // namespace

std::string IsOfTenant(std::string_view table, std::string_view last) {
  return base::StrCat("id IN (WITH RECURSIVE chain(id) AS (SELECT ", last,
                      " FROM accounts WHERE tenant = :of_tenant AND ", last,
                      " > 0 UNION ALL SELECT t.previous FROM chain JOIN ", table,
                      " t ON t.id = chain.id WHERE t.previous > 0 AND t.previous < t.id AND "
                      "t.latest >= :since) "
                      "SELECT id FROM chain)");
}

std::optional<Balance> Ledger::GetBalanceAt(const std::string& tenant, absl::Time at) {
  BeforeCommit();
  std::optional<Balance> balance = GetBalance(tenant);
  if (!balance) return balance;
  // Without what was moved since.
  const int64_t since = Bounded(at);
  int64_t cash = 0;
  int64_t bonus = 0;
  database_.session() << "SELECT CAST(COALESCE(SUM(CASE WHEN credit = 'cash' THEN amount "
                         "WHEN debit = 'cash' THEN -amount ELSE 0 END), 0) AS BIGINT), "
                         "CAST(COALESCE(SUM(CASE WHEN credit = 'bonus' THEN amount "
                         "WHEN debit = 'bonus' THEN -amount ELSE 0 END), 0) AS BIGINT) "
                         "FROM transfers WHERE created_at >= :since AND "
                      << IsOfTenant("transfers", "last_transfer"),
      into(cash), into(bonus), use(tenant, "of_tenant"), use(since, "since");
  return Balance{.cash = balance->cash - cash, .bonus = balance->bonus - bonus};
}

std::vector<Transfer> Ledger::ListTransfers(const TransferFilter& filter) {
  BeforeCommit();
  soci::session& sql = database_.session();
  if (filter.tenant.empty()) return ListOfAll(sql, filter);
  const int64_t since = Bounded(filter.from);
  int64_t next = LastOfChain(sql, filter.tenant, filter.before_id);
  std::vector<Transfer> transfers;
  while (next != 0) {
    Link link;
    soci::details::prepare_temp_type query = sql.prepare << kColumns << kOfChain;
    link.Into(query), use(next, "next"), use(kStep, "max");
    for (Link& found : Fetch(query, &link)) {
      const Transfer& row = found.transfer;
      // A damaged chain ends, too.
      next = found.latest < since || found.previous >= row.id ? 0 : found.previous;
      if (filter.before_id != 0 && row.id >= filter.before_id) continue;
      if (row.at < filter.from || row.at >= filter.until) continue;
      if (!filter.kind.empty() && row.kind != filter.kind) continue;
      transfers.push_back(std::move(found.transfer));
      if (transfers.size() == static_cast<size_t>(filter.limit)) return transfers;
    }
  }
  return transfers;
}

std::pair<int64_t, absl::Time> Ledger::OpenHolds() {
  int64_t count = 0;
  int64_t oldest = 0;
  database_.session() << "SELECT COUNT(*), COALESCE(MIN(opened_at), 0) FROM open_calls",
      into(count), into(oldest);
  return {count, count == 0 ? absl::InfiniteFuture() : absl::FromUnixMicros(oldest)};
}

}  // namespace pingti::billing
