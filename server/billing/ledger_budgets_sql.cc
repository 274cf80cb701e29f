// Budgets of API keys: what the calls of one day or month were charged and hold together.
//
// One row for each key and period, which only calls of keys with a budget touch. Its test is part
// of the statement that takes from it, so that no two calls take the same rest.
#include <limits>
#include <memory>
#include <string>

#include "server/base/check.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

using soci::into;
using soci::use;

constexpr char kTake[] =
    "UPDATE key_budgets SET held = held + :nano WHERE tenant = :tenant AND key_id = :key AND "
    "period = :period AND spent + held <= :room RETURNING spent, held";
constexpr char kMake[] =
    "INSERT INTO key_budgets (tenant, key_id, period, spent, held) "
    "VALUES (:tenant, :key, :period, 0, 0) ON CONFLICT DO NOTHING";
constexpr char kRead[] =
    "SELECT spent, held FROM key_budgets WHERE tenant = :tenant AND key_id = :key AND "
    "period = :period";
constexpr char kSettle[] =
    "UPDATE key_budgets SET held = held - :nano, spent = spent + :charged WHERE tenant = :tenant "
    "AND key_id = :key AND period = :period";

}  // namespace

Ledger::BudgetStatements::BudgetStatements(storage::Database& database)
    : take((database.session().prepare << kTake, into(found.spent), into(found.held),
            use(nano, "nano"), use(tenant, "tenant"), use(key_id, "key"), use(period, "period"),
            use(room, "room"))),
      make((database.session().prepare << kMake, use(tenant, "tenant"), use(key_id, "key"),
            use(period, "period"))),
      read((database.session().prepare << kRead, into(found.spent), into(found.held),
            use(tenant, "tenant"), use(key_id, "key"), use(period, "period"))),
      settle((database.session().prepare << kSettle, use(nano, "nano"), use(charged, "charged"),
              use(tenant, "tenant"), use(key_id, "key"), use(period, "period"))) {}

Ledger::BudgetStatements& Ledger::BudgetOf(const std::string& tenant, const std::string& key_id,
                                           const std::string& period) {
  if (!budgets_) budgets_ = std::make_unique<BudgetStatements>(database_);
  budgets_->tenant = tenant;
  budgets_->key_id = key_id;
  budgets_->period = period;
  return *budgets_;
}

Ledger::BudgetTake Ledger::TakeBudget(const HoldRequest& request, int64_t nano) {
  if (request.budget.period.empty()) return {};
  BudgetStatements& s = BudgetOf(request.tenant, request.key_id, request.budget.period);
  s.nano = nano;
  // What costs nothing fits always: a call before may have cost more than was left.
  s.room = nano == 0 ? std::numeric_limits<int64_t>::max() : request.budget.nano - nano;
  if (Statements::Run(s.take)) return {.use = s.found};
  // It is full, or is the first call of its period.
  if (Statements::Change(s.make) == 1 && Statements::Run(s.take)) return {.use = s.found};
  PINGTI_CHECK(Statements::Run(s.read), "it was made");
  return {.fits = false, .use = s.found};
}

void Ledger::GiveBackBudget(const HoldRequest& request, int64_t nano) {
  if (request.budget.period.empty()) return;
  BudgetStatements& s = BudgetOf(request.tenant, request.key_id, request.budget.period);
  s.nano = nano;
  s.charged = 0;
  Statements::Change(s.settle);
}

void Ledger::SettleBudget(const HoldRequest& hold, int64_t held, int64_t charged) {
  if (hold.budget.period.empty()) return;
  BudgetStatements& s = BudgetOf(hold.tenant, hold.key_id, hold.budget.period);
  s.nano = held;
  s.charged = charged;
  PINGTI_CHECK(Statements::Change(s.settle) == 1, "its hold has made the row");
}

}  // namespace pingti::billing
