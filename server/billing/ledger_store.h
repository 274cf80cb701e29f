// What a call asks of the ledger, and the handle on what it holds there.
//
// A hold is asked for when the call begins and answered while the provider already works: nothing
// waits for the disk. Before anything reaches the caller the call looks at state().
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/base/event_loop.h"
#include "server/base/signal.h"
#include "server/billing/ledger_types.h"
#include "server/telemetry/counter.h"

namespace pingti::billing {

enum class HoldState {
  kPending,
  kHeld,     // durable
  kRefused,  // reply() says why
  kFailed,   // the ledger was not written
  kUnknown,  // the ledger was lost while it was written: nothing may be held, or all
};

// What the ledger and a call share of one hold. The ledger answers on the call's loop; so both
// sides of the ticket are that thread's, but for PostAnswer().
class HoldTicket final : public base::LoopTask {
 public:
  HoldTicket(HoldRequest request, base::EventLoop& loop, base::Signal& signal)
      : request(std::move(request)), loop(loop), signal_(&signal) {}
  HoldTicket(const HoldTicket&) = delete;
  HoldTicket& operator=(const HoldTicket&) = delete;

  // By the ledger, on the loop thread.
  void Answer(HoldState state, const HoldReply& reply) {
    state_ = state;
    reply_ = reply;
    has_news_ = true;
    if (state == HoldState::kHeld) granted_ = request.nano;
    if (signal_ != nullptr) signal_->Notify();
  }
  // Once, from any thread: Answer() on the loop. `self` is this one, which lives until then.
  void PostAnswer(std::shared_ptr<HoldTicket> self, HoldState state, const HoldReply& reply) {
    posted_state_ = state;
    posted_reply_ = reply;
    posted_ = std::move(self);
    loop.Post(this);
  }
  // Without a reply: it could not be written, and a call that runs is not ended because of that.
  void GrantGrowth(int64_t nano, const HoldReply* reply = nullptr) {
    granted_ = std::max(granted_, nano);
    if (reply != nullptr) reply_ = *reply;
    has_news_ |= reply != nullptr;
    if (signal_ != nullptr) signal_->Notify();
  }
  // `reply` says of what there is too little.
  void RefuseGrowth(const HoldReply& reply) {
    growth_refused_ = true;
    reply_ = reply;
    has_news_ = true;
    if (signal_ != nullptr) signal_->Notify();
  }

  const HoldRequest request;
  base::EventLoop& loop;

 private:
  friend class Hold;

  void Run() override {
    const std::shared_ptr<HoldTicket> self = std::move(posted_);
    Answer(posted_state_, posted_reply_);
  }

  base::Signal* signal_;  // null: the call has ended
  HoldState state_ = HoldState::kPending;
  HoldReply reply_;
  bool has_news_ = false;  // reply_ is later than what the call has seen
  int64_t granted_ = 0;
  bool growth_refused_ = false;
  // Of PostAnswer().
  std::shared_ptr<HoldTicket> posted_;
  HoldState posted_state_ = HoldState::kPending;
  HoldReply posted_reply_;
};

// Thread-safe; answers come in the order of asking for each tenant.
class LedgerStore {
 public:
  virtual ~LedgerStore() = default;
  // Of the process that holds; unique.
  virtual const std::string& owner() const = 0;
  // False: holds would fail now.
  virtual bool writable() const = 0;
  virtual void Open(std::shared_ptr<HoldTicket> ticket) = 0;
  // Makes the hold at least `nano`: GrantGrowth(), or RefuseGrowth() where there is not as much.
  virtual void Grow(std::shared_ptr<HoldTicket> ticket, int64_t nano) = 0;
  // What would be posted should this process die. May be lost.
  virtual void NoteDelivered(CallEnd so_far) = 0;
  // Never lost while this process lives: waits where the database takes no writes.
  virtual void End(CallEnd end) = 0;
};

// A call's hold: one for each call, on its loop thread, ended exactly once.
class Hold {
 public:
  Hold() = default;
  // Asks for it; `request` needs no owner. `store`, `signal` and `dropped` outlive this; `dropped`
  // counts holds that nobody ended.
  Hold(LedgerStore& store, HoldRequest request, base::EventLoop& loop, base::Signal& signal,
       telemetry::Counter& dropped)
      : store_(&store), dropped_(&dropped), nano_(request.nano) {
    request.owner = store.owner();
    ticket_ = std::make_shared<HoldTicket>(std::move(request), loop, signal);
    store_->Open(ticket_);
  }
  Hold(Hold&& other) noexcept { *this = std::move(other); }
  Hold& operator=(Hold&& other) noexcept {
    std::swap(store_, other.store_);
    std::swap(dropped_, other.dropped_);
    std::swap(ticket_, other.ticket_);
    std::swap(nano_, other.nano_);
    std::swap(delivered_, other.delivered_);
    return *this;
  }
  // An open one is charged what was delivered, as if its process had died, and counted.
  ~Hold() {
    if (!open()) return;
    dropped_->Add();
    CallEnd end = std::move(delivered_);
    end.post = end.cost > 0;
    end.result = "DROPPED";
    end.at = ticket_->request.at;
    End(std::move(end));
  }

  bool open() const { return ticket_ != nullptr; }
  // The rest REQUIRES open().
  HoldState state() const { return ticket_->state_; }
  const HoldReply& reply() const { return ticket_->reply_; }
  // Held, or asked for.
  int64_t nano() const { return nano_; }
  // More than `nano` was asked for, and less has been granted.
  bool awaits(int64_t nano) const {
    return nano > ticket_->granted_ && ticket_->granted_ < nano_ && !stops_call();
  }
  // The ledger takes too long: goes on as if all were granted that was asked for.
  void StopAwaiting() { ticket_->granted_ = nano_; }
  // Whether reply() has changed since the last time.
  bool TakeNews() { return std::exchange(ticket_->has_news_, false); }
  // More was asked for than the tenant, or the key's budget, has; reply() says which.
  bool growth_refused() const { return ticket_->growth_refused_; }
  // It came out that the call may not go on.
  bool stops_call() const {
    return is_refused() || state() == HoldState::kUnknown || growth_refused();
  }

  void Grow(int64_t nano) {
    if (nano <= nano_) return;
    nano_ = nano;
    store_->Grow(ticket_, nano);
  }
  // `so_far` and `end` need no id.
  void NoteDelivered(CallEnd so_far) {
    Name(&so_far);
    delivered_ = so_far;
    store_->NoteDelivered(std::move(so_far));
  }
  void End(CallEnd end) {
    Name(&end);
    end.hold = std::shared_ptr<const HoldRequest>(ticket_, &ticket_->request);
    end.held = nano_;
    ticket_->signal_ = nullptr;
    const bool was_refused = is_refused();
    ticket_.reset();
    if (!was_refused) store_->End(std::move(end));
  }

 private:
  bool is_refused() const {
    return state() == HoldState::kRefused || state() == HoldState::kFailed;
  }
  void Name(CallEnd* end) const {
    end->tenant = ticket_->request.tenant;
    end->request_id = ticket_->request.request_id;
    end->token = ticket_->request.token;
  }

  LedgerStore* store_ = nullptr;
  telemetry::Counter* dropped_ = nullptr;
  std::shared_ptr<HoldTicket> ticket_;  // null: nothing is held, or it was ended
  int64_t nano_ = 0;
  CallEnd delivered_;
};

}  // namespace pingti::billing
