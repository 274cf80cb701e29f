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

// Rows from before calls were entries of the ledger have no `from_bonus`, and their charges are
// transfers; `latest` was the latest begin.
//
// The sum over all accounts is zero by the shape of an entry: one is both sides of it. What can be
// wrong is the balance that is kept beside, and what belongs to calls and grants.
constexpr Check kChecks[] = {
    {"cash is not the sum of its entries",
     "SELECT a.tenant, CAST(a.cash AS TEXT) || ' kept, ' || CAST(COALESCE(t.sum, 0) AS TEXT) || "
     "' moved' FROM accounts a LEFT JOIN (SELECT tenant, SUM(CASE WHEN credit = 'cash' THEN amount "
     "WHEN debit = 'cash' THEN -amount ELSE 0 END) AS sum FROM entries GROUP BY tenant) t "
     "ON t.tenant = a.tenant WHERE a.cash <> COALESCE(t.sum, 0)"},
    {"bonus is not the sum of its entries",
     "SELECT a.tenant, CAST(a.bonus AS TEXT) || ' kept, ' || CAST(COALESCE(t.sum, 0) AS TEXT) || "
     "' moved' FROM accounts a LEFT JOIN (SELECT tenant, SUM(CASE WHEN credit = 'bonus' THEN "
     "amount WHEN debit = 'bonus' THEN -amount ELSE 0 END) AS sum FROM entries GROUP BY tenant) "
     "t ON t.tenant = a.tenant WHERE a.bonus <> COALESCE(t.sum, 0)"},
    {"there is more bonus than is left of the grants",
     "SELECT a.tenant, CAST(a.bonus AS TEXT) || ' kept, ' || CAST(COALESCE(g.sum, 0) AS TEXT) || "
     "' left' FROM accounts a LEFT JOIN (SELECT tenant, SUM(remaining) AS sum FROM grants WHERE "
     "remaining > 0 GROUP BY tenant) g ON g.tenant = a.tenant WHERE a.bonus > COALESCE(g.sum, 0)",
     /*of_balances=*/true},
    {"more is held than there is",
     "SELECT a.tenant, CAST(c.sum AS TEXT) || ' of ' || CAST(a.cash + a.bonus AS TEXT) FROM "
     "accounts a JOIN (SELECT tenant, SUM(held) AS sum FROM open_calls GROUP BY tenant) c "
     "ON c.tenant = a.tenant WHERE c.sum > a.cash + a.bonus",
     /*of_balances=*/true},
    {"the transfers of a tenant are no chain",
     "SELECT tenant, 'transfer ' || CAST(id AS TEXT) FROM (SELECT id, tenant, previous, latest, "
     "COALESCE(LAG(id) OVER each, 0) AS before, MAX(created_at) OVER each AS until FROM transfers "
     "WINDOW each AS (PARTITION BY tenant ORDER BY id)) AS t "
     "WHERE previous <> before OR latest <> until"},
    {"the last transfer of an account is another",
     "SELECT a.tenant, CAST(last_transfer AS TEXT) FROM accounts a LEFT JOIN (SELECT tenant, "
     "MAX(id) AS id, MAX(created_at) AS at FROM transfers GROUP BY tenant) t "
     "ON t.tenant = a.tenant WHERE last_transfer <> COALESCE(t.id, 0) OR "
     "latest_transfer <> COALESCE(t.at, 0)"},
    {"the calls of a tenant are no chain",
     "SELECT tenant, 'call ' || request_id FROM (SELECT request_id, tenant, previous, latest, "
     "COALESCE(LAG(id) OVER each, 0) AS before, MAX(CASE WHEN from_bonus IS NOT NULL AND ended_at "
     "> opened_at THEN ended_at ELSE opened_at END) OVER each AS until FROM calls WINDOW each AS "
     "(PARTITION BY tenant ORDER BY id)) AS c "
     "WHERE previous <> before OR latest <> until"},
    {"the last call of an account is another",
     "SELECT a.tenant, CAST(last_call AS TEXT) FROM accounts a LEFT JOIN (SELECT tenant, "
     "MAX(id) AS id, MAX(CASE WHEN from_bonus IS NOT NULL AND ended_at > opened_at THEN ended_at "
     "ELSE opened_at END) AS at FROM calls GROUP BY tenant) c ON c.tenant = a.tenant "
     "WHERE last_call <> COALESCE(c.id, 0) OR latest_call <> COALESCE(c.at, 0)"},
    // One of before calls were entries knows of none; no charge may be before it.
    {"the last call before a transfer is another",
     "SELECT tenant, 'transfer ' || CAST(id AS TEXT) FROM (SELECT id, tenant, is_transfer, "
     "last_call, MAX(call) OVER each AS before, MAX(charge) OVER each AS charged FROM (SELECT id, "
     "tenant, 1 AS is_transfer, last_call, NULL AS call, NULL AS charge FROM transfers UNION ALL "
     "SELECT id, tenant, 0, NULL, id, CASE WHEN from_bonus IS NOT NULL THEN id END FROM calls) "
     "AS every WINDOW each AS (PARTITION BY tenant ORDER BY id)) AS e WHERE is_transfer = 1 AND "
     "(last_call <> COALESCE(before, 0) OR (last_call IS NULL AND charged IS NOT NULL))"},
    {"a transfer has the number of a call's entry",
     "SELECT t.tenant, 'transfer ' || CAST(t.id AS TEXT) FROM transfers t JOIN calls c "
     "ON c.id = t.id - t.id % 4 WHERE c.from_bonus IS NOT NULL"},
    {"a call's charge is not the sum of its transfers",
     "SELECT tenant, 'call ' || COALESCE(request_id, '') FROM (SELECT tenant, request_id, cost, "
     "charged FROM calls WHERE state = 'posted' AND from_bonus IS NULL UNION ALL SELECT tenant, "
     "request_id, "
     "-amount, CASE WHEN debit = 'uncovered' THEN 0 ELSE -amount END FROM transfers WHERE kind = "
     "'charge') AS every GROUP BY tenant, request_id HAVING SUM(cost) <> 0 OR SUM(charged) <> 0"},
    {"a call runs that was charged",
     "SELECT o.tenant, 'call ' || o.request_id FROM open_calls o JOIN calls c ON "
     "c.request_id = o.request_id AND c.tenant = o.tenant AND c.state = 'posted'"},
    {"a call or a transfer is of no account",
     "SELECT tenant, CAST(COUNT(*) AS TEXT) FROM (SELECT tenant FROM open_calls UNION ALL SELECT "
     "tenant FROM calls UNION ALL SELECT tenant FROM transfers) AS every WHERE tenant NOT IN "
     "(SELECT tenant FROM accounts) GROUP BY tenant"},
    {"the budget of a key is not what its calls were charged and hold",
     "SELECT tenant, 'key ' || key_id || ' in ' || period || ', ' || CAST(SUM(spent) AS TEXT) || "
     "' spent too much, ' || CAST(SUM(held) AS TEXT) || ' held too much' FROM (SELECT tenant, "
     "key_id, period, spent, held FROM key_budgets UNION ALL SELECT tenant, key_id, budget_period, "
     "-charged, 0 FROM calls WHERE budget_period <> '' UNION ALL SELECT tenant, key_id, "
     "budget_period, 0, -held FROM open_calls WHERE budget_period <> '') AS kept "
     "GROUP BY tenant, key_id, period HAVING SUM(spent) <> 0 OR SUM(held) <> 0"},
    {"a call that was not posted was charged",
     "SELECT tenant, 'call ' || request_id FROM calls WHERE state <> 'posted' AND cost <> 0"},
};

constexpr Check kAbandoned = {
    "the process of a hold was not heard of",
    "SELECT tenant, 'call ' || request_id FROM open_calls WHERE owner NOT IN "
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
  sql << "SELECT COUNT(*) FROM entries", into(reply.transfers);
  sql << "SELECT (SELECT COUNT(*) FROM calls) + (SELECT COUNT(*) FROM open_calls)",
      into(reply.calls);
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
