#include "server/quota/waiting_line.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>

#include "server/base/check.h"

namespace pingti::quota {

// What stands in the line for a Place, and what is posted to its loop when it gets the turn.
//
// The turn is given on another thread, while the call may be about to end: so it is the ticket that
// is posted, not the place, and it may outlive it. Place and ticket know each other only on the
// loop thread, where ~Place and Run() cannot overlap: whichever comes last deletes the ticket.
//   - Left before it was posted: nobody else knows it; Leave deletes it.
//   - Left after it was posted, before Run(): Leave takes the signal away; Run() deletes it.
//   - Left after Run(): Leave deletes it.
// Whether it was posted changes under the line's mutex only, which Leave takes. So a call that has
// left is never notified, and its loop is posted to only while the call is there.
class WaitingLine::Ticket final : public base::LoopTask {
 public:
  Ticket(std::string_view flow, int64_t tokens, base::EventLoop& loop, base::Signal& signal)
      : flow_name(flow), tokens(std::max<int64_t>(1, tokens)), loop(loop), signal_(&signal) {}

  bool has_turn() const { return has_turn_.load(std::memory_order_acquire); }
  void TakeTurn() { has_turn_.store(true, std::memory_order_release); }

  // Under the mutex of the line.
  void PostTurn() {
    TakeTurn();
    posted_ = true;
    loop.Post(this);
  }

  // On the loop thread, when it is out of the line.
  void Release() {
    if (posted_ && !run_) {
      signal_ = nullptr;
    } else {
      delete this;
    }
  }

  const std::string flow_name;
  const int64_t tokens;
  base::EventLoop& loop;
  // Under the mutex of the line: where it waits.
  Ring::iterator flow;
  std::list<Ticket*>::iterator in_flow;

 protected:
  void Run() override {
    run_ = true;
    if (signal_ == nullptr) {
      delete this;
    } else {
      signal_->Notify();  // may leave the line, and delete this
    }
  }

 private:
  std::atomic<bool> has_turn_ = false;
  bool posted_ = false;   // written under the mutex
  bool run_ = false;      // loop thread
  base::Signal* signal_;  // loop thread; null: the place has left
};

struct WaitingLine::Flow {
  std::string name;
  std::list<Ticket*> waiting;  // never empty, but while one joins or leaves
  int64_t deficit = 0;         // what it may spend without another visit
};

namespace {

// Visits until a flow that owns `deficit` can spend `tokens`.
int64_t VisitsFor(int64_t tokens, int64_t deficit) {
  return tokens <= deficit ? 0 : (tokens - deficit + kQuantumTokens - 1) / kQuantumTokens;
}

}  // namespace

WaitingLine::WaitingLine(int waiting_max, Room room) : waiting_max_(waiting_max), room_(room) {}

WaitingLine::~WaitingLine() { PINGTI_CHECK(waiting() == 0, "calls end before their line"); }

bool WaitingLine::Join(Place* place, std::string_view flow, int64_t tokens, base::EventLoop& loop,
                       base::Signal& signal) {
  PINGTI_CHECK(!place->in_line(), "a place is in one line");
  auto ticket = std::make_unique<Ticket>(flow, tokens, loop, signal);
  base::MutexLock lock(mutex_);
  const int free = waiting_max_ - waiting();
  if (free < 1) return false;
  if (holder_ == nullptr) {
    holder_ = ticket.get();
    ticket->TakeTurn();
  } else {
    auto known = flows_.find(flow);
    if (known == flows_.end()) {
      ring_.push_back({.name = std::string(flow), .waiting = {}, .deficit = 0});
      known = flows_.emplace(flow, std::prev(ring_.end())).first;
    } else if (room_ == Room::kShared &&
               known->second->waiting.size() >= static_cast<size_t>(free)) {
      return false;
    }
    ticket->flow = known->second;
    ticket->in_flow = ticket->flow->waiting.insert(ticket->flow->waiting.end(), ticket.get());
  }
  waiting_.store(waiting() + 1, std::memory_order_relaxed);
  tokens_waiting_.store(tokens_waiting() + ticket->tokens, std::memory_order_relaxed);
  place->line_ = this;
  place->ticket_ = ticket.release();
  return true;
}

void WaitingLine::Leave(Place* place) {
  if (!place->in_line()) return;
  PINGTI_CHECK(place->line_ == this, "a place leaves the line that it joined");
  Ticket* ticket = std::exchange(place->ticket_, nullptr);
  {
    base::MutexLock lock(mutex_);
    Remove(ticket);
  }
  ticket->Release();
}

void WaitingLine::Remove(Ticket* ticket) {
  waiting_.store(waiting() - 1, std::memory_order_relaxed);
  tokens_waiting_.store(tokens_waiting() - ticket->tokens, std::memory_order_relaxed);
  if (ticket == holder_) {
    holder_ = nullptr;
    if (!ring_.empty()) GiveTurn();
    return;
  }
  ticket->flow->waiting.erase(ticket->in_flow);
  if (ticket->flow->waiting.empty()) ForgetFlow(ticket->flow);
}

void WaitingLine::ForgetFlow(Ring::iterator flow) {
  if (flow == ring_.begin()) visited_ = false;
  flows_.erase(flow->name);
  ring_.erase(flow);
}

// Deficit round robin up to the next call. Rounds in which nobody can afford its first call are
// taken in one step, so the work is bounded by the flows and not by the size of a call.
void WaitingLine::GiveTurn() {
  if (visited_ && ring_.front().waiting.front()->tokens > ring_.front().deficit) {
    ring_.splice(ring_.end(), ring_, ring_.begin());
    visited_ = false;
  }
  if (!visited_) {
    int64_t visits = INT64_MAX;
    auto chosen = ring_.begin();
    for (auto flow = ring_.begin(); flow != ring_.end(); ++flow) {
      // A visit is needed also by a flow that has enough left over.
      const int64_t needed =
          std::max<int64_t>(1, VisitsFor(flow->waiting.front()->tokens, flow->deficit));
      if (needed < visits) {
        visits = needed;
        chosen = flow;
      }
    }
    // Those before the chosen one have been visited as often as it, those behind once less.
    bool behind = false;
    for (auto flow = ring_.begin(); flow != ring_.end(); ++flow) {
      flow->deficit += kQuantumTokens * (behind ? visits - 1 : visits);
      if (flow == chosen) behind = true;
    }
    ring_.splice(ring_.end(), ring_, ring_.begin(), chosen);
    visited_ = true;
  }
  const auto flow = ring_.begin();
  Ticket* ticket = flow->waiting.front();
  flow->deficit -= ticket->tokens;
  flow->waiting.pop_front();
  if (flow->waiting.empty()) ForgetFlow(flow);
  holder_ = ticket;
  ticket->PostTurn();
}

// A call's turn comes in the visit in which its flow's deficit covers the calls up to it; a call of
// another flow comes earlier if its own visit does. No simulation is needed: visits count up in the
// order of the ring.
WaitingLine::Ahead WaitingLine::CountAhead(const Flow* own, const Ticket* end,
                                           int64_t tokens) const {
  Ahead ahead{.calls = 1, .tokens = holder_->tokens};
  int64_t own_tokens = tokens;
  if (own != nullptr) {
    for (const Ticket* before : own->waiting) {
      if (before == end) break;
      ++ahead.calls;
      ahead.tokens += before->tokens;
      own_tokens += before->tokens;
    }
  }
  // The first flow may be in the middle of a visit. That is number 0; its number 1 comes after
  // those of all others.
  const Flow* visited = visited_ ? &ring_.front() : nullptr;
  const auto visit_of = [visited](const Flow* flow, int64_t tokens) {
    return std::max<int64_t>(flow != nullptr && flow == visited ? 0 : 1,
                             VisitsFor(tokens, flow == nullptr ? 0 : flow->deficit));
  };
  const int64_t visit = visit_of(own, own_tokens);
  const bool own_is_last = own != nullptr && own == visited;
  bool before_own = true;
  for (const Flow& flow : ring_) {
    if (&flow == own) {
      before_own = false;
      continue;
    }
    const bool wins_tie = own_is_last || (before_own && &flow != visited);
    int64_t spent = 0;
    for (const Ticket* other : flow.waiting) {
      spent += other->tokens;
      const int64_t its_visit = visit_of(&flow, spent);
      if (its_visit > visit || (its_visit == visit && !wins_tie)) break;
      ++ahead.calls;
      ahead.tokens += other->tokens;
    }
  }
  return ahead;
}

WaitingLine::Ahead WaitingLine::AheadOf(const Ticket& ticket) const {
  base::MutexLock lock(mutex_);
  if (&ticket == holder_) return {};
  return CountAhead(&*ticket.flow, &ticket, ticket.tokens);
}

WaitingLine::Ahead WaitingLine::AheadOfNew(std::string_view flow, int64_t tokens) const {
  base::MutexLock lock(mutex_);
  if (holder_ == nullptr) return {};
  const auto known = flows_.find(flow);
  const Flow* own = known == flows_.end() ? nullptr : &*known->second;
  return CountAhead(own, nullptr, std::max<int64_t>(1, tokens));
}

WaitingLine::Place::~Place() {
  if (in_line()) line_->Leave(this);
}

bool WaitingLine::Place::has_turn() const { return in_line() && ticket_->has_turn(); }

int WaitingLine::Place::position() const {
  return in_line() ? line_->AheadOf(*ticket_).calls + 1 : 0;
}

int64_t WaitingLine::Place::tokens_ahead() const {
  return in_line() ? line_->AheadOf(*ticket_).tokens : 0;
}

}  // namespace pingti::quota
