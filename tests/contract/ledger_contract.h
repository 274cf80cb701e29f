// What the ledger does, whichever engine keeps it: one suite, instantiated by each engine's test.
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerContract, ::testing::Values(&MakeSqliteHarness));
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/base/money.h"
#include "server/billing/ledger.h"
#include "server/storage/database.h"

namespace pingti::billing {

class LedgerHarness {
 public:
  virtual ~LedgerHarness() = default;
  // Of one new, empty database.
  virtual storage::DatabaseOptions options() const = 0;
  // How many connections may be open at once.
  virtual int connections() const = 0;
};

using MakeLedgerHarness = std::unique_ptr<LedgerHarness> (*)();

inline constexpr char kAcme[] = "acme";

class LedgerContract : public ::testing::TestWithParam<MakeLedgerHarness> {
 protected:
  void SetUp() override {
    harness_ = GetParam()();
    database_ = Connect();
    Do([&](Ledger& ledger) {
      ASSERT_TRUE(ledger.CheckCurrency("CNY").ok());
      ledger.SeeOwner("me", now_);
    });
  }
  void TearDown() override {
    if (database_ == nullptr) return;
    Do([&](Ledger& ledger) {
      for (const Finding& finding : ledger.Verify().findings) {
        ADD_FAILURE() << finding.tenant << ": " << finding.what;
      }
    });
  }

  std::unique_ptr<storage::Database> Connect() {
    absl::StatusOr<std::unique_ptr<storage::Database>> opened =
        storage::Database::Open(harness_->options());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  static void DoWith(storage::Database& database, const std::function<void(Ledger&)>& work) {
    const absl::Status status = database.Transact([&] { work(Ledger::Of(database)); });
    EXPECT_TRUE(status.ok()) << status;
  }
  void Do(const std::function<void(Ledger&)>& work) { DoWith(*database_, work); }

  void OpenAccount(const std::string& tenant, int64_t cash, int64_t bonus = 0) {
    Do([&](Ledger& ledger) {
      EXPECT_TRUE(ledger.OpenAccount(tenant, {.newcomer_bonus = bonus}, now_));
      if (cash == 0) return;
      ledger.Add({.tenant = tenant,
                  .nano = cash,
                  .reference = "first",
                  .actor = "test",
                  .reason = "",
                  .at = now_},
                 {});
    });
  }
  HoldRequest Request(const std::string& id, int64_t nano, uint64_t token = 1) const {
    HoldRequest request;
    request.tenant = kAcme;
    request.request_id = id;
    request.token = token;
    request.fingerprint = "f";
    request.owner = "me";
    request.key_id = "key";
    request.model = "gpt-4o";
    request.nano = nano;
    request.at = now_;
    return request;
  }
  HoldReply Hold(const HoldRequest& request) {
    HoldReply reply;
    Do([&](Ledger& ledger) { reply = ledger.Hold(request); });
    return reply;
  }
  CallEnd EndOf(const std::string& id, int64_t cost, uint64_t token = 1) const {
    CallEnd end;
    end.tenant = kAcme;
    end.request_id = id;
    end.token = token;
    end.post = true;
    end.cost = cost;
    end.price = "yi-large@2024-06-01";
    end.result = "OK";
    end.provider = "yi";
    end.upstream_model = "yi-large";
    end.usage = {.input_tokens = 10, .output_tokens = 5, .source = model::UsageSource::kMeasured};
    end.at = now_;
    return end;
  }
  CallEnd VoidOf(const std::string& id, uint64_t token = 1) const {
    CallEnd end = EndOf(id, 0, token);
    end.post = false;
    end.usage = {};
    return end;
  }
  EndReply End(const CallEnd& end) {
    EndReply reply;
    Do([&](Ledger& ledger) { reply = ledger.End(end); });
    return reply;
  }
  Balance BalanceOf(const std::string& tenant) {
    Balance balance;
    Do([&](Ledger& ledger) { balance = ledger.GetBalance(tenant).value_or(Balance{.cash = -1}); });
    return balance;
  }
  std::vector<Transfer> Transfers(const TransferFilter& filter = {}) {
    std::vector<Transfer> all;
    Do([&](Ledger& ledger) { all = ledger.ListTransfers(filter); });
    return all;
  }

  std::unique_ptr<LedgerHarness> harness_;
  std::unique_ptr<storage::Database> database_;
  absl::Time now_ = absl::FromUnixSeconds(1'719'446'400);  // 2024-06-27
};

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

TEST_P(LedgerContract, SixteenHundredHoldsOfSevenOnAThousandGiveExactly142) {
  OpenAccount(kAcme, 1'000);
  constexpr int kTries = 1'600;
  std::atomic<int> held{0};
  const auto some = [&](storage::Database& database, int first, int step) {
    for (int i = first; i < kTries; i += step) {
      HoldReply reply;
      absl::Status status;
      do {
        status = database.Transact(
            [&] { reply = Ledger::Of(database).Hold(Request("r" + std::to_string(i), 7)); });
      } while (absl::IsAborted(status));
      ASSERT_TRUE(status.ok()) << status;
      if (reply.verdict == HoldVerdict::kHeld) ++held;
    }
  };
  const int many = harness_->connections();
  std::vector<std::unique_ptr<storage::Database>> others;
  for (int i = 1; i < many; ++i) others.push_back(Connect());
  std::vector<std::thread> threads;
  for (int i = 1; i < many; ++i) {
    threads.emplace_back([&, i] { some(*others[static_cast<size_t>(i) - 1], i, many); });
  }
  some(*database_, 0, many);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(held, 142);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 1'000, .bonus = 0, .held = 994}));
}

TEST_P(LedgerContract, AHoldGrowsWhileThereIsMoney) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 10));
  const auto grow = [&](int64_t nano) {
    bool grown = false;
    Do([&](Ledger& ledger) { grown = ledger.GrowHold(kAcme, "a", nano); });
    return grown;
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
  ASSERT_EQ(charges.size(), 3u);  // newest first
  EXPECT_EQ(charges[2].debit, kBonus);
  EXPECT_EQ(charges[2].nano, 30);
  EXPECT_EQ(charges[1].debit, kBonus);
  EXPECT_EQ(charges[1].nano, 50);
  EXPECT_EQ(charges[0].debit, kCash);
  EXPECT_EQ(charges[0].nano, 10);
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

TEST_P(LedgerContract, TransfersArePagedFromTheNewest) {
  OpenAccount(kAcme, 100);
  for (int i = 0; i < 5; ++i) {
    Hold(Request(std::to_string(i), 1));
    End(EndOf(std::to_string(i), 1));
  }
  const std::vector<Transfer> first = Transfers({.tenant = kAcme, .limit = 4});
  ASSERT_EQ(first.size(), 4u);
  EXPECT_EQ(first[0].request_id, "4");
  const std::vector<Transfer> rest =
      Transfers({.tenant = kAcme, .before_id = first.back().id, .limit = 4});
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest.back().kind, "top-up");
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
