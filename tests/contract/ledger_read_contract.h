// Of the ledger's contract: what is asked about the past, and pages.
#pragma once

#include <optional>
#include <string>
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

}  // namespace pingti::billing
