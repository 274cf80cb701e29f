// A ledger of a known size, for benchmarks: tenants `t0`, `t1`, ... and calls that were held and
// charged.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "server/billing/ledger.h"
#include "server/storage/database.h"

namespace pingti::billing {

class KnownLedger {
 public:
  // In a file of SQLite, made where it is not there, with so many tenants, who have made so many
  // calls. Ends the program where that cannot be.
  KnownLedger(const std::string& path, int64_t tenants, int64_t calls) : tenants_(tenants) {
    auto opened = storage::Database::Open({.engine = storage::Engine::kSqlite, .path = path});
    if (!opened.ok()) Fail(opened.status());
    database_ = std::move(*opened);
    Do([&](Ledger& ledger) {
      const absl::Status usable = ledger.CheckCurrency("CNY");
      if (!usable.ok()) Fail(usable);
      for (int64_t i = 0; i < tenants_; ++i) {
        ledger.OpenAccount(Tenant(i), {.newcomer_bonus = int64_t{1} << 50}, at_);
      }
    });
    while (calls_ < calls) {
      Do([&](Ledger& ledger) {
        for (int i = 0; i < kCallsPerCommit; ++i) Call(ledger);
      });
    }
  }

  template <typename Work>
  void Do(Work work) {
    const absl::Status done = database_->Transact([&] { work(Ledger::Of(*database_)); });
    if (!done.ok()) Fail(done);
  }
  std::string Tenant(int64_t i) const { return "t" + std::to_string(i % tenants_); }
  // Held and charged; tenants take turns in an order that is no order.
  void Call(Ledger& ledger) {
    const int64_t number = calls_++;
    auto hold = std::make_shared<HoldRequest>();
    hold->tenant = Tenant(number * 7'919);
    // Sorts by time, as the ids that the server makes.
    hold->request_id = std::to_string(1'000'000'000'000 + number);
    hold->token = static_cast<uint64_t>(number);
    hold->owner = "bench";
    hold->key_id = "key";
    hold->model = "gpt-4o";
    hold->nano = 10'000'000;
    hold->at = at_ + absl::Milliseconds(number);
    ledger.Hold(*hold);
    CallEnd end;
    end.tenant = hold->tenant;
    end.request_id = hold->request_id;
    end.token = hold->token;
    end.held = hold->nano;
    end.post = true;
    end.cost = 4'000'000;
    end.price = "yi-large@2024-06-01";
    end.result = "OK";
    end.provider = "yi";
    end.upstream_model = "yi-large";
    end.at = hold->at;
    end.hold = std::move(hold);
    ledger.End(end);
  }

 private:
  static constexpr int kCallsPerCommit = 5'000;

  [[noreturn]] static void Fail(const absl::Status& status) {
    std::cerr << "the ledger: " << status << "\n";
    std::exit(1);
  }

  const int64_t tenants_;
  const absl::Time at_ = absl::FromUnixSeconds(1'719'446'400);
  int64_t calls_ = 0;
  std::unique_ptr<storage::Database> database_;
};

}  // namespace pingti::billing
