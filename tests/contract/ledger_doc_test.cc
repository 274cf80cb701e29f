// The example of docs/billing.md, row by row, on a ledger.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "server/billing/ledger.h"
#include "server/storage/database.h"
#include "tests/fakes/doc_tables.h"
#include "tests/fakes/scratch_folder.h"

namespace pingti::billing {
namespace {

const Plan kPlan{.newcomer_bonus = 100, .bonus_percent = 50};
constexpr char kTenant[] = "acme";

// What an event has charged, or `refused`; empty where it charges nothing.
class Example {
 public:
  explicit Example(Ledger& ledger) : ledger_(ledger) {}

  std::string Do(const std::string& event, const std::string& call, int64_t amount) {
    const std::string reference = "r" + std::to_string(++references_);
    if (event == "open") return ledger_.OpenAccount(kTenant, kPlan, at_) ? "" : "refused";
    if (event == "top-up") {
      ledger_.Add({.tenant = kTenant,
                   .nano = amount,
                   .reference = reference,
                   .actor = "doc",
                   .reason = "",
                   .at = at_},
                  kPlan);
      return "";
    }
    if (event == "refund") {
      const TopUpReply reply = ledger_.Adjust({.tenant = kTenant,
                                               .nano = -amount,
                                               .refund = true,
                                               .reference = reference,
                                               .reason = "doc",
                                               .actor = "doc",
                                               .at = at_});
      return reply.verdict == TopUpReply::Verdict::kDone ? "" : "refused";
    }
    if (event == "grow" || event == "hold") {
      HoldRequest request;
      request.tenant = kTenant;
      request.request_id = call;
      request.owner = "doc";
      request.nano = amount;
      request.at = at_;
      const HoldReply reply =
          event == "grow" ? ledger_.GrowHold(request, amount) : ledger_.Hold(request);
      return reply.verdict == HoldVerdict::kHeld ? "" : "refused";
    }
    CallEnd end;
    end.tenant = kTenant;
    end.request_id = call;
    end.post = event == "post";
    end.cost = amount;
    end.at = at_;
    EXPECT_TRUE(event == "post" || event == "void") << event;
    return std::to_string(ledger_.End(end).charged);
  }

 private:
  Ledger& ledger_;
  const absl::Time at_ = absl::FromUnixSeconds(1'719'446'400);
  int references_ = 0;
};

TEST(LedgerDocTest, TheExampleIsTrue) {
  const fakes::ScratchFolder folder;
  const auto database = storage::Database::Open(
      {.engine = storage::Engine::kSqlite, .path = folder.path() + "/ledger.db", .connection = ""});
  ASSERT_TRUE(database.ok()) << database.status();
  const auto rows = fakes::ReadDocTables("docs/billing.md")["ledger"];
  ASSERT_GT(rows.size(), 10u);
  const absl::Status status = (*database)->Transact([&] {
    Ledger& ledger = Ledger::Of(**database);
    Example example(ledger);
    for (const auto& row : rows) {
      SCOPED_TRACE(row[0] + " " + row[1] + " " + row[2]);
      int64_t amount = 0;
      EXPECT_TRUE(row[2].empty() || absl::SimpleAtoi(row[2], &amount));
      EXPECT_EQ(example.Do(row[0], row[1], amount), row[3]);
      const Balance balance = ledger.GetBalance(kTenant).value();
      EXPECT_EQ(std::to_string(balance.cash), row[4]);
      EXPECT_EQ(std::to_string(balance.bonus), row[5]);
      EXPECT_EQ(std::to_string(balance.held), row[6]);
    }
    EXPECT_TRUE(ledger.Verify().findings.empty());
  });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace pingti::billing
