// What the storage thread spends on a call: its hold and its charge, a hundred calls in a commit,
// in a new ledger with few tenants and in a large one. And a balance, which is one row.
//
// SQLite in the folder for temporary files. The large one is made once, which takes a while.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "server/billing/ledger.h"
#include "server/storage/database.h"

namespace pingti::billing {
namespace {

constexpr int kCallsPerCommit = 100;
constexpr int kEntriesPerCommit = 5'000;

// A ledger with so many tenants, who have made so many calls.
class KnownLedger {
 public:
  KnownLedger(int64_t tenants, int64_t entries) : tenants_(tenants) {
    std::string folder = (std::filesystem::temp_directory_path() / "pingti-bench-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) std::abort();
    folder_ = folder;
    auto opened = storage::Database::Open(
        {.engine = storage::Engine::kSqlite, .path = folder_ + "/ledger.db", .connection = ""});
    if (!opened.ok()) std::abort();
    database_ = std::move(*opened);
    Do([&](Ledger& ledger) {
      for (int64_t i = 0; i < tenants_; ++i) {
        ledger.OpenAccount(Tenant(i), {.newcomer_bonus = int64_t{1} << 50}, at_);
      }
    });
    while (calls_ < entries) {
      Do([&](Ledger& ledger) {
        for (int i = 0; i < kEntriesPerCommit; ++i) Call(ledger);
      });
    }
  }
  ~KnownLedger() {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  template <typename Work>
  void Do(Work work) {
    const absl::Status done = database_->Transact([&] { work(Ledger::Of(*database_)); });
    if (!done.ok()) std::abort();
  }
  std::string Tenant(int64_t i) const { return "tenant" + std::to_string(i % tenants_); }
  // Held and charged; tenants take turns in an order that is no order.
  void Call(Ledger& ledger) {
    const int64_t number = calls_++;
    auto hold = std::make_shared<HoldRequest>();
    HoldRequest& request = *hold;
    request.tenant = Tenant(number * 7'919);
    // Sorts by time, as the ids that the server makes.
    request.request_id = std::to_string(1'000'000'000'000 + number);
    request.token = static_cast<uint64_t>(number);
    request.owner = "bench";
    request.key_id = "key";
    request.model = "gpt-4o";
    request.nano = 10'000'000;
    request.at = at_ + absl::Milliseconds(number);
    ledger.Hold(request);
    CallEnd end;
    end.tenant = request.tenant;
    end.request_id = request.request_id;
    end.token = request.token;
    end.hold = hold;
    end.held = request.nano;
    end.post = true;
    end.cost = 4'000'000;
    end.price = "yi-large@2024-06-01";
    end.result = "OK";
    end.provider = "yi";
    end.upstream_model = "yi-large";
    end.at = request.at;
    ledger.End(end);
  }

 private:
  const int64_t tenants_;
  const absl::Time at_ = absl::FromUnixSeconds(1'719'446'400);
  int64_t calls_ = 0;
  std::string folder_;
  std::unique_ptr<storage::Database> database_;
};

KnownLedger& Known(const benchmark::State& state) {
  if (state.range(0) == 10) {
    static KnownLedger few(10, 0);
    return few;
  }
  static KnownLedger many(10'000, 1'000'000);
  return many;
}

void BM_HoldAndPost(benchmark::State& state) {
  KnownLedger& known = Known(state);
  for (auto _ : state) {
    known.Do([&](Ledger& ledger) {
      for (int i = 0; i < kCallsPerCommit; ++i) known.Call(ledger);
    });
  }
  state.SetItemsProcessed(state.iterations() * kCallsPerCommit);
}
BENCHMARK(BM_HoldAndPost)->Arg(10)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void BM_ReadBalance(benchmark::State& state) {
  KnownLedger& known = Known(state);
  int64_t i = 0;
  int64_t sum = 0;
  for (auto _ : state) {
    known.Do([&](Ledger& ledger) { sum += ledger.GetBalance(known.Tenant(i += 7'919))->bonus; });
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(BM_ReadBalance)->Arg(10)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pingti::billing
