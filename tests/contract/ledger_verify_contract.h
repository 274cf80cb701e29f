// That a ledger which contradicts itself is found out.
#pragma once

#include <gmock/gmock.h>
#include <soci/soci.h>

#include <string>
#include <vector>

#include "tests/contract/ledger_fixture.h"

namespace pingti::billing {

class LedgerVerifyContract : public LedgerContract {
 protected:
  // An account with cash and bonus, a call that was charged from the bonus, and one that holds, of
  // a key with a budget.
  void Fill() {
    OpenAccount(kAcme, /*cash=*/100, /*bonus=*/50);
    Hold(Request("a", 20));
    End(EndOf("a", 10));
    HoldRequest b = Request("b", 30);
    b.budget = {.nano = 100, .period = "2024-06-27"};
    Hold(b);
  }
  struct Found {
    std::vector<std::string> all;
    std::vector<std::string> of_balances;
  };
  // What is found after `change`, and `more`, which are undone.
  Found After(const std::string& change, const std::string& more = "") {
    Found found;
    const absl::Status undone = database_->Transact([&] {
      // Calls are never changed, but by who has the file.
      database_->session() << (database_->engine() == storage::Engine::kSqlite
                                   ? "DROP TRIGGER calls_stay"
                                   : "DROP TRIGGER calls_stay ON calls");
      database_->session() << change;
      if (!more.empty()) database_->session() << more;
      Ledger& ledger = Ledger::Of(*database_);
      for (const Finding& each : ledger.Verify().findings) found.all.push_back(each.what);
      for (const Finding& each : ledger.VerifyBalances()) found.of_balances.push_back(each.what);
      database_->session() << "SELECT no_such_column FROM accounts";
    });
    EXPECT_FALSE(undone.ok());
    return found;
  }
};

TEST_P(LedgerVerifyContract, EachContradictionIsFound) {
  using testing::ElementsAre;
  using testing::IsEmpty;
  using testing::StartsWith;
  Fill();
  EXPECT_THAT(After("UPDATE accounts SET cash = cash").all, IsEmpty());
  const Found cash = After("UPDATE accounts SET cash = cash + 1");
  EXPECT_THAT(cash.all, ElementsAre("cash is not the sum of its entries: 101 kept, 100 moved"));
  EXPECT_THAT(cash.of_balances, IsEmpty());  // that takes the history
  const Found bonus = After("UPDATE accounts SET bonus = bonus + 11");
  EXPECT_THAT(bonus.all,
              ElementsAre("bonus is not the sum of its entries: 51 kept, 40 moved",
                          "there is more bonus than is left of the grants: 51 kept, 50 left"));
  EXPECT_THAT(bonus.of_balances,
              ElementsAre("there is more bonus than is left of the grants: 51 kept, 50 left"));
  const Found held =
      After("UPDATE open_calls SET held = 141, budget_period = ''", "DELETE FROM key_budgets");
  EXPECT_THAT(held.all, ElementsAre("more is held than there is: 141 of 140"));
  EXPECT_EQ(held.of_balances, held.all);
  EXPECT_THAT(After("UPDATE calls SET cost = 11, charged = 11").all,
              ElementsAre("cash is not the sum of its entries: 100 kept, 99 moved"));
  EXPECT_THAT(After("UPDATE calls SET from_bonus = 9").all,
              ElementsAre("cash is not the sum of its entries: 100 kept, 99 moved",
                          "bonus is not the sum of its entries: 40 kept, 41 moved"));
  EXPECT_THAT(After("UPDATE calls SET state = 'voided'").all,
              ElementsAre("a call that was not posted was charged: call a"));
  EXPECT_THAT(After("UPDATE open_calls SET request_id = 'a'").all,
              ElementsAre("a call runs that was charged: call a"));
  EXPECT_THAT(After("UPDATE calls SET previous = 7").all,
              ElementsAre("the calls of a tenant are no chain: call a"));
  EXPECT_THAT(After("UPDATE calls SET latest = latest - 1").all,
              ElementsAre("the calls of a tenant are no chain: call a"));
  EXPECT_THAT(After("UPDATE accounts SET last_call = 0").all,
              ElementsAre("the last call of an account is another: 0"));
  EXPECT_THAT(After("UPDATE accounts SET latest_transfer = 0").all,
              ElementsAre(StartsWith("the last transfer of an account is another")));
  EXPECT_THAT(After("INSERT INTO transfers (id, tenant, kind, debit, credit, amount, created_at, "
                    "previous, latest, last_call) VALUES (1000, 'acme', 'x', 'a', 'b', 1, 0, 0, 0, "
                    "7)")
                  .all,
              ElementsAre(StartsWith("the transfers of a tenant are no chain"),
                          StartsWith("the last transfer of an account is another"),
                          "the last call before a transfer is another: transfer 1000"));
  const std::string insert =
      "INSERT INTO transfers (id, tenant, kind, debit, credit, amount, created_at, previous, "
      "latest, last_call) SELECT id + 1, 'acme', 'x', 'a', 'b', 1, 0, 0, 0, ";
  EXPECT_THAT(After(insert + "NULL FROM calls").all,
              testing::IsSupersetOf({StartsWith("the last call before a transfer is another"),
                                     StartsWith("a transfer has the number of a call's entry")}));
  EXPECT_THAT(After("UPDATE key_budgets SET spent = spent + 2, held = held + 1").all,
              ElementsAre("the budget of a key is not what its calls were charged and hold: key "
                          "key in 2024-06-27, 2 spent too much, 1 held too much"));
  EXPECT_THAT(After("UPDATE open_calls SET tenant = 'nobody', budget_period = ''",
                    "DELETE FROM key_budgets")
                  .all,
              ElementsAre("a call or a transfer is of no account: 1"));
}

TEST_P(LedgerVerifyContract, EntriesAreNeverChanged) {
  Fill();
  for (const char* change : {"UPDATE calls SET cost = cost + 1", "DELETE FROM calls",
                             "UPDATE transfers SET amount = 1", "DELETE FROM transfers"}) {
    const absl::Status refused = database_->Transact([&] { database_->session() << change; });
    EXPECT_THAT(refused.ToString(), testing::HasSubstr("are never")) << change;
  }
}

TEST_P(LedgerVerifyContract, ThereAreNoMoreFindingsThanMayBe) {
  for (int i = 0; i <= kFindingsMax; ++i) OpenAccount("t" + std::to_string(i), /*cash=*/1);
  EXPECT_EQ(After("UPDATE accounts SET cash = cash + 1").all.size(), size_t{kFindingsMax});
}

TEST_P(LedgerVerifyContract, AHoldWhoseProcessIsSilentIsFound) {
  Fill();
  const auto found = [&](absl::Time dead_before) {
    std::vector<Finding> findings;
    Do([&](Ledger& ledger) { findings = ledger.Verify(dead_before).findings; });
    return findings;
  };
  EXPECT_TRUE(found(now_).empty());
  const std::vector<Finding> findings = found(now_ + absl::Microseconds(1));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].tenant, kAcme);
  EXPECT_EQ(findings[0].what, "the process of a hold was not heard of: call b");
  Do([&](Ledger& ledger) { ledger.SeeOwner("me", now_ + absl::Minutes(1)); });
  EXPECT_TRUE(found(now_ + absl::Microseconds(1)).empty());
}

}  // namespace pingti::billing
