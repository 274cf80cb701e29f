// What people ask of the ledger.
#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "server/base/strings.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

using soci::into;
using soci::use;

// Rows that are looked at at once.
constexpr int kStep = 1'000;

constexpr char kTransferColumns[] =
    "SELECT id, tenant, kind, debit, credit, amount, created_at, COALESCE(request_id, ''), "
    "COALESCE(reference, ''), reason, actor, previous, latest FROM transfers ";
constexpr char kCallColumns[] =
    "SELECT id, tenant, request_id, from_bonus, charged, cost, ended_at, previous, latest "
    "FROM calls ";

// Of all tenants, :next and those before it.
std::string OfAll(std::string_view time, std::string_view condition) {
  return base::StrCat("WHERE id <= :next AND ", time, " >= :since AND ", time, " < :until AND ",
                      condition, " ORDER BY id DESC LIMIT :max");
}

// A tenant's, :next and those before it.
std::string OfChain(std::string_view table) {
  return base::StrCat(
      "WHERE id IN (WITH RECURSIVE chain(id, step) AS (SELECT CAST(:next AS BIGINT), 1 UNION ALL "
      "SELECT t.previous, step + 1 FROM chain JOIN ",
      table,
      " t ON t.id = chain.id WHERE t.previous > 0 AND t.previous < t.id AND step < :max) "
      "SELECT id FROM chain) ORDER BY id DESC");
}

// The entries of one table, the newest first.
class EntrySource {
 public:
  // From the row `next` on; 0: none.
  EntrySource(soci::session& sql, const TransferFilter& filter, int64_t next)
      : sql_(sql),
        filter_(filter),
        next_(next),
        since_(Bounded(filter.from)),
        until_(Bounded(filter.until)) {}
  virtual ~EntrySource() = default;
  EntrySource(const EntrySource&) = delete;
  EntrySource& operator=(const EntrySource&) = delete;

  // The newest that Take() has not given; 0: there is none.
  int64_t next_id() {
    while (found_.empty() && next_ > 0) {
      rows_ = 0;
      FetchRows();
      if (of_all() ? rows_ < max_ : rows_ == 0) next_ = 0;
      max_ = kStep;  // a filter lets few through
    }
    return found_.empty() ? 0 : found_.front().id;
  }
  Transfer Take() {
    Transfer taken = std::move(found_.front());
    found_.pop_front();
    return taken;
  }

 protected:
  // The next `max_` rows, or fewer where there are no more: each to GoOn(), its entries to Add().
  virtual void FetchRows() = 0;

  bool of_all() const { return filter_.tenant.empty(); }
  // The variables of OfAll() or OfChain(), of which `max_` rows are asked for.
  void UseRange(soci::details::prepare_temp_type& query) {
    query, use(next_, "next"), use(max_, "max");
    if (of_all()) query, use(since_, "since"), use(until_, "until");
  }
  void Add(Transfer entry) {
    if (filter_.before_id != 0 && entry.id >= filter_.before_id) return;
    if (entry.at < filter_.from || entry.at >= filter_.until) return;
    if (!filter_.kind.empty() && entry.kind != filter_.kind) return;
    found_.push_back(std::move(entry));
  }
  // A row was fetched: where it goes on. A damaged chain ends, too.
  void GoOn(int64_t id, int64_t previous, int64_t latest) {
    next_ = of_all() ? id - 1 : latest < since_ || previous >= id ? 0 : previous;
    ++rows_;
  }

  soci::session& sql_;
  const TransferFilter& filter_;
  int64_t next_;
  const int64_t since_, until_;
  int max_ = std::min(kStep, filter_.limit);

 private:
  int rows_ = 0;  // that were fetched in this step
  std::deque<Transfer> found_;
};

class TransferSource final : public EntrySource {
 public:
  using EntrySource::EntrySource;

 private:
  void FetchRows() override {
    Transfer t;
    int64_t at = 0, previous = 0, latest = 0;
    soci::details::prepare_temp_type query =
        sql_.prepare << kTransferColumns
                     << (of_all() ? OfAll("created_at", "(:kind = '' OR kind = :kind)")
                                  : OfChain("transfers"));
    query, into(t.id), into(t.tenant), into(t.kind), into(t.debit), into(t.credit), into(t.nano),
        into(at), into(t.request_id), into(t.reference), into(t.reason), into(t.actor),
        into(previous), into(latest);
    UseRange(query);
    if (of_all()) query, use(filter_.kind, "kind");
    soci::statement find(query);
    find.execute();
    while (find.fetch()) {
      t.at = absl::FromUnixMicros(at);
      GoOn(t.id, previous, latest);
      Add(t);
    }
  }
};

class ChargeSource final : public EntrySource {
 public:
  using EntrySource::EntrySource;

 private:
  void FetchRows() override {
    Transfer t;
    t.kind = "charge";
    t.credit = kRevenue;
    int64_t id = 0, from_bonus = 0, charged = 0, cost = 0, at = 0, previous = 0, latest = 0;
    soci::indicator is_entry = soci::i_null;
    soci::details::prepare_temp_type query =
        sql_.prepare << kCallColumns
                     << (of_all() ? OfAll("ended_at", "from_bonus IS NOT NULL") : OfChain("calls"));
    query, into(id), into(t.tenant), into(t.request_id), into(from_bonus, is_entry), into(charged),
        into(cost), into(at), into(previous), into(latest);
    UseRange(query);
    soci::statement find(query);
    find.execute();
    while (find.fetch()) {
      // From there on charges are transfers.
      if (is_entry != soci::i_ok) previous = 0;
      GoOn(id, previous, latest);
      if (is_entry != soci::i_ok) continue;
      t.at = absl::FromUnixMicros(at);
      // As the view `entries` has them.
      const std::tuple<const char*, int64_t, int64_t> parts[] = {{kUncovered, 2, cost - charged},
                                                                 {kCash, 1, charged - from_bonus},
                                                                 {kBonus, 0, from_bonus}};
      for (const auto& [debit, behind, nano] : parts) {
        if (nano == 0) continue;
        t.id = id + behind;
        t.debit = debit;
        t.nano = nano;
        Add(t);
      }
    }
  }
};

// The row of each chain of a tenant with which a list begins; 0: none.
struct Start {
  int64_t transfer = 0;
  int64_t call = 0;
};

Start StartOf(soci::session& sql, const TransferFilter& filter) {
  // Behind a transfer it goes on from there; no charge lies before one that does not know of calls.
  Start behind;
  std::string tenant;
  sql << "SELECT tenant, previous, COALESCE(last_call, -1) FROM transfers WHERE id = :id",
      into(tenant), into(behind.transfer), into(behind.call), use(filter.before_id, "id");
  const bool is_transfer = sql.got_data();
  const bool has_charges = !is_transfer || behind.call >= 0;
  Start start;
  if (filter.tenant.empty()) {
    start.transfer = filter.before_id == 0 ? INT64_MAX : filter.before_id - 1;
    start.call = has_charges ? start.transfer : 0;
    return start;
  }
  if (is_transfer && tenant == filter.tenant) return behind;
  sql << "SELECT last_transfer, last_call FROM accounts WHERE tenant = :tenant",
      into(start.transfer), into(start.call), use(filter.tenant, "tenant");
  if (!sql.got_data()) return {};
  // Behind an entry of a call as well. Else all newer ones are passed over.
  const int64_t call = filter.before_id - filter.before_id % kIdsOfACall;
  int64_t found = 0;
  sql << "SELECT id FROM calls WHERE id = :id AND tenant = :tenant", into(found), use(call, "id"),
      use(filter.tenant, "tenant");
  if (sql.got_data()) start.call = found;
  return start;
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
  soci::session& sql = database_.session();
  sql << "SELECT CAST(COALESCE(SUM(CASE WHEN credit = 'cash' THEN amount WHEN debit = 'cash' THEN "
         "-amount ELSE 0 END), 0) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN credit = 'bonus' THEN "
         "amount WHEN debit = 'bonus' THEN -amount ELSE 0 END), 0) AS BIGINT) "
         "FROM transfers WHERE created_at >= :since AND "
      << IsOfTenant("transfers", "last_transfer"),
      into(cash), into(bonus), use(tenant, "of_tenant"), use(since, "since");
  int64_t from_cash = 0;
  int64_t from_bonus = 0;
  sql << "SELECT CAST(COALESCE(SUM(charged - from_bonus), 0) AS BIGINT), "
         "CAST(COALESCE(SUM(from_bonus), 0) AS BIGINT) FROM calls WHERE ended_at >= :since AND "
      << IsOfTenant("calls", "last_call"),
      into(from_cash), into(from_bonus), use(tenant, "of_tenant"), use(since, "since");
  return Balance{.cash = balance->cash - cash + from_cash,
                 .bonus = balance->bonus - bonus + from_bonus};
}

std::vector<Transfer> Ledger::ListTransfers(const TransferFilter& filter) {
  BeforeCommit();
  soci::session& sql = database_.session();
  const Start start = StartOf(sql, filter);
  TransferSource transfers(sql, filter, start.transfer);
  const bool has_charges = filter.kind.empty() || filter.kind == "charge";
  ChargeSource charges(sql, filter, has_charges ? start.call : 0);
  std::vector<Transfer> entries;
  while (entries.size() < static_cast<size_t>(filter.limit)) {
    const int64_t transfer = transfers.next_id();
    const int64_t charge = charges.next_id();
    if (transfer == 0 && charge == 0) break;
    entries.push_back(transfer > charge ? transfers.Take() : charges.Take());
  }
  return entries;
}

std::pair<int64_t, absl::Time> Ledger::OpenHolds() {
  int64_t count = 0;
  int64_t oldest = 0;
  database_.session() << "SELECT COUNT(*), COALESCE(MIN(opened_at), 0) FROM open_calls",
      into(count), into(oldest);
  return {count, count == 0 ? absl::InfiniteFuture() : absl::FromUnixMicros(oldest)};
}

}  // namespace pingti::billing
