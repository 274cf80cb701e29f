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
  // An account with cash and bonus, a call that was charged from the bonus, and one that holds.
  void Fill() {
    OpenAccount(kAcme, /*cash=*/100, /*bonus=*/50);
    Hold(Request("a", 20));
    End(EndOf("a", 10));
    Hold(Request("b", 30));
  }
  struct Found {
    std::vector<std::string> all;
    std::vector<std::string> of_balances;
  };
  // What is found after `change`, which is undone.
  Found After(const std::string& change) {
    Found found;
    const absl::Status undone = database_->Transact([&] {
      database_->session() << change;
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
  Fill();
  EXPECT_THAT(After("UPDATE accounts SET held = held").all, IsEmpty());
  const Found cash = After("UPDATE accounts SET cash = cash + 1");
  EXPECT_THAT(cash.all, ElementsAre("cash is not the sum of its transfers: 101 kept, 100 moved"));
  EXPECT_THAT(cash.of_balances, IsEmpty());  // that takes the history
  const Found bonus = After("UPDATE accounts SET bonus = bonus + 1");
  EXPECT_THAT(bonus.all, ElementsAre("bonus is not the sum of its transfers: 41 kept, 40 moved",
                                     "bonus is not what is left of the grants: 41 kept, 40 left"));
  EXPECT_THAT(bonus.of_balances,
              ElementsAre("bonus is not what is left of the grants: 41 kept, 40 left"));
  EXPECT_THAT(After("UPDATE grants SET remaining = remaining - 1").all,
              ElementsAre("bonus is not what is left of the grants: 40 kept, 39 left",
                          testing::StartsWith("a grant's rest is not what was taken from it")));
  const Found held = After("UPDATE accounts SET held = held + 1");
  EXPECT_THAT(held.all, ElementsAre("held is not the sum of the open holds: 31 kept, 30 open"));
  EXPECT_EQ(held.of_balances, held.all);
  EXPECT_THAT(After("UPDATE calls SET cost = cost + 1 WHERE request_id = 'a'").all,
              ElementsAre("a call's charge is not the sum of its transfers: call a"));
  EXPECT_THAT(After("UPDATE calls SET state = 'voided' WHERE request_id = 'a'").all,
              ElementsAre(testing::StartsWith("a charge has no posted call"),
                          "a call that was not posted was charged: call a"));
  EXPECT_THAT(After("INSERT INTO key_budgets (tenant, key_id, period, spent, held) VALUES "
                    "('acme', 'k', '2024-06', 1, 0)")
                  .all,
              ElementsAre(testing::StartsWith("the budget of a key is not what its calls")));
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
