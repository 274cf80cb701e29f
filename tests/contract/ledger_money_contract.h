// Money by hand, bonus, and what people ask of the ledger. Part of ledger_contract.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/contract/ledger_fixture.h"

namespace pingti::billing {

TEST_P(LedgerContract, BonusIsSpentBeforeCashOldestFirst) {
  OpenAccount(kAcme, 0, /*bonus=*/30);
  Do([&](Ledger& ledger) {
    const TopUpReply reply = ledger.Add(
        {.tenant = kAcme, .nano = 101, .reference = "t1", .actor = "a", .reason = "", .at = now_},
        {.bonus_percent = 50});
    EXPECT_EQ(reply.bonus, 50);  // rounded down
    EXPECT_EQ(reply.balance, (Balance{.cash = 101, .bonus = 80, .held = 0}));
  });
  Hold(Request("a", 100));
  EXPECT_EQ(End(EndOf("a", 90)).balance, (Balance{.cash = 91, .bonus = 0, .held = 0}));
  const std::vector<Transfer> charges = Transfers({.tenant = kAcme, .kind = "charge"});
  ASSERT_EQ(charges.size(), 2u);  // newest first
  EXPECT_EQ(charges[1].debit, kBonus);
  EXPECT_EQ(charges[1].nano, 80);
  EXPECT_EQ(charges[0].debit, kCash);
  EXPECT_EQ(charges[0].nano, 10);
}

TEST_P(LedgerContract, OfTwoBonusesTheOlderIsSpentFirst) {
  // The second one expires, the first does not.
  OpenAccount(kAcme, 0, /*bonus=*/30);
  Do([&](Ledger& ledger) {
    ledger.Add(
        {.tenant = kAcme, .nano = 1, .reference = "t1", .actor = "", .reason = "", .at = now_},
        {.bonus_percent = 5'000, .bonus_lifetime = absl::Hours(24)});
  });
  Hold(Request("a", 40));
  End(EndOf("a", 40));
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 1, .bonus = 40, .held = 0}));
  const auto expire = [&](absl::Time at) {
    int64_t expired = 0;
    Do([&](Ledger& ledger) { expired = ledger.ExpireBonus(at); });
    return expired;
  };
  EXPECT_EQ(expire(now_ + absl::Hours(24)), 40);  // of 50, 10 were spent after the 30 of the first
  EXPECT_EQ(expire(now_ + absl::Hours(48)), 0);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 1, .bonus = 0, .held = 0}));
}

TEST_P(LedgerContract, BonusExpiresButNotWhatCallsHold) {
  const Plan plan{.newcomer_bonus = 100, .bonus_lifetime = absl::Hours(24)};
  Do([&](Ledger& ledger) { EXPECT_TRUE(ledger.OpenAccount(kAcme, plan, now_)); });
  Hold(Request("a", 30));
  const auto expire = [&](absl::Time at) {
    int64_t expired = 0;
    Do([&](Ledger& ledger) { expired = ledger.ExpireBonus(at); });
    return expired;
  };
  EXPECT_EQ(expire(now_ + absl::Hours(24) - absl::Microseconds(1)), 0);
  EXPECT_EQ(expire(now_ + absl::Hours(24)), 70);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 0, .bonus = 30, .held = 30}));
  End(EndOf("a", 20));
  EXPECT_EQ(expire(now_ + absl::Hours(25)), 10);
  EXPECT_EQ(BalanceOf(kAcme), Balance{});
}

TEST_P(LedgerContract, ANewcomerGetsItsBonusOnce) {
  const Plan plan{.newcomer_bonus = 100};
  Do([&](Ledger& ledger) { EXPECT_TRUE(ledger.OpenAccount(kAcme, plan, now_)); });
  Do([&](Ledger& ledger) { EXPECT_FALSE(ledger.OpenAccount(kAcme, plan, now_)); });
  EXPECT_EQ(BalanceOf(kAcme).bonus, 100);
}

TEST_P(LedgerContract, ATopUpWithTheSameReferenceCountsOnce) {
  OpenAccount(kAcme, 0);
  const auto add = [&](int64_t nano) {
    TopUpReply reply;
    Do([&](Ledger& ledger) {
      reply = ledger.Add({.tenant = kAcme,
                          .nano = nano,
                          .reference = "invoice 7",
                          .actor = "a",
                          .reason = "",
                          .at = now_},
                         {.bonus_percent = 50});
    });
    return reply;
  };
  EXPECT_EQ(add(100).verdict, TopUpReply::Verdict::kDone);
  const TopUpReply again = add(100);
  EXPECT_EQ(again.verdict, TopUpReply::Verdict::kDoneBefore);
  EXPECT_EQ(again.bonus, 50);
  EXPECT_EQ(add(200).verdict, TopUpReply::Verdict::kOtherAmount);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 100, .bonus = 50, .held = 0}));
}

TEST_P(LedgerContract, WhatIsTakenBackIsThereAndNotHeld) {
  OpenAccount(kAcme, 100, /*bonus=*/50);
  Hold(Request("a", 120));
  const auto adjust = [&](int64_t nano, const std::string& reference, bool refund) {
    TopUpReply reply;
    Do([&](Ledger& ledger) {
      reply = ledger.Adjust({.tenant = kAcme,
                             .nano = nano,
                             .refund = refund,
                             .reference = reference,
                             .reason = "asked for",
                             .actor = "a",
                             .at = now_});
    });
    return reply.verdict;
  };
  EXPECT_EQ(adjust(-31, "r1", true), TopUpReply::Verdict::kTooLittle);
  EXPECT_EQ(adjust(-30, "r1", true), TopUpReply::Verdict::kDone);
  EXPECT_EQ(adjust(-30, "r1", true), TopUpReply::Verdict::kDoneBefore);
  EXPECT_EQ(adjust(5, "r2", false), TopUpReply::Verdict::kDone);
  End(VoidOf("a"));
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 75, .bonus = 50, .held = 0}));
  EXPECT_EQ(adjust(-76, "r3", true), TopUpReply::Verdict::kTooLittle);  // bonus is never paid out
}

TEST_P(LedgerContract, UsageIsSummedByDayKeyAndModel) {
  OpenAccount(kAcme, 1'000);
  for (int i = 0; i < 3; ++i) {
    const std::string id = std::to_string(i);
    HoldRequest request = Request(id, 10);
    if (i == 2) request.at = now_ + absl::Hours(24);
    Hold(request);
    CallEnd end = EndOf(id, 10 + i);
    end.would_have_cost = 100;
    End(end);
  }
  std::vector<UsageRow> rows;
  Do([&](Ledger& ledger) { rows = ledger.SumUsage({.tenant = kAcme}); });
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].day, "2024-06-27");
  EXPECT_EQ(rows[0].calls, 2);
  EXPECT_EQ(rows[0].input_tokens, 20);
  EXPECT_EQ(rows[0].charged, 21);
  EXPECT_EQ(rows[0].would_have_cost, 200);
  EXPECT_EQ(rows[1].day, "2024-06-28");
  Do([&](Ledger& ledger) {
    rows = ledger.SumUsage({.tenant = kAcme, .from = now_ + absl::Hours(24)});
  });
  EXPECT_EQ(rows.size(), 1u);
}

TEST_P(LedgerContract, WhatWasUndoneTakesNoNumbers) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 10));
  Hold(Request("b", 10));
  const absl::Status undone = database_->Transact([&] {
    Ledger::Of(*database_).End(EndOf("a", 1));
    Ledger::Of(*database_).NoteDelivered(EndOf("b", -1));  // breaks a constraint
  });
  EXPECT_FALSE(undone.ok());
  End(EndOf("b", 2));
  End(EndOf("a", 3));
  const std::vector<Transfer> charges = Transfers({.tenant = kAcme, .kind = "charge"});
  ASSERT_EQ(charges.size(), 2u);
  EXPECT_EQ(charges[0].nano, 3);
  EXPECT_GT(charges[0].id, charges[1].id);
}

TEST_P(LedgerContract, TheNextProcessFindsAllOfIt) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 10));
  End(EndOf("a", 4));
  database_.reset();
  database_ = Connect();
  EXPECT_EQ(BalanceOf(kAcme).cash, 96);
  absl::Status other;
  Do([&](Ledger& ledger) { other = ledger.CheckCurrency("USD"); });
  EXPECT_TRUE(absl::IsFailedPrecondition(other)) << other;
}

TEST_P(LedgerContract, AMistakeOfOursIsUndoneAsAWhole) {
  OpenAccount(kAcme, 100);
  const absl::Status status = database_->Transact([&] {
    Ledger& ledger = Ledger::Of(*database_);
    ledger.Hold(Request("a", 10));
    HoldRequest wrong = Request("b", 10);
    wrong.model.clear();
    ledger.NoteDelivered(EndOf("a", -1));  // breaks a constraint
  });
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 100, .bonus = 0, .held = 0}));
}

}  // namespace pingti::billing
