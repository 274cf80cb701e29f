// The statements that calls run, prepared once for each connection.
#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

using soci::into;
using soci::use;

std::string LockStatement(storage::Engine engine) {
  return base::StrCat(
      "SELECT cash, bonus, last_transfer, latest_transfer, last_call, latest_call FROM accounts "
      "WHERE tenant = :tenant",
      engine == storage::Engine::kPostgres ? " FOR UPDATE" : "");
}

constexpr char kSumHeld[] =
    "SELECT CAST(COALESCE(SUM(held), 0) AS BIGINT) FROM open_calls WHERE tenant = :tenant";
constexpr char kOpenCall[] =
    "INSERT INTO open_calls (tenant, request_id, token, fingerprint, owner, key_id, model, "
    "budget_period, held, opened_at) VALUES (:tenant, :id, :token, :fingerprint, :owner, :key, "
    ":model, :period, :nano, :at) ON CONFLICT DO NOTHING";
constexpr char kFindOpen[] =
    "SELECT token, fingerprint, key_id, model, budget_period, held, opened_at FROM open_calls "
    "WHERE tenant = :tenant AND request_id = :id";
constexpr char kFindEnded[] =
    "SELECT state, token, fingerprint, charged, recovered FROM calls WHERE request_id = :id AND "
    "tenant = :tenant ORDER BY id DESC LIMIT 1";
constexpr char kSetHeld[] =
    "UPDATE open_calls SET held = :nano WHERE tenant = :tenant AND request_id = :id";
constexpr char kNoteDelivered[] =
    "UPDATE open_calls SET delivered = :cost, price = :price, provider = :provider, "
    "upstream_model = :upstream, input_tokens = :input, cached_input_tokens = :cached, "
    "output_tokens = :output, labels = :labels WHERE tenant = :tenant AND request_id = :id AND "
    "token = :token";
constexpr char kCloseCall[] =
    "DELETE FROM open_calls WHERE tenant = :tenant AND request_id = :id AND token = :token AND "
    "held = :held";
constexpr char kEndCall[] =
    "INSERT INTO calls (id, tenant, request_id, state, token, fingerprint, recovered, key_id, "
    "model, budget_period, opened_at, ended_at, result, cost, charged, from_bonus, "
    "would_have_cost, price, provider, upstream_model, input_tokens, cached_input_tokens, "
    "output_tokens, usage_source, labels, previous, latest) VALUES ($ID, :tenant, :id, :state, "
    ":token, :fingerprint, :recovered, :key, :model, :period, :opened, :at, :result, :cost, "
    ":charged, :bonus, :would, :price, :provider, :upstream, :input, :cached, :output, :source, "
    ":labels, :previous, :latest)";
constexpr char kSetAccount[] =
    "UPDATE accounts SET cash = :cash, bonus = :bonus, last_transfer = :last_transfer, "
    "latest_transfer = :latest_transfer, last_call = :last_call, latest_call = :latest_call "
    "WHERE tenant = :tenant";
constexpr char kNextGrant[] =
    "SELECT id, remaining FROM grants WHERE tenant = :tenant AND "
    "remaining > 0 ORDER BY id LIMIT 1";
constexpr char kUseGrant[] = "UPDATE grants SET remaining = :nano WHERE id = :id";
constexpr char kInsertTransfer[] =
    "INSERT INTO transfers (id, tenant, kind, debit, credit, amount, created_at, grant_id, "
    "reference, reason, actor, previous, latest, last_call) VALUES ($ID, :tenant, :kind, :debit, "
    ":credit, :nano, :at, :grant, :reference, :reason, :actor, :previous, :latest, :last_call)";

// $ID: the next one. Replicas count in the database; SQLite, which is ours alone, is told.
bool CountsIds(storage::Engine engine) { return engine == storage::Engine::kPostgres; }

std::string Inserting(std::string_view statement, storage::Engine engine) {
  const size_t id = statement.find("$ID");
  return base::StrCat(statement.substr(0, id),
                      CountsIds(engine) ? "nextval('entry_ids')" : ":entry",
                      statement.substr(id + 3), CountsIds(engine) ? " RETURNING id" : "");
}

soci::details::prepare_temp_type& WithId(soci::details::prepare_temp_type& query,
                                         storage::Engine engine, int64_t* id) {
  if (CountsIds(engine)) return query, into(*id);
  return query, use(*id, "entry");
}

}  // namespace

Ledger::Statements::Statements(storage::Database& database)
    : database(database),
      lock_account((database.session().prepare << LockStatement(database.engine()),
                    into(account.balance.cash), into(account.balance.bonus),
                    into(account.last_transfer), into(account.latest_transfer),
                    into(account.last_call), into(account.latest_call), use(tenant, "tenant"))),
      sum_held((database.session().prepare << kSumHeld, into(account.balance.held),
                use(tenant, "tenant"))),
      open_call((database.session().prepare << kOpenCall, use(hold.tenant, "tenant"),
                 use(hold.request_id, "id"), use(token, "token"),
                 use(hold.fingerprint, "fingerprint"), use(hold.owner, "owner"),
                 use(hold.key_id, "key"), use(hold.model, "model"),
                 use(hold.budget.period, "period"), use(nano, "nano"), use(at, "at"))),
      find_open((database.session().prepare << kFindOpen, into(found_token),
                 into(found.fingerprint), into(found.key_id), into(found.model),
                 into(found.budget.period), into(found_held), into(found_at), use(tenant, "tenant"),
                 use(request_id, "id"))),
      find_ended((database.session().prepare << kFindEnded, into(found_state), into(found_token),
                  into(found.fingerprint), into(found_charged), into(found_recovered),
                  use(request_id, "id"), use(tenant, "tenant"))),
      set_held((database.session().prepare << kSetHeld, use(nano, "nano"), use(tenant, "tenant"),
                use(request_id, "id"))),
      note_delivered((database.session().prepare << kNoteDelivered, use(end.cost, "cost"),
                      use(end.price, "price"), use(end.provider, "provider"),
                      use(end.upstream_model, "upstream"), use(input, "input"),
                      use(cached, "cached"), use(output, "output"), use(end.labels, "labels"),
                      use(end.tenant, "tenant"), use(end.request_id, "id"), use(token, "token"))),
      close_call((database.session().prepare << kCloseCall, use(hold.tenant, "tenant"),
                  use(hold.request_id, "id"), use(token, "token"), use(held, "held"))),
      end_call(WithId(
          (database.session().prepare << Inserting(kEndCall, database.engine()),
           use(hold.tenant, "tenant"), use(hold.request_id, "id"), use(state, "state"),
           use(token, "token"), use(hold.fingerprint, "fingerprint"), use(recovered, "recovered"),
           use(hold.key_id, "key"), use(hold.model, "model"), use(hold.budget.period, "period"),
           use(opened_at, "opened"), use(at, "at"), use(end.result, "result"),
           use(end.cost, "cost"), use(charged, "charged"), use(from_bonus, "bonus"),
           use(would_have_cost, has_would_have_cost, "would"), use(end.price, "price"),
           use(end.provider, "provider"), use(end.upstream_model, "upstream"), use(input, "input"),
           use(cached, "cached"), use(output, "output"), use(usage_source, "source"),
           use(end.labels, "labels"), use(previous, "previous"), use(latest, "latest")),
          database.engine(), &entry_id)),
      set_account((database.session().prepare << kSetAccount, use(account.balance.cash, "cash"),
                   use(account.balance.bonus, "bonus"), use(account.last_transfer, "last_transfer"),
                   use(account.latest_transfer, "latest_transfer"),
                   use(account.last_call, "last_call"), use(account.latest_call, "latest_call"),
                   use(tenant, "tenant"))),
      next_grant((database.session().prepare << kNextGrant, into(grant_id), into(found_remaining),
                  use(tenant, "tenant"))),
      use_grant((database.session().prepare << kUseGrant, use(nano, "nano"), use(grant_id, "id"))),
      insert_transfer(WithId(
          (database.session().prepare << Inserting(kInsertTransfer, database.engine()),
           use(row.tenant, "tenant"), use(row.kind, "kind"), use(row.debit, "debit"),
           use(row.credit, "credit"), use(row.nano, "nano"), use(row.at, "at"),
           use(row.grant_id, has_grant, "grant"), use(row.reference, has_reference, "reference"),
           use(row.reason, "reason"), use(row.actor, "actor"), use(previous, "previous"),
           use(latest, "latest"), use(last_call, "last_call")),
          database.engine(), &entry_id)) {}

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

int64_t Ledger::Statements::Insert(soci::statement& statement) {
  if (CountsIds(database.engine())) {
    PINGTI_CHECK(Run(statement), "it returns the id");
    return entry_id;
  }
  if (last_id == 0) {
    database.session() << "SELECT COALESCE(MAX(id), 0) FROM (SELECT MAX(id) AS id FROM calls "
                          "UNION ALL SELECT MAX(id) FROM transfers)",
        into(last_id);
    last_id -= last_id % kIdsOfACall;
  }
  entry_id = last_id + kIdsOfACall;
  Change(statement);
  last_id = entry_id;
  return entry_id;
}

}  // namespace pingti::billing
