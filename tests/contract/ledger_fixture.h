// What the tests of the ledger stand on, whichever engine keeps it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
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
    // What this connection knows is what another reads.
    const Balance known = BalanceOf(kAcme);
    storage::DatabaseOptions beside = harness_->options();
    beside.read_only = true;
    const auto reader = storage::Database::Open(beside);
    ASSERT_TRUE(reader.ok()) << reader.status();
    DoWith(**reader, [&](Ledger& ledger) {
      EXPECT_EQ(ledger.GetBalance(kAcme).value_or(Balance{.cash = -1}), known);
    });
  }

  std::unique_ptr<storage::Database> Connect() {
    absl::StatusOr<std::unique_ptr<storage::Database>> opened =
        storage::Database::Open(harness_->options());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  // As many calls as `tries`, over all connections that there may be at once: how many hold.
  template <typename MakeRequest>
  int HoldAtOnce(int tries, MakeRequest make) {
    std::atomic<int> held{0};
    const auto some = [&](storage::Database& database, int first, int step) {
      for (int i = first; i < tries; i += step) {
        HoldReply reply;
        absl::Status status;
        do {
          status = database.Transact(
              [&] { reply = Ledger::Of(database).Hold(make("r" + std::to_string(i))); });
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
    return held;
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

}  // namespace pingti::billing
