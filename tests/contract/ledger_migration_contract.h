// That a ledger of the schema before this one keeps its money, and goes on.
#pragma once

#include <gmock/gmock.h>
#include <soci/soci.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/contract/ledger_verify_contract.h"

namespace pingti::billing {

class LedgerMigrationContract : public LedgerVerifyContract {
 protected:
  // A database as step 4 has left it, with money, calls in each state and a call that runs, which
  // is then opened by this program. Times count up from 1,000; `b` ended after `a` but began before
  // it.
  void SetUp() override {
    harness_ = GetParam()();
    storage::DatabaseOptions old = harness_->options();
    old.last_step = 4;
    const auto opened = storage::Database::Open(old);
    ASSERT_TRUE(opened.ok()) << opened.status();
    const absl::Status filled = (*opened)->Transact([&] {
      for (const char* statement : kOldRows) (*opened)->session() << statement;
    });
    ASSERT_TRUE(filled.ok()) << filled;
  }
  void Migrate() {
    database_ = Connect();
    ASSERT_NE(database_, nullptr);
  }

 private:
  static constexpr const char* kOldRows[] = {
      "INSERT INTO facts (name, value) VALUES ('currency', 'CNY')",
      "INSERT INTO owners (id, seen_at) VALUES ('me', 3000)",
      "INSERT INTO accounts (tenant, cash, bonus, held, created_at) VALUES "
      "('acme', 93, 40, 30, 1000), ('duck', 5, 0, 0, 2000), ('empty', 0, 0, 0, 2000)",
      "INSERT INTO grants (tenant, amount, remaining, created_at, expires_at) VALUES "
      "('acme', 50, 40, 1000, 9000)",
      R"(INSERT INTO transfers (tenant, kind, debit, credit, amount, created_at, request_id,
         grant_id, reference) VALUES
         ('acme', 'newcomer', 'bonuses', 'bonus', 50, 1000, NULL, 1, 'newcomer'),
         ('acme', 'top-up', 'top-ups', 'cash', 100, 1100, NULL, NULL, 'first'),
         ('duck', 'top-up', 'top-ups', 'cash', 5, 2000, NULL, NULL, 'first'),
         ('acme', 'charge', 'bonus', 'revenue', 10, 3000, 'a', 1, NULL),
         ('acme', 'charge', 'cash', 'revenue', 7, 2900, 'b', NULL, NULL))",
      R"(INSERT INTO calls (tenant, request_id, state, token, fingerprint, owner, key_id, model,
         held, delivered, opened_at, ended_at, result, cost, charged, input_tokens, labels,
         budget_period) VALUES
         ('acme', 'a', 'posted', 1, 'f', 'me', 'key', 'm', 0, 0, 2500, 3000, 'OK', 10, 10, 1, '',
          ''),
         ('acme', 'b', 'posted', 1, 'f', 'me', 'key', 'm', 0, 0, 2400, 3100, 'OK', 7, 7, 2, '',
          ''),
         ('acme', 'v', 'voided', 1, 'f', 'me', 'key', 'm', 0, 0, 2450, 2460, 'X', 0, 0, 0, '', ''),
         ('acme', 'o', 'open', 1, 'f', 'me', 'key', 'm', 30, 4, 2600, NULL, '', 0, 0, 3,
          '{"team":"x"}', '1970-01-01'))",
      "INSERT INTO key_budgets (tenant, key_id, period, spent, held) VALUES "
      "('acme', 'key', '1970-01-01', 0, 30)",
  };
};

TEST_P(LedgerMigrationContract, MoneyAndHistoryStay) {
  Migrate();
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 93, .bonus = 40, .held = 30}));
  EXPECT_EQ(BalanceOf("duck"), Balance{.cash = 5});
  std::vector<int64_t> amounts;
  for (const Transfer& transfer : Transfers({.tenant = kAcme})) amounts.push_back(transfer.nano);
  EXPECT_EQ(amounts, (std::vector<int64_t>{7, 10, 100, 50}));
  EXPECT_EQ(Transfers().size(), 5u);
  std::vector<UsageRow> rows;
  Do([&](Ledger& ledger) { rows = ledger.SumUsage({.tenant = kAcme}); });
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].calls, 3);
  EXPECT_EQ(rows[0].charged, 17);
  EXPECT_EQ(rows[0].input_tokens, 3);
  // Only `a` began since then.
  Do([&](Ledger& ledger) {
    rows = ledger.SumUsage({.tenant = kAcme, .from = absl::FromUnixMicros(2'500)});
  });
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].charged, 10);
  Do([&](Ledger& ledger) {
    EXPECT_EQ(ledger.GetBalanceAt(kAcme, absl::FromUnixMicros(2'950)),
              (Balance{.cash = 93, .bonus = 50}));
  });
}

// Until step 6 a charge was a transfer beside its call.
TEST_P(LedgerMigrationContract, ChargesOfBeforeAreTheirTransfers) {
  using testing::ElementsAre;
  Migrate();
  EXPECT_THAT(After("UPDATE calls SET cost = cost + 1 WHERE request_id = 'a'").all,
              ElementsAre("a call's charge is not the sum of its transfers: call a"));
  EXPECT_THAT(After("UPDATE calls SET state = 'voided' WHERE request_id = 'b'").all,
              ElementsAre("a call's charge is not the sum of its transfers: call b",
                          "a call that was not posted was charged: call b"));
}

TEST_P(LedgerMigrationContract, OneListHasEntriesOfBeforeAndAfter) {
  Migrate();
  const std::vector<int64_t> amounts = {2, 1, 20, 3, 7, 10, 100, 50};
  Hold(Request("new", 3));
  End(EndOf("new", 3));
  Do([&](Ledger& ledger) {
    ledger.Add(
        {.tenant = kAcme, .nano = 20, .reference = "second", .actor = "", .reason = "", .at = now_},
        {});
  });
  Hold(Request("newer", 1));
  End(EndOf("newer", 1));
  Hold(Request("newest", 2));
  End(EndOf("newest", 2));
  for (const int limit : {1, 2, 3, 100}) {
    std::vector<int64_t> found;
    std::vector<int64_t> ids;
    TransferFilter filter{.tenant = kAcme, .limit = limit};
    for (std::vector<Transfer> page; !(page = Transfers(filter)).empty();) {
      for (const Transfer& each : page) {
        found.push_back(each.nano);
        ids.push_back(each.id);
      }
      filter.before_id = ids.back();
    }
    EXPECT_EQ(found, amounts) << limit;
    EXPECT_TRUE(std::is_sorted(ids.rbegin(), ids.rend()));
  }
  EXPECT_EQ(Transfers({.tenant = kAcme, .kind = "charge"}).size(), 5u);
  EXPECT_EQ(Transfers({.kind = "charge"}).size(), 5u);
  EXPECT_EQ(Transfers({}).size(), 9u);
}

TEST_P(LedgerMigrationContract, CallsGoOn) {
  Migrate();
  const HoldReply charged = Hold(Request("a", 1, /*token=*/2));
  EXPECT_EQ(charged.verdict, HoldVerdict::kIdInUse);
  EXPECT_EQ(charged.charged, 10);
  EXPECT_EQ(Hold(Request("v", 5, 2)).verdict, HoldVerdict::kHeld);
  EXPECT_EQ(End(EndOf("v", 5, 2)).charged, 5);
  EXPECT_EQ(End(EndOf("o", 20)).charged, 20);
  Hold(Request("new", 9));
  End(EndOf("new", 9));
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 93, .bonus = 6, .held = 0}));
  int64_t expired = 0;
  Do([&](Ledger& ledger) { expired = ledger.ExpireBonus(absl::FromUnixMicros(9'000)); });
  EXPECT_EQ(expired, 6);
  EXPECT_EQ(Transfers({.tenant = kAcme}).size(), 8u);
}

TEST_P(LedgerMigrationContract, ACallThatRanIsEndedByWhatItHadDelivered) {
  Migrate();
  int64_t ended = 0;
  Do([&](Ledger& ledger) {
    ended = ledger.RecoverCalls(absl::FromUnixMicros(3'001), absl::FromUnixMicros(4'000), 10);
  });
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(BalanceOf(kAcme), (Balance{.cash = 93, .bonus = 36, .held = 0}));
  std::vector<UsageRow> rows;
  Do([&](Ledger& ledger) { rows = ledger.SumUsage({.labels = {{"team", "x"}}}); });
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].charged, 4);
}

}  // namespace pingti::billing
