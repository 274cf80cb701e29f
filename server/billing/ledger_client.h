// The ledger of a running process: a storage thread that writes, one that reads, and what has to be
// done from time to time. docs/billing.md has the rules.
//
// Thread-safe. It outlives the calls, and is stopped while the loops of their workers still are
// there.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/event_loop.h"
#include "server/base/mutex.h"
#include "server/billing/ledger.h"
#include "server/billing/ledger_store.h"
#include "server/storage/storage_thread.h"
#include "server/telemetry/ledger_stats.h"

namespace pingti::billing {

class LedgerClient final : public LedgerStore {
 public:
  struct Options {
    storage::DatabaseOptions database;
    std::string currency = "CNY";
    std::string owner;  // this process; unique
    const base::Clock* clock = &base::SystemClock();
    telemetry::LedgerStats* stats = nullptr;  // outlives it
  };
  // What a reload may change.
  struct Terms {
    Plan plan;
    std::vector<std::string> tenants;  // each has an account, made where there is none
    int64_t low_balance = 0;
    absl::Duration dead_after = absl::Minutes(1);  // a process that was not heard of for so long
  };

  // Opens the database, makes the accounts and ends the calls that a process before this one has
  // left open. An error where the database is not ours to use; a PostgreSQL that cannot be reached
  // is none: metered calls are refused until it can.
  static absl::StatusOr<std::unique_ptr<LedgerClient>> Start(Options options, Terms terms);
  ~LedgerClient() override;  // as Stop()

  void SetTerms(Terms next);

  const std::string& owner() const override { return options_.owner; }
  bool writable() const override;
  void Open(std::shared_ptr<HoldTicket> ticket) override;
  void Grow(std::shared_ptr<HoldTicket> ticket, int64_t nano) override;
  void NoteDelivered(CallEnd so_far) override;
  void End(CallEnd end) override;

  // Runs `work` in a transaction and then `done`, on `loop`, when it is durable or has failed.
  // `work` may run more than once. Read() has a connection of its own that sees one state of the
  // ledger and cannot write.
  using LedgerWork = std::function<void(Ledger&)>;
  using Done = std::function<void(const absl::Status&)>;
  void Write(const std::string& tenant, LedgerWork work, base::EventLoop& loop, Done done);
  void Read(LedgerWork work, base::EventLoop& loop, Done done);
  // As Write(), for who has no loop: `done` comes on the storage thread.
  void WriteBehind(LedgerWork work, const Done& done);
  Plan plan() const;

  // Writes what was given, as far as the database takes it.
  void Stop();

 private:
  class Function;
  class HoldWork;
  class GrowWork;
  class NoteWork;
  class EndWork;

  LedgerClient(Options options, Terms terms);

  // A copy of all, tenants included: for where these are needed.
  Terms terms() const;
  absl::Duration dead_after() const;
  int64_t low_balance() const;
  absl::StatusOr<std::unique_ptr<storage::Database>> OpenDatabase();
  absl::Status Prepare(storage::Database& database);
  void SubmitHere(LedgerWork work);
  void Tick();
  void Recover(bool all_others);
  void Look();

  const Options options_;
  telemetry::LedgerStats& stats_;
  mutable base::Mutex mu_;
  Terms terms_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<storage::StorageThread> writer_;
  std::unique_ptr<storage::StorageThread> reader_;
  // Of the writer's loop.
  std::unique_ptr<base::Timer> tick_;
  int64_t ticks_ = 0;
};

}  // namespace pingti::billing
