// The ledger in the database: every way in which money moves, each inside a transaction of the
// caller's (storage::Database::Transact, or a storage::Work).
//
// A balance is tested and taken under the lock of its row, which a transaction takes once and
// writes once, however many calls of the tenant it has; the row's constraints refuse what must
// never be true. What is held is the sum of the open holds, and has no place of its own. Each
// change can be run again after a commit that may or may not have happened: it finds what it has
// written and answers the same.
//
// Statements are prepared once for each connection. Members throw soci::soci_error. Thread-safety:
// as its Database.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/billing/ledger_types.h"
#include "server/storage/database.h"

namespace pingti::billing {

class Ledger : public storage::Attachment {
 public:
  explicit Ledger(storage::Database& database);
  ~Ledger() override;

  // That of a Database, which owns it; makes it the first time.
  static Ledger& Of(storage::Database& database);
  storage::Database& database() { return database_; }

  // An error where the ledger is kept in another currency; a new ledger takes this one.
  absl::Status CheckCurrency(std::string_view code);

  // Accounts. False: it was there. A new one gets the plan's newcomer bonus.
  bool OpenAccount(const std::string& tenant, const Plan& plan, absl::Time now);
  std::optional<Balance> GetBalance(const std::string& tenant);
  // Just before `at`, from the entries since; nothing is held then.
  std::optional<Balance> GetBalanceAt(const std::string& tenant, absl::Time at);

  // Calls.
  // `again`: it may have been run before, in a commit whose reply was lost.
  HoldReply Hold(const HoldRequest& request, bool again = false);
  // Makes the hold of the open call of `request` at least `nano`. kBalanceTooLow also where it is
  // not open any more; kKeyBudgetExhausted.
  HoldReply GrowHold(const HoldRequest& request, int64_t nano);
  // What an open call has used and cost so far: posted should its owner die. `post` and what is
  // about its end mean nothing here.
  void NoteDelivered(const CallEnd& so_far);
  EndReply End(const CallEnd& end);

  // Money in and out.
  TopUpReply Add(const TopUp& top_up, const Plan& plan);
  TopUpReply Adjust(const Adjustment& adjustment);
  // Takes what is left of bonus that has expired, as far as it is not held. The amount taken.
  int64_t ExpireBonus(absl::Time now);

  // Owners. `seen` tells that one lives; ends the calls of those that were not seen since
  // `dead_before` (posts what they had delivered, voids the rest) and returns how many; at most
  // `max` at once.
  // Now() is the clock that all owners share: PostgreSQL's, or, where there is one owner, ours.
  absl::Time Now(absl::Time ours);
  void SeeOwner(const std::string& owner, absl::Time now);
  void ForgetOwners();
  int64_t RecoverCalls(absl::Time dead_before, absl::Time now, int max);

  // Reading (ledger_read_sql.cc, ledger_usage_sql.cc).
  std::vector<Transfer> ListTransfers(const TransferFilter& filter);
  std::vector<UsageRow> SumUsage(const UsageFilter& filter);
  // Open holds, and when the oldest was opened.
  std::pair<int64_t, absl::Time> OpenHolds();
  int64_t CountBalancesBelow(int64_t nano);
  // Checks all of it against itself (ledger_verify_sql.cc). Reads every row. Open holds of owners
  // that were not seen since `dead_before` are findings, too.
  VerifyReply Verify(absl::Time dead_before = absl::InfinitePast());
  // Of that, what each account holds and has as bonus, which reads no history.
  std::vector<Finding> VerifyBalances();

 private:
  struct Statements;
  struct BudgetStatements;
  struct Row;
  // What was read of an account, with its row locked, and what of it is not yet written.
  struct Account {
    Balance balance;
    // The tenant's last row of each, 0 for none, and the latest time until then: of the writing of
    // transfers, of the begin or end of calls.
    int64_t last_transfer = 0, latest_transfer = 0;
    int64_t last_call = 0, latest_call = 0;
    bool changed = false;  // but for what is held
  };
  using Accounts = absl::node_hash_map<std::string, Account>;

  // SQLite is this process's alone: what was read of it stays true, as long as it is not too much.
  void BeginTransaction() override;
  void BeforeCommit() override;
  void Committed() override { undone_ = false; }

  // Null: there is none. Valid until the transaction ends.
  Account* Touch(const std::string& tenant);
  void MarkChanged(const std::string& tenant, Account* account);
  // Of the call with this id, also one that has ended: fills statements_->found*.
  bool FindCall(const std::string& tenant, const std::string& request_id);
  // Only of one that has ended. An id of the server's is used once, so it is looked up only
  // `again`.
  bool FindEnded(const HoldRequest& request, bool again);
  HoldReply Repeated(const HoldRequest& request, Account* account);
  void SetInputs(const HoldRequest& request);

  // Budgets of keys (ledger_budgets_sql.cc); each does nothing where the key has none.
  struct BudgetTake {
    bool fits = true;
    std::optional<BudgetUse> use{};
  };
  // Takes `nano` of the budget where as much is left of it.
  BudgetTake TakeBudget(const HoldRequest& request, int64_t nano);
  // What was taken for a hold that there is not.
  void GiveBackBudget(const HoldRequest& request, int64_t nano);
  // A call has ended, which held as much and is charged as much.
  void SettleBudget(const HoldRequest& hold, int64_t held, int64_t charged);
  BudgetStatements& BudgetOf(const std::string& tenant, const std::string& key_id,
                             const std::string& period);

  // Nothing: it is not open, or not this one's, or `held` is not what is held for it.
  std::optional<EndReply> EndOpen(const CallEnd& end, const HoldRequest& hold, int64_t held,
                                  bool recovered, Account* account);
  void Grant(const std::string& tenant, int64_t nano, const std::string& kind,
             const std::string& reference, const std::string& actor, const Plan& plan,
             absl::Time at, Account* account);
  // Takes from the grants, the oldest first, what was spent of the bonus since the last time.
  void SettleGrants(const std::string& tenant, const Account& account);
  bool HasTopUp(const std::string& tenant);
  // Behind the last transfer of its tenant.
  void Write(const Row& row, Account* account);

  storage::Database& database_;
  std::unique_ptr<Statements> statements_;
  std::unique_ptr<BudgetStatements> budgets_;  // null: no call had one
  Accounts accounts_;                          // pointers to its entries stay valid
  std::vector<std::string> changed_;           // of these, what the transaction has to write
  bool undone_ = true;                         // the last transaction, or it may have been
};

}  // namespace pingti::billing
