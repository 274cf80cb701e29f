// `ledger verify`: what must be true of the ledger, checked from its rows.
#include <string>
#include <vector>

#include "server/base/strings.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

using soci::into;
using soci::use;

struct Check {
  const char* what;
  // Gives the tenant of each row that breaks the rule, and what is wrong in numbers.
  const char* sql;
  bool of_balances = false;  // reads accounts, what is left of grants, and open holds: no history
};

// The sum over all accounts is zero by the shape of a transfer: one row is both sides of it. What
// can be wrong is the balance that is kept beside, and what belongs to calls and grants.
constexpr Check kChecks[] = {
    {"cash is not the sum of its transfers",
     "SELECT a.tenant, CAST(a.cash AS TEXT) || ' kept, ' || CAST(COALESCE(t.sum, 0) AS TEXT) || "
     "' moved' FROM accounts a LEFT JOIN (SELECT tenant, SUM(CASE WHEN credit = 'cash' THEN amount "
     "WHEN debit = 'cash' THEN -amount ELSE 0 END) AS sum FROM transfers GROUP BY tenant) t "
     "ON t.tenant = a.tenant WHERE a.cash <> COALESCE(t.sum, 0)"},
    {"bonus is not the sum of its transfers",
     "SELECT a.tenant, CAST(a.bonus AS TEXT) || ' kept, ' || CAST(COALESCE(t.sum, 0) AS TEXT) || "
     "' moved' FROM accounts a LEFT JOIN (SELECT tenant, SUM(CASE WHEN credit = 'bonus' THEN "
     "amount WHEN debit = 'bonus' THEN -amount ELSE 0 END) AS sum FROM transfers GROUP BY tenant) "
     "t ON t.tenant = a.tenant WHERE a.bonus <> COALESCE(t.sum, 0)"},
    {"bonus is not what is left of the grants",
     "SELECT a.tenant, CAST(a.bonus AS TEXT) || ' kept, ' || CAST(COALESCE(g.sum, 0) AS TEXT) || "
     "' left' FROM accounts a LEFT JOIN (SELECT tenant, SUM(remaining) AS sum FROM grants WHERE "
     "remaining > 0 GROUP BY "
     "tenant) g ON g.tenant = a.tenant WHERE a.bonus <> COALESCE(g.sum, 0)",
     /*of_balances=*/true},
    {"a grant's rest is not what was taken from it",
     "SELECT g.tenant, 'grant ' || CAST(g.id AS TEXT) FROM grants g LEFT JOIN (SELECT grant_id, "
     "SUM(amount) AS sum FROM transfers WHERE debit = 'bonus' GROUP BY grant_id) t "
     "ON t.grant_id = g.id WHERE g.amount - g.remaining <> COALESCE(t.sum, 0)"},
    {"held is not the sum of the open holds",
     // Grouped so that SQLite takes the index of open calls and not that of all.
     "SELECT a.tenant, CAST(a.held AS TEXT) || ' kept, ' || CAST(COALESCE(c.sum, 0) AS TEXT) || "
     "' open' FROM accounts a LEFT JOIN (SELECT CAST(tenant AS TEXT) AS tenant, SUM(held) AS sum "
     "FROM calls WHERE state = 'open' GROUP BY CAST(tenant AS TEXT)) c ON c.tenant = a.tenant "
     "WHERE a.held <> COALESCE(c.sum, 0)",
     /*of_balances=*/true},
    {"a call's charge is not the sum of its transfers",
     "SELECT c.tenant, 'call ' || c.request_id FROM calls c LEFT JOIN (SELECT tenant, request_id, "
     "SUM(amount) AS sum, SUM(CASE WHEN debit <> 'uncovered' THEN amount ELSE 0 END) AS paid "
     "FROM transfers WHERE kind = 'charge' GROUP BY tenant, request_id) t "
     "ON t.tenant = c.tenant AND t.request_id = c.request_id "
     "WHERE c.cost <> COALESCE(t.sum, 0) OR c.charged <> COALESCE(t.paid, 0)"},
    {"a charge has no posted call",
     "SELECT t.tenant, 'transfer ' || CAST(t.id AS TEXT) FROM transfers t LEFT JOIN calls c "
     "ON c.tenant = t.tenant AND c.request_id = t.request_id "
     "WHERE t.kind = 'charge' AND (c.state IS NULL OR c.state <> 'posted')"},
    {"the budget of a key is not what its calls were charged and hold",
     "SELECT tenant, 'key ' || key_id || ' in ' || period || ', ' || CAST(SUM(spent) AS TEXT) || "
     "' spent too much, ' || CAST(SUM(held) AS TEXT) || ' held too much' FROM (SELECT tenant, "
     "key_id, period, spent, held FROM key_budgets UNION ALL SELECT tenant, key_id, budget_period, "
     "-charged, -held FROM calls WHERE budget_period <> '') AS kept GROUP BY tenant, key_id, "
     "period "
     "HAVING SUM(spent) <> 0 OR SUM(held) <> 0"},
    {"a call that was not posted was charged",
     "SELECT tenant, 'call ' || request_id FROM calls WHERE state <> 'posted' AND charged <> 0"},
};

constexpr Check kAbandoned = {
    "the process of a hold was not heard of",
    "SELECT tenant, 'call ' || request_id FROM calls WHERE state = 'open' AND owner NOT IN "
    "(SELECT id FROM owners WHERE seen_at >= :before)"};

// Adds what breaks the rule, as far as there is room. `before` is the variable of kAbandoned.
void Find(const Check& check, const int64_t* before, soci::session& sql,
          std::vector<Finding>* findings) {
  if (findings->size() >= kFindingsMax) return;
  std::string tenant, detail;
  soci::statement find(sql);
  find.exchange(into(tenant));
  find.exchange(into(detail));
  if (before != nullptr) find.exchange(use(*before, "before"));
  find.alloc();
  find.prepare(base::StrCat(check.sql, " LIMIT ", kFindingsMax));
  find.define_and_bind();
  find.execute();
  while (find.fetch() && findings->size() < kFindingsMax) {
    findings->push_back({tenant, base::StrCat(check.what, ": ", detail)});
  }
}

}  // namespace

VerifyReply Ledger::Verify(absl::Time dead_before) {
  BeforeCommit();
  VerifyReply reply;
  soci::session& sql = database_.session();
  sql << "SELECT COUNT(*) FROM accounts", into(reply.accounts);
  sql << "SELECT COUNT(*) FROM transfers", into(reply.transfers);
  sql << "SELECT COUNT(*) FROM calls", into(reply.calls);
  for (const Check& check : kChecks) Find(check, nullptr, sql, &reply.findings);
  const int64_t before = Bounded(dead_before);
  Find(kAbandoned, &before, sql, &reply.findings);
  return reply;
}

std::vector<Finding> Ledger::VerifyBalances() {
  BeforeCommit();
  std::vector<Finding> findings;
  for (const Check& check : kChecks) {
    if (check.of_balances) Find(check, nullptr, database_.session(), &findings);
  }
  return findings;
}

}  // namespace pingti::billing
