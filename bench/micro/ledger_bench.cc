// What the storage thread spends on a call: its hold and its charge, a hundred calls in a commit,
// in a new ledger with few tenants and in a large one. And a balance, which is one row.
//
// SQLite in the folder for temporary files. The large one is made once, which takes a while.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "bench/ledger/known_ledger.h"

namespace pingti::billing {
namespace {

constexpr int kCallsPerCommit = 100;

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "pingti-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  std::string ledger() const { return path_ + "/ledger.db"; }

 private:
  std::string path_;
};

// A ledger that goes with its folder, and a connection that reads.
struct Measured {
  Measured(int64_t tenants, int64_t calls) : known(folder.ledger(), tenants, calls) {
    auto opened = storage::Database::Open(
        {.engine = storage::Engine::kSqlite, .path = folder.ledger(), .read_only = true});
    if (!opened.ok()) std::abort();
    reader = std::move(*opened);
  }
  const ScratchFolder folder;
  KnownLedger known;
  std::unique_ptr<storage::Database> reader;
};

Measured& LedgerOf(const benchmark::State& state) {
  if (state.range(0) == 10) {
    static Measured few(10, 0);
    return few;
  }
  static Measured many(10'000, 1'000'000);
  return many;
}

void BM_HoldAndPost(benchmark::State& state) {
  KnownLedger& known = LedgerOf(state).known;
  for (auto _ : state) {
    known.Do([&](Ledger& ledger) {
      for (int i = 0; i < kCallsPerCommit; ++i) known.Call(ledger);
    });
  }
  state.SetItemsProcessed(state.iterations() * kCallsPerCommit);
}
BENCHMARK(BM_HoldAndPost)->Arg(10)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void BM_ReadBalance(benchmark::State& state) {
  Measured& measured = LedgerOf(state);
  int64_t i = 0;
  int64_t sum = 0;
  for (auto _ : state) {
    const absl::Status read = measured.reader->Transact([&] {
      Ledger& ledger = Ledger::Of(*measured.reader);
      sum += ledger.GetBalance(measured.known.Tenant(i += 7'919))->bonus;
    });
    if (!read.ok()) state.SkipWithError("not read");
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(BM_ReadBalance)->Arg(10)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pingti::billing
