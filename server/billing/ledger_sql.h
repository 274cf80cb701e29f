// Inside of the ledger, for its *_sql.cc only: the statements of a connection that are prepared
// once, and the variables that they read and write.
#pragma once

#include <soci/soci.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/billing/ledger.h"

namespace pingti::billing {

struct Ledger::Row {
  std::string tenant;
  std::string kind;
  std::string debit;
  std::string credit;
  int64_t nano = 0;
  int64_t at = 0;
  int64_t grant_id = 0;     // that it gives, or that has expired; 0: none
  std::string reference{};  // empty: none
  std::string reason{};
  std::string actor{};
};

// Entries are numbered in steps of so many: a call's charge is up to three of them.
inline constexpr int64_t kIdsOfACall = 4;

struct Ledger::Statements {
  explicit Statements(storage::Database& database);

  // Runs a statement to its end. True: it gave a row.
  static bool Run(soci::statement& statement);
  // Of one that gives no row: how many it changed.
  static int64_t Change(soci::statement& statement);
  // Of end_call and insert_transfer: the id of the row.
  int64_t Insert(soci::statement& statement);

  storage::Database& database;
  int64_t entry_id = 0;  // of the row
  int64_t last_id = 0;   // SQLite: of the last row, or a step not above it; 0: not known

  // Inputs.
  std::string tenant, request_id;
  int64_t nano = 0;
  HoldRequest hold;
  int64_t token = 0, at = 0;
  CallEnd end;
  std::string state;
  int64_t charged = 0, from_bonus = 0, would_have_cost = 0, input = 0, cached = 0, output = 0;
  int recovered = 0;
  soci::indicator has_would_have_cost = soci::i_null;
  std::string usage_source;
  int64_t held = 0, opened_at = 0;
  int64_t grant_id = 0;
  int64_t previous = 0, latest = 0;  // in the tenant's chain
  int64_t last_call = 0;
  Row row;
  soci::indicator has_grant = soci::i_null, has_reference = soci::i_null;

  // Outputs. An account as it is read, and as it is written.
  Account account;
  // Of FindCall(): its hold as far as it is needed, in `found`.
  HoldRequest found;
  int64_t found_token = 0, found_at = 0, found_held = 0, found_charged = 0;
  int found_recovered = 0;
  std::string found_state;
  int64_t found_remaining = 0;  // of a grant

  soci::statement lock_account;
  soci::statement sum_held;
  soci::statement open_call;
  soci::statement find_open;
  soci::statement find_ended;
  soci::statement set_held;
  soci::statement note_delivered;
  soci::statement close_call;
  soci::statement end_call;
  soci::statement set_account;
  soci::statement next_grant;
  soci::statement use_grant;
  soci::statement insert_transfer;
};

// The statements of budgets.
struct Ledger::BudgetStatements {
  explicit BudgetStatements(storage::Database& database);

  // Inputs.
  std::string tenant, key_id, period;
  int64_t nano = 0, room = 0, charged = 0;
  // Output.
  BudgetUse found;

  soci::statement take;
  soci::statement make;
  soci::statement read;
  soci::statement settle;
};

// A condition: rows of `table`, which are calls or transfers, of the tenant :of_tenant, and among
// them all whose time is :since or later.
std::string IsOfTenant(std::string_view table, std::string_view last);

inline int64_t Micros(absl::Time time) { return absl::ToUnixMicros(time); }

// Microseconds that every time of ours lies between; a filter without an end has these.
inline constexpr int64_t kEver = int64_t{1} << 60;

inline int64_t Bounded(absl::Time time) {
  if (time == absl::InfinitePast()) return -kEver;
  if (time == absl::InfiniteFuture()) return kEver;
  return Micros(time);
}

}  // namespace pingti::billing
