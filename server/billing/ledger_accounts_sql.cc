// Accounts, and money that comes and goes by hand.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/numeric/int128.h"
#include "server/base/check.h"
#include "server/base/money.h"
#include "server/base/strings.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

using soci::into;
using soci::use;

constexpr int kGrantsPerSweep = 500;

}  // namespace

Ledger::Ledger(storage::Database& database)
    : database_(database), statements_(std::make_unique<Statements>(database)) {}
Ledger::~Ledger() = default;

Ledger& Ledger::Of(storage::Database& database) {
  if (database.attachment() == nullptr) database.Attach(std::make_unique<Ledger>(database));
  return static_cast<Ledger&>(*database.attachment());
}

absl::Status Ledger::CheckCurrency(std::string_view code) {
  const std::string ours(code);
  soci::session& sql = database_.session();
  sql << "INSERT INTO facts (name, value) VALUES ('currency', :code) ON CONFLICT DO NOTHING",
      use(ours);
  std::string kept;
  sql << "SELECT value FROM facts WHERE name = 'currency'", into(kept);
  if (kept == ours) return absl::OkStatus();
  return absl::FailedPreconditionError(
      base::StrCat("the ledger is kept in ", kept, ", billing.currency is ", ours,
                   "; a ledger keeps the currency that it began with"));
}

bool Ledger::OpenAccount(const std::string& tenant, const Plan& plan, absl::Time now) {
  const int64_t at = Micros(now);
  soci::statement insert =
      (database_.session().prepare << "INSERT INTO accounts (tenant, cash, bonus, created_at) "
                                      "VALUES (:tenant, 0, 0, :at) ON CONFLICT DO NOTHING",
       use(tenant, "tenant"), use(at, "at"));
  if (Statements::Change(insert) == 0) return false;
  if (plan.newcomer_bonus > 0) {
    Grant(tenant, plan.newcomer_bonus, "newcomer", "newcomer", "plan", plan, now, Touch(tenant));
  }
  return true;
}

std::optional<Balance> Ledger::GetBalance(const std::string& tenant) {
  const auto known = accounts_.find(tenant);
  if (known != accounts_.end()) return known->second.balance;
  Balance balance;
  soci::session& sql = database_.session();
  sql << "SELECT cash, bonus, (SELECT CAST(COALESCE(SUM(held), 0) AS BIGINT) FROM open_calls "
         "WHERE open_calls.tenant = accounts.tenant) FROM accounts WHERE tenant = :tenant",
      into(balance.cash), into(balance.bonus), into(balance.held), use(tenant, "tenant");
  if (!sql.got_data()) return std::nullopt;
  return balance;
}

void Ledger::Grant(const std::string& tenant, int64_t nano, const std::string& kind,
                   const std::string& reference, const std::string& actor, const Plan& plan,
                   absl::Time at, Account* account) {
  const int64_t created = Micros(at);
  const bool expires = plan.bonus_lifetime < absl::InfiniteDuration();
  const int64_t expires_at = expires ? Micros(at + plan.bonus_lifetime) : 0;
  soci::indicator has_end = expires ? soci::i_ok : soci::i_null;
  int64_t id = 0;
  soci::statement insert =
      (database_.session().prepare << "INSERT INTO grants (tenant, amount, remaining, created_at, "
                                      "expires_at) VALUES (:tenant, :nano, :nano, :at, :end) "
                                      "RETURNING id",
       into(id), use(tenant, "tenant"), use(nano, "nano"), use(created, "at"),
       use(expires_at, has_end, "end"));
  PINGTI_CHECK(Statements::Run(insert), "an INSERT that returns its id");
  Write({.tenant = tenant,
         .kind = kind,
         .debit = kBonuses,
         .credit = kBonus,
         .nano = nano,
         .at = created,
         .grant_id = id,
         .reference = reference,
         .actor = actor},
        account);
  account->balance.bonus += nano;
}

void Ledger::SettleGrants(const std::string& tenant, const Account& account) {
  Statements& s = *statements_;
  int64_t spent = 0;
  database_.session() << "SELECT CAST(COALESCE(SUM(remaining), 0) AS BIGINT) FROM grants WHERE "
                         "tenant = :tenant AND remaining > 0",
      into(spent), use(tenant, "tenant");
  spent -= account.balance.bonus;
  while (spent > 0) {
    s.tenant = tenant;
    PINGTI_CHECK(Statements::Run(s.next_grant), "bonus is what is left of grants");
    const int64_t taken = std::min(spent, s.found_remaining);
    s.nano = s.found_remaining - taken;
    Statements::Change(s.use_grant);
    spent -= taken;
  }
}

TopUpReply Ledger::Add(const TopUp& top_up, const Plan& plan) {
  PINGTI_CHECK(top_up.nano > 0 && !top_up.reference.empty(), "checked by who asks");
  Account* account = Touch(top_up.tenant);
  if (account == nullptr) return {.verdict = TopUpReply::Verdict::kNoAccount};
  // The account is locked, so nobody else writes the same reference meanwhile.
  int64_t before = 0;
  int64_t bonus_before = 0;
  database_.session()
      << "SELECT COALESCE(SUM(CASE WHEN kind = 'top-up' THEN amount ELSE 0 END), 0),"
         " COALESCE(SUM(CASE WHEN kind = 'bonus' THEN amount ELSE 0 END), 0) "
         "FROM transfers WHERE tenant = :tenant AND reference = :reference "
         "AND kind IN ('top-up', 'bonus')",
      into(before), into(bonus_before), use(top_up.tenant, "tenant"),
      use(top_up.reference, "reference");
  if (before != 0) {
    return {.verdict = before == top_up.nano ? TopUpReply::Verdict::kDoneBefore
                                             : TopUpReply::Verdict::kOtherAmount,
            .bonus = bonus_before,
            .balance = account->balance};
  }
  const bool first = !HasTopUp(top_up.tenant);
  Write({.tenant = top_up.tenant,
         .kind = "top-up",
         .debit = kTopUps,
         .credit = kCash,
         .nano = top_up.nano,
         .at = Micros(top_up.at),
         .reference = top_up.reference,
         .reason = top_up.reason,
         .actor = top_up.actor},
        account);
  account->balance.cash += top_up.nano;
  // Rounded down: the plan gives no more than its share.
  const int64_t bonus = static_cast<int64_t>(absl::int128(top_up.nano) * plan.bonus_percent / 100);
  if (bonus > 0) {
    Grant(top_up.tenant, bonus, "bonus", top_up.reference, "plan", plan, top_up.at, account);
  }
  return {.bonus = bonus, .balance = account->balance, .first = first};
}

bool Ledger::HasTopUp(const std::string& tenant) {
  int64_t found = 0;
  // As the index of references has it.
  database_.session() << "SELECT COUNT(*) FROM (SELECT 1 FROM transfers WHERE tenant = :tenant AND "
                         "kind = 'top-up' AND reference IS NOT NULL LIMIT 1) AS one",
      into(found), use(tenant, "tenant");
  return found > 0;
}

TopUpReply Ledger::Adjust(const Adjustment& adjustment) {
  PINGTI_CHECK(adjustment.nano != 0 && !adjustment.reference.empty(), "checked by who asks");
  Account* account = Touch(adjustment.tenant);
  if (account == nullptr) return {.verdict = TopUpReply::Verdict::kNoAccount};
  Balance& balance = account->balance;
  const std::string kind = adjustment.refund ? "refund" : "adjustment";
  int64_t before = 0;
  database_.session() << "SELECT COALESCE(SUM(CASE WHEN credit = 'cash' THEN amount ELSE -amount "
                         "END), 0) FROM transfers WHERE tenant = :tenant AND kind = :kind AND "
                         "reference = :reference",
      into(before), use(adjustment.tenant, "tenant"), use(kind, "kind"),
      use(adjustment.reference, "reference");
  if (before != 0) {
    return {.verdict = before == adjustment.nano ? TopUpReply::Verdict::kDoneBefore
                                                 : TopUpReply::Verdict::kOtherAmount,
            .balance = balance};
  }
  if (adjustment.nano < 0 && std::min(balance.cash, balance.available()) < -adjustment.nano) {
    return {.verdict = TopUpReply::Verdict::kTooLittle, .balance = balance};
  }
  const std::string other = adjustment.refund ? kRefunds : kAdjustments;
  const bool gives = adjustment.nano > 0;
  Write({.tenant = adjustment.tenant,
         .kind = kind,
         .debit = gives ? other : kCash,
         .credit = gives ? kCash : other,
         .nano = gives ? adjustment.nano : -adjustment.nano,
         .at = Micros(adjustment.at),
         .reference = adjustment.reference,
         .reason = adjustment.reason,
         .actor = adjustment.actor},
        account);
  balance.cash += adjustment.nano;
  return {.balance = balance};
}

int64_t Ledger::ExpireBonus(absl::Time now) {
  struct Due {
    std::string tenant;
    int64_t id = 0;
  };
  std::vector<Due> due;
  {
    const int64_t at = Micros(now);
    Due one;
    soci::statement find =
        (database_.session().prepare << "SELECT tenant, id FROM grants WHERE remaining > 0 AND "
                                        "expires_at <= :at ORDER BY tenant, id LIMIT :max",
         into(one.tenant), into(one.id), use(at, "at"), use(kGrantsPerSweep, "max"));
    find.execute();
    while (find.fetch()) due.push_back(one);
  }
  int64_t sum = 0;
  for (const Due& one : due) {
    Account* account = Touch(one.tenant);
    if (account == nullptr) continue;
    SettleGrants(one.tenant, *account);
    int64_t remaining = 0;
    database_.session() << "SELECT remaining FROM grants WHERE id = :id", into(remaining),
        use(one.id, "id");
    // What calls hold now may still be spent; the rest goes with a later sweep.
    const int64_t nano = std::min(remaining, account->balance.available());
    if (nano <= 0) continue;
    Statements& s = *statements_;
    s.nano = remaining - nano;
    s.grant_id = one.id;
    Statements::Change(s.use_grant);
    Write({.tenant = one.tenant,
           .kind = "expiry",
           .debit = kBonus,
           .credit = kExpired,
           .nano = nano,
           .at = Micros(now),
           .grant_id = one.id},
          account);
    account->balance.bonus -= nano;
    sum += nano;
  }
  return sum;
}

absl::Time Ledger::Now(absl::Time ours) {
  if (database_.engine() == storage::Engine::kSqlite) return ours;
  int64_t micros = 0;
  database_.session() << "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
      into(micros);
  return absl::FromUnixMicros(micros);
}

int64_t Ledger::CountBalancesBelow(int64_t nano) {
  int64_t count = 0;
  database_.session() << "SELECT COUNT(*) FROM accounts WHERE cash + bonus < :nano", into(count),
      use(nano, "nano");
  return count;
}

void Ledger::ForgetOwners() { database_.session() << "DELETE FROM owners"; }

void Ledger::SeeOwner(const std::string& owner, absl::Time now) {
  const int64_t at = Micros(now);
  database_.session() << "INSERT INTO owners (id, seen_at) VALUES (:id, :at) "
                         "ON CONFLICT (id) DO UPDATE SET seen_at = :at",
      use(owner, "id"), use(at, "at");
}

}  // namespace pingti::billing
