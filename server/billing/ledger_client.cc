#include "server/billing/ledger_client.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "server/base/fault_point.h"
#include "server/base/log.h"
#include "server/base/strings.h"

namespace pingti::billing {
namespace {

using storage::Database;
using telemetry::HoldResult;

// Every so often this process says that it lives, and the ledger is looked at.
constexpr absl::Duration kTick = absl::Seconds(5);
// Commits are not more frequent. A provider takes longer than this to answer, so nobody waits.
constexpr absl::Duration kCommitInterval = absl::Milliseconds(10);
// ... and so many times before others take it for dead.
constexpr int kTicksBeforeDead = 4;
constexpr int64_t kTicksPerSweep = 12;  // of bonus that has expired
constexpr int kRecoverMax = 500;        // calls, in one transaction

HoldResult ResultOf(HoldVerdict verdict) {
  switch (verdict) {
    case HoldVerdict::kHeld:
      return HoldResult::kHeld;
    case HoldVerdict::kBalanceTooLow:
      return HoldResult::kBalanceTooLow;
    case HoldVerdict::kKeyBudgetExhausted:
      return HoldResult::kKeyBudgetExhausted;
    case HoldVerdict::kIdInUse:
      return HoldResult::kIdInUse;
    case HoldVerdict::kIdOfOther:
      return HoldResult::kIdOfOther;
    case HoldVerdict::kNoAccount:
      return HoldResult::kNoAccount;
  }
  return HoldResult::kFailed;
}

void SayChange(bool writable, const absl::Status& status) {
  if (writable) {
    base::Log(base::LogLevel::kInfo, "the ledger takes writes again");
  } else {
    base::Log(base::LogLevel::kWarning, "the ledger takes no writes: metered calls are refused",
              {{"cause", status.ToString()}});
  }
}

// Nobody may spend from an account that is not what its rows say.
absl::Status CheckBalances(Ledger& ledger) {
  const std::vector<Finding> findings = ledger.VerifyBalances();
  if (findings.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      base::StrCat("it contradicts itself in ", findings.size(), " places, the first: tenant ",
                   findings[0].tenant, ": ", findings[0].what, "; restore a backup"));
}

}  // namespace

class LedgerClient::HoldWork final : public storage::Work {
 public:
  HoldWork(telemetry::LedgerStats& stats, std::shared_ptr<HoldTicket> ticket)
      : stats_(stats), ticket_(std::move(ticket)) {}
  std::string_view order() const override { return ticket_->request.tenant; }
  void Execute(Database& database) override {
    reply_ = Ledger::Of(database).Hold(ticket_->request, std::exchange(has_run_, true));
    PINGTI_FAULT_POINT("hold");
  }
  void Done(const absl::Status& status) override {
    PINGTI_FAULT_POINT("held");
    HoldResult result = HoldResult::kFailed;
    HoldState state = HoldState::kFailed;
    if (status.ok()) {
      result = ResultOf(reply_.verdict);
      state = result == HoldResult::kHeld ? HoldState::kHeld : HoldState::kRefused;
    } else if (absl::IsUnavailable(status)) {
      state = HoldState::kUnknown;  // the commit may have been the last that was heard
    }
    stats_.holds[static_cast<size_t>(result)].Add();
    HoldTicket& ticket = *ticket_;
    ticket.PostAnswer(std::move(ticket_), state, reply_);
  }

 private:
  telemetry::LedgerStats& stats_;
  std::shared_ptr<HoldTicket> ticket_;
  HoldReply reply_;
  bool has_run_ = false;
};

class LedgerClient::GrowWork final : public storage::Work {
 public:
  GrowWork(telemetry::LedgerStats& stats, std::shared_ptr<HoldTicket> ticket, int64_t nano)
      : stats_(stats), ticket_(std::move(ticket)), nano_(nano) {}
  std::string_view order() const override { return ticket_->request.tenant; }
  void Execute(Database& database) override {
    reply_ = Ledger::Of(database).GrowHold(ticket_->request, nano_);
  }
  void Done(const absl::Status& status) override {
    const bool written = status.ok();
    const bool refused = written && reply_.verdict != HoldVerdict::kHeld;
    if (written) (refused ? stats_.growth_refused : stats_.holds_grown).Add();
    base::EventLoop& loop = ticket_->loop;
    loop.PostFunction(
        [ticket = std::move(ticket_), written, refused, nano = nano_, reply = reply_] {
          if (refused) {
            ticket->RefuseGrowth(reply);
          } else {
            ticket->GrantGrowth(nano, written ? &reply : nullptr);
          }
        });
  }

 private:
  telemetry::LedgerStats& stats_;
  std::shared_ptr<HoldTicket> ticket_;
  const int64_t nano_;
  HoldReply reply_;
};

class LedgerClient::NoteWork final : public storage::Work {
 public:
  explicit NoteWork(CallEnd so_far) : so_far_(std::move(so_far)) {}
  std::string_view order() const override { return so_far_.tenant; }
  void Execute(Database& database) override { Ledger::Of(database).NoteDelivered(so_far_); }
  void Done(const absl::Status&) override {}

 private:
  const CallEnd so_far_;
};

class LedgerClient::EndWork final : public storage::Work {
 public:
  EndWork(telemetry::LedgerStats& stats, CallEnd end) : stats_(stats), end_(std::move(end)) {}
  std::string_view order() const override { return end_.tenant; }
  bool keep() const override { return true; }
  void Execute(Database& database) override {
    reply_ = Ledger::Of(database).End(end_);
    PINGTI_FAULT_POINT("post");
  }
  void Done(const absl::Status& status) override {
    PINGTI_FAULT_POINT("posted");
    if (!status.ok()) {
      base::Log(
          base::LogLevel::kError, "the end of a call was not written",
          {{"tenant", end_.tenant}, {"request_id", end_.request_id}, {"cause", status.ToString()}});
      return;
    }
    if (reply_.late) {
      // One that was not charged may never have been held.
      if (end_.post) stats_.late.Add();
      return;
    }
    (end_.post ? stats_.posts : stats_.voids).Add();
    if (!end_.post) return;
    stats_.charged.Add(reply_.charged);
    stats_.uncovered.Add(end_.cost - reply_.charged);
    if (reply_.held > 0) {
      stats_.cost_ratio.Observe(static_cast<double>(end_.cost) / static_cast<double>(reply_.held));
    }
  }

 private:
  telemetry::LedgerStats& stats_;
  const CallEnd end_;
  EndReply reply_;
};

class LedgerClient::Function final : public storage::Work {
 public:
  Function(std::string order, LedgerWork work, LedgerClient::Done done)
      : order_(std::move(order)), work_(std::move(work)), done_(std::move(done)) {}
  std::string_view order() const override { return order_; }
  void Execute(Database& database) override { work_(Ledger::Of(database)); }
  void Done(const absl::Status& status) override { done_(status); }

 private:
  const std::string order_;
  const LedgerWork work_;
  const LedgerClient::Done done_;
};

LedgerClient::LedgerClient(Options options, Terms terms)
    : options_(std::move(options)), stats_(*options_.stats), terms_(std::move(terms)) {}

LedgerClient::~LedgerClient() { Stop(); }

absl::Status LedgerClient::Prepare(Database& database) {
  const Terms current = terms();
  const absl::Time now = options_.clock->Now();
  absl::Status usable;
  absl::Status status = database.Transact([&] {
    Ledger& ledger = Ledger::Of(database);
    usable = ledger.CheckCurrency(options_.currency);
    if (usable.ok()) usable = CheckBalances(ledger);
    if (!usable.ok()) return;
    ledger.SeeOwner(options_.owner, ledger.Now(now));
    for (const std::string& tenant : current.tenants) {
      ledger.OpenAccount(tenant, current.plan, now);
    }
  });
  status.Update(usable);
  return status;
}

absl::StatusOr<std::unique_ptr<Database>> LedgerClient::OpenDatabase() {
  absl::StatusOr<std::unique_ptr<Database>> opened = Database::Open(options_.database);
  if (!opened.ok()) return opened;
  absl::Status prepared = Prepare(**opened);
  if (!prepared.ok()) return prepared;
  return opened;
}

absl::StatusOr<std::unique_ptr<LedgerClient>> LedgerClient::Start(Options options, Terms terms) {
  std::unique_ptr<LedgerClient> client(new LedgerClient(std::move(options), std::move(terms)));
  absl::StatusOr<std::unique_ptr<Database>> opened = client->OpenDatabase();
  const bool is_alone = client->options_.database.engine == storage::Engine::kSqlite;
  if (!opened.ok()) {
    if (is_alone || !absl::IsUnavailable(opened.status())) return opened.status();
    SayChange(false, opened.status());
  }
  telemetry::LedgerStats& stats = client->stats_;
  stats.on = true;
  LedgerClient* self = client.get();
  storage::StorageThread::Options writer;
  writer.open = [self] { return self->OpenDatabase(); };
  writer.clock = self->options_.clock;
  writer.interval = kCommitInterval;
  writer.has_others = !is_alone;
  writer.name = "ledger";
  writer.on_change = SayChange;
  writer.on_batch = [&stats](size_t size, absl::Duration took, bool written) {
    stats.batch_size.Observe(static_cast<double>(size));
    stats.batch_seconds.Observe(absl::ToDoubleSeconds(took));
    if (!written) stats.batches_failed.Add();
  };
  client->writer_ = std::make_unique<storage::StorageThread>(
      std::move(writer), opened.ok() ? std::move(*opened) : nullptr);
  storage::StorageThread::Options reader;
  reader.clock = self->options_.clock;
  reader.read_only = true;
  reader.name = "ledger_reader";
  reader.open = [self] {
    storage::DatabaseOptions beside = self->options_.database;
    beside.read_only = true;
    return Database::Open(beside);
  };
  client->reader_ = std::make_unique<storage::StorageThread>(std::move(reader), nullptr);
  // Nobody else has the file: whatever is open there has been left behind.
  if (is_alone) self->Recover(/*all_others=*/true);
  self->writer_->loop().PostFunction([self] {
    self->tick_ = std::make_unique<base::Timer>(self->writer_->loop(), [self] { self->Tick(); });
    self->Tick();
  });
  return client;
}

void LedgerClient::Stop() {
  if (writer_ == nullptr) return;
  writer_->loop().PostFunction([this] { tick_.reset(); });
  writer_->Stop();
  if (reader_ != nullptr) reader_->Stop();
}

void LedgerClient::SetTerms(Terms next) {
  {
    base::MutexLock lock(mu_);
    terms_ = std::move(next);
  }
  const absl::Time now = options_.clock->Now();
  SubmitHere([this, now](Ledger& ledger) {
    const Terms current = terms();
    for (const std::string& tenant : current.tenants) {
      ledger.OpenAccount(tenant, current.plan, now);
    }
  });
}

LedgerClient::Terms LedgerClient::terms() const {
  base::MutexLock lock(mu_);
  return terms_;
}

Plan LedgerClient::plan() const {
  base::MutexLock lock(mu_);
  return terms_.plan;
}

absl::Duration LedgerClient::dead_after() const {
  base::MutexLock lock(mu_);
  return terms_.dead_after;
}

int64_t LedgerClient::low_balance() const {
  base::MutexLock lock(mu_);
  return terms_.low_balance;
}

bool LedgerClient::writable() const { return writer_->writable(); }

void LedgerClient::Open(std::shared_ptr<HoldTicket> ticket) {
  if (writer_->Submit(std::make_unique<HoldWork>(stats_, ticket))) return;
  ticket->Answer(HoldState::kFailed, {});
}

void LedgerClient::Grow(std::shared_ptr<HoldTicket> ticket, int64_t nano) {
  if (writer_->Submit(std::make_unique<GrowWork>(stats_, ticket, nano))) return;
  ticket->GrantGrowth(nano);
}

void LedgerClient::NoteDelivered(CallEnd so_far) {
  writer_->Submit(std::make_unique<NoteWork>(std::move(so_far)));
}

void LedgerClient::End(CallEnd end) {
  writer_->Submit(std::make_unique<EndWork>(stats_, std::move(end)));
}

void LedgerClient::Write(const std::string& tenant, LedgerWork work, base::EventLoop& loop,
                         Done done) {
  auto post = [&loop, done = std::move(done)](const absl::Status& status) {
    loop.PostFunction([done, status] { done(status); });
  };
  if (writer_->Submit(std::make_unique<Function>(tenant, std::move(work), post))) return;
  post(absl::UnavailableError("the ledger has too much to write"));
}

void LedgerClient::Read(LedgerWork work, base::EventLoop& loop, Done done) {
  auto post = [&loop, done = std::move(done)](const absl::Status& status) {
    loop.PostFunction([done, status] { done(status); });
  };
  if (reader_->Submit(std::make_unique<Function>("", std::move(work), post))) return;
  post(absl::UnavailableError("the ledger has too much to read"));
}

void LedgerClient::WriteBehind(LedgerWork work, const Done& done) {
  if (writer_->Submit(std::make_unique<Function>("", std::move(work), done))) return;
  done(absl::UnavailableError("the ledger has too much to write"));
}

void LedgerClient::SubmitHere(LedgerWork work) {
  writer_->Submit(std::make_unique<Function>("", std::move(work), [](const absl::Status&) {}));
}

void LedgerClient::Tick() {
  tick_->Arm(std::min(kTick, dead_after() / kTicksBeforeDead));
  stats_.writable.Set(writable() ? 1 : 0);
  stats_.outbox.Set(static_cast<int64_t>(writer_->kept()));
  Recover(/*all_others=*/false);
  Look();
  if (ticks_++ % kTicksPerSweep != 0) return;
  auto expired = std::make_shared<int64_t>(0);
  const absl::Time now = options_.clock->Now();
  writer_->Submit(std::make_unique<Function>(
      "", [expired, now](Ledger& ledger) { *expired = ledger.ExpireBonus(now); },
      [this, expired](const absl::Status& status) {
        if (status.ok()) stats_.bonus_expired.Add(*expired);
      }));
}

void LedgerClient::Recover(bool all_others) {
  const absl::Time now = options_.clock->Now();
  auto ended = std::make_shared<int64_t>(0);
  writer_->Submit(std::make_unique<Function>(
      "",
      [this, now, all_others, ended](Ledger& ledger) {
        const absl::Time shared = ledger.Now(now);
        if (all_others) ledger.ForgetOwners();
        ledger.SeeOwner(options_.owner, shared);
        *ended = ledger.RecoverCalls(shared - dead_after(), now, kRecoverMax);
      },
      [this, ended](const absl::Status& status) {
        if (!status.ok() || *ended == 0) return;
        stats_.recovered.Add(*ended);
        base::Log(base::LogLevel::kWarning, "ended calls of a process that has died",
                  {{"calls", base::StrCat(*ended)}});
        if (*ended == kRecoverMax) Recover(false);  // there may be more
      }));
}

void LedgerClient::Look() {
  struct Seen {
    int64_t open = 0;
    absl::Time oldest;
    int64_t low = 0;
  };
  auto seen = std::make_shared<Seen>();
  const int64_t low = low_balance();
  reader_->Submit(std::make_unique<Function>(
      "",
      [seen, low](Ledger& ledger) {
        std::tie(seen->open, seen->oldest) = ledger.OpenHolds();
        seen->low = ledger.CountBalancesBelow(low);
      },
      [this, seen](const absl::Status& status) {
        if (!status.ok()) return;
        // The counters are the writer's.
        writer_->loop().PostFunction([this, seen] {
          stats_.holds_open.Set(seen->open);
          stats_.oldest_hold_ms.Set(
              seen->open == 0 ? 0
                              : absl::ToInt64Milliseconds(options_.clock->Now() - seen->oldest));
          stats_.balances_low.Set(seen->low);
        });
      }));
}

}  // namespace pingti::billing
