// Holds and charges of calls. Part of ledger_contract.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/contract/ledger_fixture.h"

namespace pingti::billing {

TEST_P(LedgerContract, AHoldIsTakenUpToTheLastNano) {
  OpenAccount(kAcme, 100);
  EXPECT_EQ(Hold(Request("a", 60)).verdict, HoldVerdict::kHeld);
  const HoldReply over = Hold(Request("b", 41));
  EXPECT_EQ(over.verdict, HoldVerdict::kBalanceTooLow);
  EXPECT_EQ(over.balance.available(), 40);
  EXPECT_EQ(Hold(Request("c", 40)).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(Hold(Request("d", 0)).verdict, HoldVerdict::kHeld);  // of a model that costs nothing
  EXPECT_EQ(Hold(Request("e", 1)).verdict, HoldVerdict::kBalanceTooLow);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 100, .bonus = 0, .held = 100}));
}

TEST_P(LedgerContract, WithoutAnAccountNothingIsHeld) {
  HoldRequest request = Request("a", 0);
  request.tenant = "nobody";
  EXPECT_EQ(Hold(request).verdict, HoldVerdict::kNoAccount);
}

TEST_P(LedgerContract, ACallIsChargedWhatItCostAndTheRestIsFreeAgain) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 60));
  const EndReply reply = End(EndOf("a", 25));
  EXPECT_EQ(reply.charged, 25);
  EXPECT_FALSE(reply.late);
  EXPECT_EQ(reply.balance, (Balance{.cash = 75, .bonus = 0, .held = 0}));
  const std::vector<Transfer> all = Transfers({.tenant = kAcme, .kind = "charge"});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].debit, kCash);
  EXPECT_EQ(all[0].credit, kRevenue);
  EXPECT_EQ(all[0].nano, 25);
  EXPECT_EQ(all[0].request_id, "a");
  EXPECT_EQ(all[0].at, now_);
}

TEST_P(LedgerContract, AVoidedCallCostsNothing) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 60));
  EXPECT_EQ(End(VoidOf("a")).charged, 0);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 100, .bonus = 0, .held = 0}));
  EXPECT_TRUE(Transfers({.tenant = kAcme, .kind = "charge"}).empty());
}

TEST_P(LedgerContract, ACallThatCostMoreThanItsHoldTakesWhatIsFreeButNotWhatOthersHold) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 10));
  Hold(Request("b", 50));
  const EndReply reply = End(EndOf("a", 70));
  EXPECT_EQ(reply.charged, 50);  // its own 10 and the 40 that were free
  EXPECT_EQ(reply.balance, (Balance{.cash = 50, .bonus = 0, .held = 50}));
  EXPECT_EQ(End(EndOf("b", 50)).charged, 50);
  EXPECT_EQ(BalanceOf(kAcme), Balance{});
  const std::vector<Transfer> charges = Transfers({.tenant = kAcme, .kind = "charge"});
  ASSERT_EQ(charges.size(), 3u);
  EXPECT_EQ(charges[1].debit, kUncovered);
  EXPECT_EQ(charges[1].nano, 20);
}

TEST_P(LedgerContract, TheSameRequestIsHeldOnce) {
  OpenAccount(kAcme, 100);
  EXPECT_EQ(Hold(Request("a", 60)).verdict, HoldVerdict::kHeld);
  // Its reply was lost, and what it wrote is found again: also where no second hold would fit.
  EXPECT_EQ(Hold(Request("a", 60)).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(BalanceOf(kAcme).held, 60);
  EXPECT_EQ(Hold(Request("b", 30)).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(Hold(Request("b", 30)).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(BalanceOf(kAcme).held, 90);
}

TEST_P(LedgerContract, AnotherRequestWithAnIdThatIsInUseIsRefused) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 10, /*token=*/1));
  EXPECT_EQ(Hold(Request("a", 10, 2)).verdict, HoldVerdict::kIdInUse);
  EXPECT_EQ(Hold(Request("a", 1000, 2)).verdict, HoldVerdict::kIdInUse);
  HoldRequest other = Request("a", 10, 3);
  other.fingerprint = "another body";
  EXPECT_EQ(Hold(other).verdict, HoldVerdict::kIdOfOther);
  End(EndOf("a", 7));
  const HoldReply after = Hold(Request("a", 10, 4));
  EXPECT_EQ(after.verdict, HoldVerdict::kIdInUse);
  EXPECT_EQ(after.charged, 7);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 93, .bonus = 0, .held = 0}));
}

TEST_P(LedgerContract, AnIdThatWasChargedNothingMayBeServedAgain) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 10, 1));
  End(VoidOf("a", 1));
  EXPECT_EQ(Hold(Request("a", 20, 2)).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(BalanceOf(kAcme).held, 20);
  EXPECT_TRUE(End(EndOf("a", 99, 1)).late);  // of the first, which is over
  EXPECT_EQ(End(EndOf("a", 15, 2)).charged, 15);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 85, .bonus = 0, .held = 0}));
}

TEST_P(LedgerContract, ACallEndsOnce) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 10));
  EXPECT_EQ(End(EndOf("a", 7)).charged, 7);
  const EndReply again = End(EndOf("a", 7));
  EXPECT_EQ(again.charged, 7);
  EXPECT_FALSE(again.late);
  EXPECT_EQ(End(VoidOf("a")).charged, 7);
  EXPECT_EQ(BalanceOf(kAcme).cash, 93);
  EXPECT_TRUE(End(EndOf("never held", 5)).late);
}

TEST_P(LedgerContract, WhatWhoEndsACallKnowsOfItsHoldIsNotBelieved) {
  OpenAccount(kAcme, 100);
  const auto end = [&](const std::string& id, uint64_t token, int64_t held) {
    CallEnd known = EndOf(id, 7, token);
    known.hold = std::make_shared<HoldRequest>(Request(id, 10, token));
    known.held = held;
    return End(known);
  };
  for (const char* id : {"a", "b"}) Hold(Request(id, 10));
  const EndReply right = end("a", 1, 10);
  EXPECT_EQ(right.charged, 7);
  EXPECT_EQ(right.held, 10);
  EXPECT_TRUE(end("b", 2, 10).late);  // another's
  const EndReply looked_up = end("b", 1, 50);
  EXPECT_EQ(looked_up.charged, 7);
  EXPECT_EQ(looked_up.held, 10);
  EXPECT_EQ(end("b", 1, 10).charged, 7);  // again
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 86, .bonus = 0, .held = 0}));
}

// Both were in a commit whose reply was lost, and are run again one by one.
TEST_P(LedgerContract, AHoldThatIsRunAgainAfterItsEndHoldsNothing) {
  OpenAccount(kAcme, 100);
  for (const bool post : {true, false}) {
    HoldRequest request = Request(post ? "posted" : "voided", 10);
    request.fingerprint = "";  // the server's own id
    const CallEnd end = post ? EndOf(request.request_id, 7) : VoidOf(request.request_id);
    Hold(request);
    End(end);
    HoldReply again;
    Do([&](Ledger& ledger) { again = ledger.Hold(request, /*again=*/true); });
    EXPECT_EQ(again.verdict, HoldVerdict::kIdInUse);
    EXPECT_EQ(End(end).charged, post ? 7 : 0);
  }
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 93, .bonus = 0, .held = 0}));
}

TEST_P(LedgerContract, ACallWithAnIdOfTheServersIsFoundAfterItsEnd) {
  OpenAccount(kAcme, 100);
  const auto end_of = [&](const std::string& id, int64_t cost) {
    auto hold = std::make_shared<HoldRequest>(Request(id, 10));
    hold->fingerprint = "";
    CallEnd end = EndOf(id, cost);
    end.held = hold->nano;
    end.hold = std::move(hold);
    return end;
  };
  Do([&](Ledger& ledger) {  // in one transaction
    for (const char* id : {"a", "b"}) ledger.Hold(*end_of(id, 0).hold);
    for (const int64_t cost : {3, 4}) {
      EXPECT_EQ(ledger.End(end_of("a", cost)).charged, 3);
      EXPECT_EQ(ledger.End(end_of("b", cost)).charged, 3);
    }
  });
  const EndReply again = End(end_of("a", 5));
  EXPECT_EQ(again.charged, 3);
  EXPECT_FALSE(again.late);
  Hold(*end_of("dead", 0).hold);
  Do([&](Ledger& ledger) {
    EXPECT_EQ(ledger.RecoverCalls(absl::InfiniteFuture(), now_ + absl::Minutes(1), 10), 1);
  });
  EXPECT_TRUE(End(end_of("dead", 5)).late);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 94, .bonus = 0, .held = 0}));
}

TEST_P(LedgerContract, SixteenHundredHoldsOfSevenOnAThousandGiveExactly142) {
  OpenAccount(kAcme, 1'000);
  EXPECT_EQ(HoldAtOnce(1'600, [this](const std::string& id) { return Request(id, 7); }), 142);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 1'000, .bonus = 0, .held = 994}));
}

TEST_P(LedgerContract, AHoldGrowsWhileThereIsMoney) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 10));
  const auto grow = [&](int64_t nano) {
    HoldReply reply;
    Do([&](Ledger& ledger) { reply = ledger.GrowHold(Request("a", 0), nano); });
    return reply.verdict == HoldVerdict::kHeld;
  };
  EXPECT_TRUE(grow(60));
  EXPECT_TRUE(grow(60));  // again, after a lost reply
  EXPECT_TRUE(grow(30));  // it has that
  EXPECT_EQ(BalanceOf(kAcme).held, 60);
  EXPECT_FALSE(grow(101));
  EXPECT_EQ(BalanceOf(kAcme).held, 60);
  End(EndOf("a", 60));
  EXPECT_FALSE(grow(61));
}

TEST_P(LedgerContract, CallsOfADeadOwnerAreEndedByWhatTheyDelivered) {
  OpenAccount(kAcme, 100);
  HoldRequest silent = Request("silent", 20);
  HoldRequest talking = Request("talking", 20);
  silent.owner = talking.owner = "dead";
  Do([&](Ledger& ledger) { ledger.SeeOwner("dead", now_ - absl::Minutes(2)); });
  Hold(silent);
  Hold(talking);
  Hold(Request("alive", 20));
  Do([&](Ledger& ledger) { ledger.NoteDelivered(EndOf("talking", 12)); });
  int64_t ended = 0;
  const auto recover = [&] {
    Do([&](Ledger& ledger) {
      ended = ledger.RecoverCalls(now_ - absl::Minutes(1), now_, /*max=*/100);
    });
  };
  recover();
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 88, .bonus = 0, .held = 20}));
  recover();
  EXPECT_EQ(ended, 0);
  // It was only slow: what it says now comes too late and changes nothing.
  const EndReply late = End(EndOf("talking", 15));
  EXPECT_TRUE(late.late);
  EXPECT_EQ(late.charged, 12);
  EXPECT_EQ(BalanceOf(kAcme).cash, 88);
  EXPECT_EQ(End(EndOf("alive", 1)).charged, 1);
}

}  // namespace pingti::billing
