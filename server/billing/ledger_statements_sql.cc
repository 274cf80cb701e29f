// The statements that calls run, prepared once for each connection.
#include "server/base/strings.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

using soci::into;
using soci::use;

std::string LockStatement(storage::Engine engine) {
  return base::StrCat("SELECT cash, bonus, held FROM accounts WHERE tenant = :tenant",
                      engine == storage::Engine::kPostgres ? " FOR UPDATE" : "");
}

constexpr char kInsertCall[] =
    "INSERT INTO calls (tenant, request_id, state, token, fingerprint, owner, "
    "key_id, model, held, opened_at, budget_period) VALUES (:tenant, :id, 'open', :token, "
    ":fingerprint, :owner, :key, :model, :nano, :at, :period) ON CONFLICT DO NOTHING";
constexpr char kFindCall[] =
    "SELECT state, token, fingerprint, held, charged, recovered FROM calls "
    "WHERE tenant = :tenant AND request_id = :id";
constexpr char kReopenCall[] =
    "UPDATE calls SET state = 'open', token = :token, owner = :owner, "
    "key_id = :key, budget_period = :period, recovered = 0, held = :nano, delivered = 0, "
    "opened_at = :at, ended_at = NULL WHERE tenant = :tenant AND "
    "request_id = :id AND state = 'voided'";
constexpr char kSetHeld[] =
    "UPDATE calls SET held = :nano WHERE tenant = :tenant AND request_id = :id";
constexpr char kNoteDelivered[] =
    "UPDATE calls SET delivered = :cost, price = :price, provider = :provider, "
    "upstream_model = :upstream, input_tokens = :input, "
    "cached_input_tokens = :cached, output_tokens = :output, usage_source = :source, "
    "labels = :labels WHERE tenant = :tenant AND request_id = :id AND state = 'open' "
    "AND token = :token";
constexpr char kEndCall[] =
    "UPDATE calls SET state = :state, recovered = :recovered, held = 0, "
    "ended_at = :at, result = :result, cost = :cost, charged = :charged, "
    "would_have_cost = :would, price = :price, provider = :provider, "
    "upstream_model = :upstream, input_tokens = :input, "
    "cached_input_tokens = :cached, output_tokens = :output, "
    "usage_source = :source, labels = :labels "
    "WHERE tenant = :tenant AND request_id = :id AND state = 'open' AND token = :token "
    "AND held = :held";
constexpr char kSetBalance[] =
    "UPDATE accounts SET cash = :cash, bonus = :bonus, held = :held WHERE tenant = :tenant";
constexpr char kNextGrant[] =
    "SELECT id, remaining FROM grants WHERE tenant = :tenant AND "
    "remaining > 0 ORDER BY id LIMIT 1";
constexpr char kUseGrant[] = "UPDATE grants SET remaining = :nano WHERE id = :id";
constexpr char kInsertTransfer[] =
    "INSERT INTO transfers (tenant, kind, debit, credit, amount, created_at, "
    "request_id, grant_id, reference, reason, actor) VALUES (:tenant, :kind, :debit, "
    ":credit, :nano, :at, :request, :grant, :reference, :reason, :actor)";

}  // namespace

Ledger::Statements::Statements(storage::Database& database)
    : lock_balance((database.session().prepare << LockStatement(database.engine()),
                    into(balance.cash), into(balance.bonus), into(balance.held),
                    use(tenant, "tenant"))),
      insert_call((database.session().prepare << kInsertCall, use(hold.tenant, "tenant"),
                   use(hold.request_id, "id"), use(token, "token"),
                   use(hold.fingerprint, "fingerprint"), use(hold.owner, "owner"),
                   use(hold.key_id, "key"), use(hold.model, "model"), use(nano, "nano"),
                   use(at, "at"), use(hold.budget.period, "period"))),
      find_call((database.session().prepare << kFindCall, into(found_state), into(found_token),
                 into(found_fingerprint), into(found_held), into(found_charged),
                 into(found_recovered), use(tenant, "tenant"), use(request_id, "id"))),
      reopen_call((database.session().prepare << kReopenCall, use(token, "token"),
                   use(hold.owner, "owner"), use(hold.key_id, "key"), use(nano, "nano"),
                   use(at, "at"), use(hold.budget.period, "period"), use(hold.tenant, "tenant"),
                   use(hold.request_id, "id"))),
      set_held((database.session().prepare << kSetHeld, use(nano, "nano"), use(tenant, "tenant"),
                use(request_id, "id"))),
      note_delivered((database.session().prepare << kNoteDelivered, use(end.cost, "cost"),
                      use(end.price, "price"), use(end.provider, "provider"),
                      use(end.upstream_model, "upstream"), use(input, "input"),
                      use(cached, "cached"), use(output, "output"), use(usage_source, "source"),
                      use(end.labels, "labels"), use(end.tenant, "tenant"),
                      use(end.request_id, "id"), use(token, "token"))),
      end_call((database.session().prepare << kEndCall, use(state, "state"),
                use(recovered, "recovered"), use(at, "at"), use(end.result, "result"),
                use(end.cost, "cost"), use(charged, "charged"),
                use(would_have_cost, has_would_have_cost, "would"), use(end.price, "price"),
                use(end.provider, "provider"), use(end.upstream_model, "upstream"),
                use(input, "input"), use(cached, "cached"), use(output, "output"),
                use(usage_source, "source"), use(end.labels, "labels"), use(end.tenant, "tenant"),
                use(end.request_id, "id"), use(token, "token"), use(held, "held"))),
      set_balance((database.session().prepare << kSetBalance, use(balance.cash, "cash"),
                   use(balance.bonus, "bonus"), use(balance.held, "held"), use(tenant, "tenant"))),
      next_grant((database.session().prepare << kNextGrant, into(grant_id), into(found_remaining),
                  use(tenant, "tenant"))),
      use_grant((database.session().prepare << kUseGrant, use(nano, "nano"), use(grant_id, "id"))),
      insert_transfer(
          (database.session().prepare << kInsertTransfer, use(row.tenant, "tenant"),
           use(row.kind, "kind"), use(row.debit, "debit"), use(row.credit, "credit"),
           use(row.nano, "nano"), use(row.at, "at"), use(row.request_id, has_request_id, "request"),
           use(row.grant_id, has_grant, "grant"), use(row.reference, has_reference, "reference"),
           use(row.reason, "reason"), use(row.actor, "actor"))) {}

bool Ledger::Statements::Run(soci::statement& statement) {
  const bool found = statement.execute(true);
  // SQLite commits nothing while a statement is not at its end.
  while (found && statement.fetch()) {
  }
  return found;
}

int64_t Ledger::Statements::Change(soci::statement& statement) {
  statement.execute(true);
  return statement.get_affected_rows();
}

}  // namespace pingti::billing
