// Budgets of API keys. Part of ledger_contract.h.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/contract/ledger_fixture.h"

namespace pingti::billing {

inline constexpr char kToday[] = "2024-06-27";

// A call of `key`, whose budget is 100.
inline HoldRequest WithBudget(HoldRequest request, const std::string& key = "key",
                              const std::string& period = kToday) {
  request.key_id = key;
  request.budget = {.nano = 100, .period = period};
  return request;
}

TEST_P(LedgerContract, AKeyHoldsItsBudgetUpToTheLastNano) {
  OpenAccount(kAcme, 1'000);
  EXPECT_EQ(Hold(WithBudget(Request("a", 60))).budget, (BudgetUse{.spent = 0, .held = 60}));
  const HoldReply over = Hold(WithBudget(Request("b", 41)));
  EXPECT_EQ(over.verdict, HoldVerdict::kKeyBudgetExhausted);
  EXPECT_EQ(over.budget, (BudgetUse{.spent = 0, .held = 60}));
  EXPECT_EQ(over.balance.available(), 940);
  EXPECT_EQ(Hold(WithBudget(Request("c", 40))).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(Hold(WithBudget(Request("d", 1))).verdict, HoldVerdict::kKeyBudgetExhausted);
  EXPECT_EQ(Hold(WithBudget(Request("e", 0))).verdict, HoldVerdict::kHeld);  // costs nothing
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 1'000, .bonus = 0, .held = 100}));
}

TEST_P(LedgerContract, ABudgetIsOfOneKeyAndOnePeriod) {
  OpenAccount(kAcme, 1'000);
  const auto held = [&](const std::string& id, const std::string& key, const std::string& period) {
    return Hold(WithBudget(Request(id, 70), key, period)).verdict == HoldVerdict::kHeld;
  };
  EXPECT_TRUE(held("a", "key", kToday));
  EXPECT_FALSE(held("b", "key", kToday));
  EXPECT_TRUE(held("c", "other", kToday));
  EXPECT_TRUE(held("d", "key", "2024-06-28"));
  EXPECT_TRUE(held("e", "key", "2024-06"));
  // A key without a budget takes as much as the tenant has.
  EXPECT_EQ(Hold(Request("f", 500)).budget, std::nullopt);
  EXPECT_EQ(BalanceOf(kAcme).held, 4 * 70 + 500);
}

TEST_P(LedgerContract, ABudgetIsSpentByWhatCallsWereCharged) {
  OpenAccount(kAcme, 1'000);
  Hold(WithBudget(Request("a", 60)));
  End(EndOf("a", 25));
  Hold(WithBudget(Request("b", 70)));
  End(VoidOf("b"));
  EXPECT_EQ(Hold(WithBudget(Request("c", 75))).budget, (BudgetUse{.spent = 25, .held = 75}));
  // A call that cost more than its hold is charged all of it, also past the budget.
  EXPECT_EQ(End(EndOf("c", 90)).charged, 90);
  EXPECT_EQ(Hold(WithBudget(Request("d", 1))).budget, (BudgetUse{.spent = 115, .held = 0}));
  EXPECT_EQ(Hold(WithBudget(Request("e", 0))).verdict, HoldVerdict::kHeld);
  // What the tenant could not pay is not of the budget.
  OpenAccount("poor", 10);
  HoldRequest poor = WithBudget(Request("a", 10));
  poor.tenant = "poor";
  Hold(poor);
  CallEnd end = EndOf("a", 30);
  end.tenant = "poor";
  EXPECT_EQ(End(end).charged, 10);
  poor.request_id = "b";
  EXPECT_EQ(Hold(poor).verdict, HoldVerdict::kBalanceTooLow);
  poor.nano = 0;
  EXPECT_EQ(Hold(poor).budget, (BudgetUse{.spent = 10, .held = 0}));
}

TEST_P(LedgerContract, TheSameRequestTakesItsBudgetOnce) {
  OpenAccount(kAcme, 1'000);
  const HoldRequest request = WithBudget(Request("a", 60));
  EXPECT_EQ(Hold(request).verdict, HoldVerdict::kHeld);
  // Its reply was lost, and what it wrote is found again: also where no second hold would fit.
  EXPECT_EQ(Hold(request).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(Hold(WithBudget(Request("a", 30, /*token=*/2))).verdict, HoldVerdict::kIdInUse);
  EXPECT_EQ(Hold(WithBudget(Request("b", 30))).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(Hold(WithBudget(Request("b", 30))).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(Hold(WithBudget(Request("c", 11))).budget, (BudgetUse{.spent = 0, .held = 90}));
  // An end that is said twice counts once.
  End(EndOf("a", 50));
  End(EndOf("a", 50));
  EXPECT_EQ(Hold(WithBudget(Request("c", 21))).budget, (BudgetUse{.spent = 50, .held = 30}));
}

TEST_P(LedgerContract, ARequestThatIsServedAgainTakesTheBudgetOfItsNewPeriod) {
  OpenAccount(kAcme, 1'000);
  Hold(WithBudget(Request("a", 60)));
  End(VoidOf("a"));
  EXPECT_EQ(Hold(WithBudget(Request("a", 101, 2))).verdict, HoldVerdict::kKeyBudgetExhausted);
  EXPECT_EQ(Hold(WithBudget(Request("a", 80, 2), "key", "2024-06-28")).budget,
            (BudgetUse{.spent = 0, .held = 80}));
  EXPECT_EQ(Hold(WithBudget(Request("b", 100))).verdict, HoldVerdict::kHeld);
  End(EndOf("a", 70, 2));
  EXPECT_EQ(Hold(WithBudget(Request("c", 31), "key", "2024-06-28")).budget,
            (BudgetUse{.spent = 70, .held = 0}));
}

TEST_P(LedgerContract, AHoldGrowsWithinTheBudget) {
  OpenAccount(kAcme, 1'000);
  const HoldRequest request = WithBudget(Request("a", 10));
  Hold(request);
  Hold(WithBudget(Request("b", 20)));
  const auto grow = [&](int64_t nano) {
    HoldReply reply;
    Do([&](Ledger& ledger) { reply = ledger.GrowHold(request, nano); });
    return reply;
  };
  EXPECT_EQ(grow(80).budget, (BudgetUse{.spent = 0, .held = 100}));
  EXPECT_EQ(grow(80).verdict, HoldVerdict::kHeld);  // again, after a lost reply
  const HoldReply over = grow(81);
  EXPECT_EQ(over.verdict, HoldVerdict::kKeyBudgetExhausted);
  EXPECT_EQ(over.budget, (BudgetUse{.spent = 0, .held = 100}));
  EXPECT_EQ(BalanceOf(kAcme).held, 100);
  End(EndOf("b", 0));
  EXPECT_EQ(grow(100).verdict, HoldVerdict::kHeld);
  End(EndOf("a", 99));
  EXPECT_EQ(Hold(WithBudget(Request("c", 1))).budget, (BudgetUse{.spent = 99, .held = 1}));
}

TEST_P(LedgerContract, HundredSixtyHoldsOfSevenOnABudgetOfAHundredGiveExactlyFourteen) {
  OpenAccount(kAcme, 10'000);
  EXPECT_EQ(HoldAtOnce(160, [this](const std::string& id) { return WithBudget(Request(id, 7)); }),
            14);
  EXPECT_EQ(BalanceOf(kAcme).held, 98);
  EXPECT_EQ(Hold(WithBudget(Request("last", 2))).budget, (BudgetUse{.spent = 0, .held = 100}));
}

TEST_P(LedgerContract, CallsOfOneTransactionShareABudget) {
  OpenAccount(kAcme, 1'000);
  int held = 0;
  Do([&](Ledger& ledger) {
    for (int i = 0; i < 20; ++i) {
      const std::string id = "r" + std::to_string(i);
      if (ledger.Hold(WithBudget(Request(id, 30))).verdict != HoldVerdict::kHeld) continue;
      ++held;
      if (held == 1) ledger.End(EndOf(id, 10));
    }
  });
  EXPECT_EQ(held, 4);  // the first has cost 10, the others hold 90
}

TEST_P(LedgerContract, TheBudgetOfADeadOwnersCallsComesBack) {
  OpenAccount(kAcme, 1'000);
  HoldRequest silent = WithBudget(Request("silent", 20));
  HoldRequest talking = WithBudget(Request("talking", 30));
  silent.owner = talking.owner = "dead";
  Do([&](Ledger& ledger) { ledger.SeeOwner("dead", now_ - absl::Minutes(2)); });
  Hold(silent);
  Hold(talking);
  Do([&](Ledger& ledger) { ledger.NoteDelivered(EndOf("talking", 12)); });
  Do([&](Ledger& ledger) {
    EXPECT_EQ(ledger.RecoverCalls(now_ - absl::Minutes(1), now_, /*max=*/100), 2);
  });
  EXPECT_EQ(Hold(WithBudget(Request("next", 89))).budget, (BudgetUse{.spent = 12, .held = 0}));
  // It was only slow: what it says now comes too late and changes nothing.
  EXPECT_TRUE(End(EndOf("talking", 15)).late);
  EXPECT_EQ(Hold(WithBudget(Request("next", 88))).budget, (BudgetUse{.spent = 12, .held = 88}));
}

}  // namespace pingti::billing
