// Of the ledger's contract: what is asked about the past, and pages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/contract/ledger_fixture.h"

namespace pingti::billing {

TEST_P(LedgerContract, ABalanceOfThePastIsWhatTheTransfersSay) {
  OpenAccount(kAcme, 100, /*bonus=*/7);
  const absl::Time opened = now_;
  now_ += absl::Hours(1);
  Hold(Request("a", 20));
  End(EndOf("a", 9));
  Hold(Request("b", 20));
  const auto at = [&](absl::Time time) {
    std::optional<Balance> balance;
    Do([&](Ledger& ledger) { balance = ledger.GetBalanceAt(kAcme, time); });
    return balance.value_or(Balance{.cash = -1});
  };
  EXPECT_EQ(at(opened), Balance());  // just before
  EXPECT_EQ(at(opened + absl::Microseconds(1)), (Balance{.cash = 100, .bonus = 7}));
  EXPECT_EQ(at(now_), (Balance{.cash = 100, .bonus = 7}));
  EXPECT_EQ(at(absl::InfiniteFuture()), (Balance{.cash = 98, .bonus = 0}));
  Do([&](Ledger& ledger) { EXPECT_FALSE(ledger.GetBalanceAt("nobody", now_)); });
}

TEST_P(LedgerContract, TransfersOfATimeAKindAndATenant) {
  OpenAccount(kAcme, 100);
  now_ += absl::Hours(1);
  OpenAccount("duck", 50, /*bonus=*/5);
  const absl::Time opened = now_ - absl::Hours(1);
  EXPECT_EQ(Transfers().size(), 3u);
  EXPECT_EQ(Transfers({.from = now_}).size(), 2u);
  EXPECT_EQ(Transfers({.until = now_}).size(), 1u);
  EXPECT_EQ(Transfers({.from = opened, .until = now_}).at(0).tenant, kAcme);
  EXPECT_EQ(Transfers({.tenant = "duck", .kind = "newcomer"}).at(0).nano, 5);
  EXPECT_EQ(Transfers({.tenant = kAcme, .from = now_}).size(), 0u);
}

TEST_P(LedgerContract, UsageGoesOnBehindARow) {
  OpenAccount(kAcme, 1'000);
  OpenAccount("duck", 1'000);
  int number = 0;
  const auto call = [&](const std::string& tenant, const std::string& key,
                        const std::string& model) {
    const std::string id = std::to_string(++number);
    HoldRequest request = Request(id, 1);
    request.tenant = tenant;
    request.key_id = key;
    request.model = model;
    Hold(request);
    CallEnd end = EndOf(id, 1);
    end.tenant = tenant;
    End(end);
  };
  call(kAcme, "k1", "a");
  call(kAcme, "k1", "b/c");
  call(kAcme, "k2", "a");
  call("duck", "k0", "z");
  now_ += absl::Hours(24);
  call(kAcme, "k1", "a");

  const auto pages = [&](const std::string& tenant) {
    std::vector<std::string> names;
    UsageFilter filter{.tenant = tenant, .limit = 1};
    for (int page = 0; page < 10; ++page) {
      std::vector<UsageRow> rows;
      Do([&](Ledger& ledger) { rows = ledger.SumUsage(filter); });
      if (rows.empty()) break;
      const UsageRow& row = rows.at(0);
      EXPECT_EQ(rows.size(), 1u);
      names.push_back(row.day.substr(8) + " " + row.tenant + " " + row.key_id + " " + row.model);
      const absl::CivilDay day = absl::CivilDay(2024, 6, std::stoi(row.day.substr(8)));
      filter.after = UsageKey{day, row.tenant, row.key_id, row.model};
    }
    return names;
  };
  EXPECT_EQ(pages(""), (std::vector<std::string>{"27 acme k1 a", "27 acme k1 b/c", "27 acme k2 a",
                                                 "27 duck k0 z", "28 acme k1 a"}));
  EXPECT_EQ(pages("duck"), std::vector<std::string>{"27 duck k0 z"});
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

// One that was paid from bonus and from cash, and cost more than there was.
TEST_P(LedgerContract, EachEntryOfACallIsOnceInAList) {
  OpenAccount(kAcme, /*cash=*/20, /*bonus=*/10);
  Hold(Request("a", 30));
  End(EndOf("a", 34));
  for (const char* tenant : {kAcme, ""}) {
    std::vector<std::pair<std::string, int64_t>> found;
    TransferFilter filter{.tenant = tenant, .limit = 1};
    for (std::vector<Transfer> page; !(page = Transfers(filter)).empty();) {
      found.emplace_back(page[0].debit, page[0].nano);
      EXPECT_LT(page[0].id, filter.before_id == 0 ? INT64_MAX : filter.before_id);
      filter.before_id = page[0].id;
    }
    EXPECT_EQ(found,
              (std::vector<std::pair<std::string, int64_t>>{
                  {kUncovered, 4}, {kCash, 20}, {kBonus, 10}, {kTopUps, 20}, {kBonuses, 10}}));
  }
  Do([&](Ledger& ledger) { EXPECT_EQ(ledger.Verify().transfers, 5); });
}

// Also behind an entry of another tenant, or of none, and where a filter lets few through.
TEST_P(LedgerContract, AListGoesOnBehindAnyNumber) {
  OpenAccount(kAcme, 100);
  OpenAccount("duck", 100);
  for (int i = 0; i < 20; ++i) {
    HoldRequest request = Request(std::to_string(i), 1);
    CallEnd end = EndOf(request.request_id, 1);
    if (i % 2 == 1) request.tenant = end.tenant = "duck";
    Hold(request);
    End(end);
  }
  const std::vector<Transfer> all = Transfers({.tenant = ""});
  ASSERT_EQ(all.size(), 22u);
  for (int64_t before = 1; before <= all[0].id + 1; ++before) {
    for (const char* tenant : {kAcme, "duck", ""}) {
      for (const char* kind : {"", "charge", "top-up"}) {
        std::vector<int64_t> expected;
        for (const Transfer& each : all) {
          if (each.id < before && (*tenant == 0 || each.tenant == tenant) &&
              (*kind == 0 || each.kind == kind)) {
            expected.push_back(each.id);
          }
        }
        std::vector<int64_t> found;
        TransferFilter filter{.tenant = tenant, .kind = kind, .before_id = before, .limit = 3};
        for (std::vector<Transfer> page; !(page = Transfers(filter)).empty();) {
          for (const Transfer& each : page) found.push_back(each.id);
          filter.before_id = found.back();
        }
        EXPECT_EQ(found, expected) << before << " " << tenant << " " << kind;
      }
    }
  }
}

TEST_P(LedgerContract, AClockThatStepsBackMovesNoMoney) {
  OpenAccount(kAcme, 100);
  const auto call = [&](const std::string& id, int64_t cost, int seconds) {
    Hold(Request(id, 10));
    CallEnd end = EndOf(id, cost);
    end.at = now_ + absl::Seconds(seconds);
    End(end);
  };
  call("a", 1, 20);
  call("b", 2, 5);
  call("c", 4, -30);  // before it began
  call("d", 8, 10);
  const auto cash_at = [&](int seconds) {
    int64_t cash = 0;
    Do([&](Ledger& ledger) {
      cash = ledger.GetBalanceAt(kAcme, now_ + absl::Seconds(seconds))->cash;
    });
    return cash;
  };
  EXPECT_EQ(cash_at(21), 85);
  EXPECT_EQ(cash_at(20), 86);
  EXPECT_EQ(cash_at(10), 94);
  EXPECT_EQ(cash_at(5), 96);
  EXPECT_EQ(Transfers({.tenant = kAcme, .from = now_ + absl::Seconds(10)}).size(), 2u);
}

}  // namespace pingti::billing
