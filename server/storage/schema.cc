#include "server/storage/schema.h"

namespace pingti::storage {
namespace {

// Statements of more than one step.
constexpr std::string_view kTransfersReference =
    R"(CREATE UNIQUE INDEX transfers_reference ON transfers (tenant, kind, reference)
       WHERE reference IS NOT NULL)";

// Amounts are nano-units of the ledger's currency, times microseconds since 1970 (UTC). What must
// never be true is a constraint, so that a mistake of ours fails instead of costing money.
constexpr std::string_view kTables1[] = {
    // Facts of the whole ledger: its currency.
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)$STRICT",

    // A tenant's balance: the sum of its transfers, kept up by the transaction that
    // writes them, so that reading it is one row. `held`: the sum of its open holds.
    "CREATE TABLE accounts ("
    "tenant TEXT PRIMARY KEY, "
    "cash $INT NOT NULL CHECK (cash >= 0), "
    "bonus $INT NOT NULL CHECK (bonus >= 0), "
    "held $INT NOT NULL CHECK (held >= 0), "
    "created_at $INT NOT NULL, "
    "CHECK (held <= cash + bonus))$KEYED",

    // Bonus that was granted, and what is left of it.
    "CREATE TABLE grants ("
    "id $ID, "
    "tenant TEXT NOT NULL REFERENCES accounts (tenant), "
    "amount $INT NOT NULL CHECK (amount > 0), "
    "remaining $INT NOT NULL CHECK (remaining BETWEEN 0 AND amount), "
    "created_at $INT NOT NULL, "
    "expires_at $INT)$STRICT",
    "CREATE INDEX grants_left ON grants (tenant, id) WHERE remaining > 0",

    // The metered calls: each is held, then posted or voided, exactly once.
    "CREATE TABLE calls ("
    "tenant TEXT NOT NULL REFERENCES accounts (tenant), "
    "request_id TEXT NOT NULL, "
    "state TEXT NOT NULL CHECK (state IN ('open', 'posted', 'voided')), "
    "token $INT NOT NULL, "
    "fingerprint TEXT NOT NULL, "
    "owner TEXT NOT NULL, "
    "recovered $INT NOT NULL DEFAULT 0 CHECK (recovered IN (0, 1)), "
    "key_id TEXT NOT NULL, "
    "model TEXT NOT NULL, "
    "held $INT NOT NULL CHECK (held >= 0), "
    "delivered $INT NOT NULL DEFAULT 0 CHECK (delivered >= 0), "
    "opened_at $INT NOT NULL, "
    "ended_at $INT, "
    "result TEXT NOT NULL DEFAULT '', "
    "cost $INT NOT NULL DEFAULT 0 CHECK (cost >= 0), "
    "charged $INT NOT NULL DEFAULT 0 CHECK (charged >= 0), "
    "would_have_cost $INT, "
    "price TEXT NOT NULL DEFAULT '', "
    "provider TEXT NOT NULL DEFAULT '', "
    "upstream_model TEXT NOT NULL DEFAULT '', "
    "input_tokens $INT NOT NULL DEFAULT 0, "
    "cached_input_tokens $INT NOT NULL DEFAULT 0, "
    "output_tokens $INT NOT NULL DEFAULT 0, "
    "usage_source TEXT NOT NULL DEFAULT 'none', "
    "labels TEXT NOT NULL DEFAULT '', "
    "PRIMARY KEY (tenant, request_id), "
    "CHECK ((state = 'open') = (ended_at IS NULL)), "
    "CHECK (charged <= cost))$KEYED",
    "CREATE INDEX calls_open ON calls (owner) WHERE state = 'open'",
    "CREATE INDEX calls_in_time ON calls (tenant, opened_at)",

    // Double entry: each row takes an amount from one account and puts it into another,
    // so the sum over all accounts is zero. `cash` and `bonus` are the tenant's own.
    "CREATE TABLE transfers ("
    "id $ID, "
    "tenant TEXT NOT NULL REFERENCES accounts (tenant), "
    "kind TEXT NOT NULL, "
    "debit TEXT NOT NULL, "
    "credit TEXT NOT NULL CHECK (credit <> debit), "
    "amount $INT NOT NULL CHECK (amount > 0), "
    "created_at $INT NOT NULL, "
    "request_id TEXT, "
    "grant_id $INT REFERENCES grants (id), "
    "reference TEXT, "
    "reason TEXT NOT NULL DEFAULT '', "
    "actor TEXT NOT NULL DEFAULT '')$STRICT",
    "CREATE INDEX transfers_of_tenant ON transfers (tenant, id)",
    kTransfersReference,

    // Processes that hold: one that is not heard of any more is dead.
    "CREATE TABLE owners (id TEXT PRIMARY KEY, seen_at $INT NOT NULL)$STRICT",
};

constexpr std::string_view kTransfersStay =
    "CREATE TRIGGER transfers_stay BEFORE UPDATE ON transfers "
    "BEGIN SELECT RAISE(ABORT, 'transfers are never changed'); END";

constexpr std::string_view kTransfersRemain =
    "CREATE TRIGGER transfers_remain BEFORE DELETE ON transfers "
    "BEGIN SELECT RAISE(ABORT, 'transfers are never deleted'); END";

constexpr std::string_view kSqlite1[] = {kTransfersStay, kTransfersRemain};

constexpr std::string_view kTransfersStayPostgres =
    "CREATE TRIGGER transfers_stay BEFORE UPDATE OR DELETE ON transfers "
    "FOR EACH ROW EXECUTE FUNCTION refuse_change()";

constexpr std::string_view kPostgres1[] = {
    "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$body$ BEGIN RAISE EXCEPTION 'transfers are never changed or deleted'; END $body$",
    kTransfersStayPostgres,
};

constexpr std::string_view kTables2[] = {
    // Tenants beside those of the configuration. A row stays for ever, so that a name is never
    // another's: its account goes on in the ledger.
    "CREATE TABLE tenants ("
    "name TEXT PRIMARY KEY, "
    "tier TEXT NOT NULL, "
    "state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'deleted')), "
    "created_at $INT NOT NULL)$STRICT",

    // Their API keys, as SHA-256 of the whole key. `models`: names with a space between them.
    "CREATE TABLE api_keys ("
    "id TEXT PRIMARY KEY, "
    "tenant TEXT NOT NULL REFERENCES tenants (name), "
    "name TEXT NOT NULL, "
    "sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64), "
    "models TEXT NOT NULL, "
    "created_at $INT NOT NULL, "
    "expires_at $INT, "
    "revoked_at $INT, "
    "replaced_by TEXT)$STRICT",
    "CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id)",

    // How often the two above were changed: one row, which each change counts up as it commits.
    R"(CREATE TABLE tenant_changes (
       id $INT PRIMARY KEY CHECK (id = 1), changes $INT NOT NULL)$STRICT)",
    "INSERT INTO tenant_changes (id, changes) VALUES (1, 0)",
};

constexpr std::string_view kTables3[] = {
    // Limits of single API keys, over all models, by the names of the configuration. `burst` 0: as
    // much as the limit.
    "CREATE TABLE key_limits ("
    "key_id TEXT NOT NULL REFERENCES api_keys (id), "
    "kind TEXT NOT NULL CHECK (kind IN ('requests_per_minute', 'tokens_per_minute', "
    "'requests_per_day', 'tokens_per_day', 'calls_at_once')), "
    "amount $INT NOT NULL CHECK (amount >= 0), "
    "burst $INT NOT NULL CHECK (burst BETWEEN 0 AND amount), "
    "shadow $INT NOT NULL CHECK (shadow IN (0, 1)), "
    "PRIMARY KEY (key_id, kind))$KEYED",

    // What a key may do, with a space between. Its budget, in the ledger's currency; 0: none.
    "ALTER TABLE api_keys ADD COLUMN rights TEXT NOT NULL DEFAULT 'complete read_account'",
    "ALTER TABLE api_keys ADD COLUMN budget $INT NOT NULL DEFAULT 0 CHECK (budget >= 0)",
    R"(ALTER TABLE api_keys ADD COLUMN budget_per TEXT NOT NULL DEFAULT 'day'
       CHECK (budget_per IN ('day', 'month')))",

    // Of keys with a budget: what their calls of one day or month (`2024-06-27`, `2024-06`, UTC)
    // were charged and hold. Calls that count have the same period; the others have none.
    "CREATE TABLE key_budgets ("
    "tenant TEXT NOT NULL REFERENCES accounts (tenant), "
    "key_id TEXT NOT NULL, "
    "period TEXT NOT NULL, "
    "spent $INT NOT NULL CHECK (spent >= 0), "
    "held $INT NOT NULL CHECK (held >= 0), "
    "PRIMARY KEY (tenant, key_id, period))$KEYED",
    "ALTER TABLE calls ADD COLUMN budget_period TEXT NOT NULL DEFAULT ''",

    // When a key was last used, also one of the configuration.
    "CREATE TABLE key_uses (key_id TEXT PRIMARY KEY, used_at $INT NOT NULL)$KEYED",
};

constexpr std::string_view kTables4[] = {
    // Identities of peers, which a certificate proves: each is one tenant's.
    "CREATE TABLE tenant_identities ("
    "identity TEXT PRIMARY KEY, "
    "tenant TEXT NOT NULL REFERENCES tenants (name))$KEYED",
    "CREATE INDEX identities_of_tenant ON tenant_identities (tenant, identity)",
};

// From here on no index that grows with calls begins with the tenant: with many tenants each call
// would change a page of its own in each of them. A tenant's rows are found from its account, which
// knows the last one, and each row knows the one before. Nor does the database look up the account
// of each such row, which the transaction has locked.
constexpr std::string_view kTables5[] = {
    "DROP INDEX calls_open",
    "DROP INDEX calls_in_time",
    "ALTER TABLE calls RENAME TO calls_4",

    // Calls that run, with what they hold, which is part of no balance any more: what a tenant
    // holds is the sum of these. `delivered` and what follows: noted so far.
    "CREATE TABLE open_calls ("
    "tenant TEXT NOT NULL, "
    "request_id TEXT NOT NULL, "
    "token $INT NOT NULL, "
    "fingerprint TEXT NOT NULL, "
    "owner TEXT NOT NULL, "
    "key_id TEXT NOT NULL, "
    "model TEXT NOT NULL, "
    "budget_period TEXT NOT NULL, "
    "held $INT NOT NULL CHECK (held >= 0), "
    "opened_at $INT NOT NULL, "
    "delivered $INT NOT NULL DEFAULT 0 CHECK (delivered >= 0), "
    "price TEXT NOT NULL DEFAULT '', "
    "provider TEXT NOT NULL DEFAULT '', "
    "upstream_model TEXT NOT NULL DEFAULT '', "
    "input_tokens $INT NOT NULL DEFAULT 0, "
    "cached_input_tokens $INT NOT NULL DEFAULT 0, "
    "output_tokens $INT NOT NULL DEFAULT 0, "
    "labels TEXT NOT NULL DEFAULT '', "
    "PRIMARY KEY (tenant, request_id))$KEYED",
    R"(INSERT INTO open_calls SELECT tenant, request_id, token, fingerprint, owner, key_id, model,
       budget_period, held, opened_at, delivered, price, provider, upstream_model, input_tokens,
       cached_input_tokens, output_tokens, labels FROM calls_4 WHERE state = 'open')",

    // Calls that have ended, in the order of their ends. `previous`: the tenant's call before this
    // one, or 0; `latest`: the latest begin of this one and all before it, so that who looks for
    // calls since some time knows where to stop.
    "CREATE TABLE calls ("
    "id $ROW, "
    "tenant TEXT NOT NULL, "
    "request_id TEXT NOT NULL, "
    "state TEXT NOT NULL CHECK (state IN ('posted', 'voided')), "
    "token $INT NOT NULL, "
    "fingerprint TEXT NOT NULL, "
    "recovered $INT NOT NULL CHECK (recovered IN (0, 1)), "
    "key_id TEXT NOT NULL, "
    "model TEXT NOT NULL, "
    "budget_period TEXT NOT NULL, "
    "opened_at $INT NOT NULL, "
    "ended_at $INT NOT NULL, "
    "result TEXT NOT NULL, "
    "cost $INT NOT NULL CHECK (cost >= 0), "
    "charged $INT NOT NULL CHECK (charged BETWEEN 0 AND cost), "
    "would_have_cost $INT, "
    "price TEXT NOT NULL, "
    "provider TEXT NOT NULL, "
    "upstream_model TEXT NOT NULL, "
    "input_tokens $INT NOT NULL, "
    "cached_input_tokens $INT NOT NULL, "
    "output_tokens $INT NOT NULL, "
    "usage_source TEXT NOT NULL, "
    "labels TEXT NOT NULL, "
    "previous $INT NOT NULL, "
    "latest $INT NOT NULL)$STRICT",
    R"(INSERT INTO calls (tenant, request_id, state, token, fingerprint, recovered, key_id, model,
       budget_period, opened_at, ended_at, result, cost, charged, would_have_cost, price, provider,
       upstream_model, input_tokens, cached_input_tokens, output_tokens, usage_source, labels,
       previous, latest)
       SELECT tenant, request_id, state, token, fingerprint, recovered, key_id, model,
       budget_period, opened_at, ended_at, result, cost, charged, would_have_cost, price, provider,
       upstream_model, input_tokens, cached_input_tokens, output_tokens, usage_source, labels,
       0, 0 FROM calls_4 WHERE state <> 'open' ORDER BY ended_at, tenant, request_id)",
    R"(UPDATE calls SET previous = chain.previous, latest = chain.latest FROM (SELECT id AS of_id,
       COALESCE(LAG(id) OVER each, 0) AS previous, MAX(opened_at) OVER each AS latest FROM calls
       WINDOW each AS (PARTITION BY tenant ORDER BY id)) AS chain WHERE id = chain.of_id)",
    "DROP TABLE calls_4",
    // An id is charged once. Ids of the server's own making sort by time.
    R"(CREATE UNIQUE INDEX calls_of_id ON calls (request_id, tenant,
       (CASE WHEN state = 'posted' THEN 0 ELSE id END)))",
    "CREATE INDEX calls_in_time ON calls (opened_at)",

    // Of bonus that was spent, grants learn when one of them expires: `remaining` is what was left
    // then. All together have what the account has as bonus, or more: the oldest have less.
    "CREATE INDEX grants_due ON grants (expires_at) WHERE remaining > 0",

    // Of transfers the latest time of writing, of calls the latest begin.
    "ALTER TABLE accounts ADD COLUMN last_transfer $INT NOT NULL DEFAULT 0",
    "ALTER TABLE accounts ADD COLUMN latest_transfer $INT NOT NULL DEFAULT 0",
    "ALTER TABLE accounts ADD COLUMN last_call $INT NOT NULL DEFAULT 0",
    "ALTER TABLE accounts ADD COLUMN latest_call $INT NOT NULL DEFAULT 0",
    R"(UPDATE accounts SET last_transfer = id, latest_transfer = latest FROM (SELECT tenant AS of,
       MAX(id) AS id, MAX(created_at) AS latest FROM transfers GROUP BY tenant) AS t
       WHERE tenant = t.of)",
    R"(UPDATE accounts SET last_call = id, latest_call = latest FROM (SELECT tenant AS of,
       MAX(id) AS id, MAX(opened_at) AS latest FROM calls GROUP BY tenant) AS c
       WHERE tenant = c.of)",
};

// Rows of transfers as they were, with `previous` of the tenant and the latest time until then.
constexpr std::string_view kSqlite5[] = {
    "CREATE TABLE transfers_5 ("
    "id INTEGER PRIMARY KEY, "
    "tenant TEXT NOT NULL, "
    "kind TEXT NOT NULL, "
    "debit TEXT NOT NULL, "
    "credit TEXT NOT NULL CHECK (credit <> debit), "
    "amount INTEGER NOT NULL CHECK (amount > 0), "
    "created_at INTEGER NOT NULL, "
    "request_id TEXT, "
    "grant_id INTEGER REFERENCES grants (id), "
    "reference TEXT, "
    "reason TEXT NOT NULL DEFAULT '', "
    "actor TEXT NOT NULL DEFAULT '', "
    "previous INTEGER NOT NULL, "
    "latest INTEGER NOT NULL) STRICT",
    R"(INSERT INTO transfers_5 SELECT id, tenant, kind, debit, credit, amount, created_at,
       request_id, grant_id, reference, reason, actor, COALESCE(LAG(id) OVER each, 0),
       MAX(created_at) OVER each FROM transfers WINDOW each AS (PARTITION BY tenant ORDER BY id))",
    "DROP TABLE transfers",
    "ALTER TABLE transfers_5 RENAME TO transfers",
    kTransfersReference,
    kTransfersStay,
    kTransfersRemain,

    // The table anew, without `held`, which a constraint of the old one names.
    "CREATE TABLE accounts_5 ("
    "tenant TEXT PRIMARY KEY, "
    "cash INTEGER NOT NULL CHECK (cash >= 0), "
    "bonus INTEGER NOT NULL CHECK (bonus >= 0), "
    "created_at INTEGER NOT NULL, "
    "last_transfer INTEGER NOT NULL DEFAULT 0, "
    "latest_transfer INTEGER NOT NULL DEFAULT 0, "
    "last_call INTEGER NOT NULL DEFAULT 0, "
    "latest_call INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID",
    R"(INSERT INTO accounts_5 SELECT tenant, cash, bonus, created_at, last_transfer,
       latest_transfer, last_call, latest_call FROM accounts)",
    "DROP TABLE accounts",
    "ALTER TABLE accounts_5 RENAME TO accounts",
};

constexpr std::string_view kPostgres5[] = {
    "DROP TRIGGER transfers_stay ON transfers",
    "ALTER TABLE transfers ADD COLUMN previous BIGINT",
    "ALTER TABLE transfers ADD COLUMN latest BIGINT",
    R"(UPDATE transfers SET previous = chain.previous, latest = chain.latest FROM (SELECT id AS
       of_id, COALESCE(LAG(id) OVER each, 0) AS previous, MAX(created_at) OVER each AS latest FROM
       transfers WINDOW each AS (PARTITION BY tenant ORDER BY id)) AS chain
       WHERE id = chain.of_id)",
    "ALTER TABLE transfers ALTER COLUMN previous SET NOT NULL",
    "ALTER TABLE transfers ALTER COLUMN latest SET NOT NULL",
    "ALTER TABLE transfers DROP CONSTRAINT transfers_tenant_fkey",
    "DROP INDEX transfers_of_tenant",
    kTransfersStayPostgres,
    "ALTER TABLE accounts DROP COLUMN held",
};

// A call that is charged is its own entry of the ledger from here on: what it was charged, and how
// much of that came from the bonus, stands in its row. Rows of before have their charges among the
// transfers; there `from_bonus` is null, and nothing of them is written anew.
constexpr std::string_view kTables6[] = {
    "ALTER TABLE calls ADD COLUMN from_bonus $INT CHECK (from_bonus BETWEEN 0 AND charged)",

    // Of a transfer: the tenant's last call before it, or 0. Null: there is no charge among the
    // calls before it. `latest` of a call is the latest begin or end from here on.
    "ALTER TABLE transfers ADD COLUMN last_call $INT",

    // All entries, each with its two accounts. Ids of calls and transfers are counted together from
    // here on, in steps of four: the entries of a call have its id and the two numbers behind it.
    R"(CREATE VIEW entries (id, tenant, kind, debit, credit, amount, created_at) AS
       SELECT id, tenant, kind, debit, credit, amount, created_at FROM transfers
       UNION ALL SELECT id, tenant, 'charge', 'bonus', 'revenue', from_bonus, ended_at
       FROM calls WHERE from_bonus > 0
       UNION ALL SELECT id + 1, tenant, 'charge', 'cash', 'revenue', charged - from_bonus, ended_at
       FROM calls WHERE charged > from_bonus
       UNION ALL SELECT id + 2, tenant, 'charge', 'uncovered', 'revenue', cost - charged, ended_at
       FROM calls WHERE cost > charged AND from_bonus IS NOT NULL)",
};

constexpr std::string_view kSqlite6[] = {
    "CREATE TRIGGER calls_stay BEFORE UPDATE ON calls "
    "BEGIN SELECT RAISE(ABORT, 'calls are never changed'); END",
    "CREATE TRIGGER calls_remain BEFORE DELETE ON calls "
    "BEGIN SELECT RAISE(ABORT, 'calls are never deleted'); END",
};

constexpr std::string_view kPostgres6[] = {
    R"(CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
       $body$ BEGIN RAISE EXCEPTION '% are never changed or deleted', TG_TABLE_NAME; END $body$)",
    R"(CREATE TRIGGER calls_stay BEFORE UPDATE OR DELETE ON calls
       FOR EACH ROW EXECUTE FUNCTION refuse_change())",
    "CREATE SEQUENCE entry_ids AS BIGINT INCREMENT BY 4",
    R"(SELECT setval('entry_ids', (GREATEST((SELECT COALESCE(MAX(id), 0) FROM calls),
       (SELECT COALESCE(MAX(id), 0) FROM transfers)) / 4 + 1) * 4))",
    "ALTER TABLE calls ALTER COLUMN id DROP IDENTITY",
    "ALTER TABLE transfers ALTER COLUMN id DROP IDENTITY",
};

}  // namespace

const std::vector<SchemaStep>& SchemaSteps() {
  static const std::vector<SchemaStep> steps = {
      {.version = 1, .statements = kTables1, .sqlite_only = kSqlite1, .postgres_only = kPostgres1},
      {.version = 2, .statements = kTables2, .sqlite_only = {}, .postgres_only = {}},
      {.version = 3, .statements = kTables3, .sqlite_only = {}, .postgres_only = {}},
      {.version = 4, .statements = kTables4, .sqlite_only = {}, .postgres_only = {}},
      {.version = 5, .statements = kTables5, .sqlite_only = kSqlite5, .postgres_only = kPostgres5},
      {.version = 6, .statements = kTables6, .sqlite_only = kSqlite6, .postgres_only = kPostgres6},
  };
  return steps;
}

}  // namespace pingti::storage
