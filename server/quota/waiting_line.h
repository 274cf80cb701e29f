// Calls that wait for a limit: in order within a tenant, fair between tenants by tokens.
//
// One line per limit that calls wait for: of a tenant and class (then it has one flow and is first
// in, first out), or of a provider's key (one flow per tenant). Exactly one of those that wait has
// the turn; it alone asks the store, and waits as long as the store says. When it leaves, the next
// one gets the turn and its signal is notified on its own loop.
//
// Who is next is deficit round robin (Shreedhar and Varghese, 1995): the flows are in a ring; a
// flow that is visited may spend kQuantumTokens more than it has left over, call by call in their
// order; a flow that nobody waits in owns nothing. So while two flows wait, the tokens that they
// were given differ by at most kQuantumTokens and one call, whatever their calls look like; and a
// flow that comes anew waits for no more than one visit to each of the others before its first
// kQuantumTokens. A call that has had the turn has spent its tokens, also if it gave up.
//
// Thread-safe; a mutex guards it, which only calls that wait take. `waiting()` is one atomic.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "server/base/event_loop.h"
#include "server/base/mutex.h"
#include "server/base/signal.h"

namespace pingti::quota {

inline constexpr int64_t kQuantumTokens = 4'000;

class WaitingLine {
 public:
  class Place;

  // Who may take the room that is left. kOneFlow: whoever comes. kShared: a flow may not hold more
  // places than are free, so that a flood leaves room for others: with k floods each has
  // 1/(k + 1) of the line.
  enum class Room { kOneFlow, kShared };

  // At most `waiting_max` at once, with the one that has the turn.
  explicit WaitingLine(int waiting_max, Room room = Room::kOneFlow);
  // REQUIRES: nobody is in it.
  ~WaitingLine();
  WaitingLine(const WaitingLine&) = delete;
  WaitingLine& operator=(const WaitingLine&) = delete;

  // False: the line is full. `flow` is the tenant. `place` stays where it is until it has left.
  // `loop` and `signal` are those of the call, which runs on `loop` and outlives `place`. In an
  // empty line the place has the turn when this returns, and is not notified; else `signal` is
  // notified once, after the turn has come to it.
  //
  // REQUIRES: `place` is in no line; called on the thread of `loop`.
  bool Join(Place* place, std::string_view flow, int64_t tokens, base::EventLoop& loop,
            base::Signal& signal);

  // On the thread of the place's loop. Nothing if it is in no line. Its signal is never notified
  // after that. The next one gets the turn if `place` had it.
  void Leave(Place* place);

  int waiting() const { return waiting_.load(std::memory_order_relaxed); }
  int64_t tokens_waiting() const { return tokens_waiting_.load(std::memory_order_relaxed); }

  struct Ahead {
    int calls = 0;
    int64_t tokens = 0;
  };
  // Who would be served before a call that joined now, if nobody came or gave up after it; with the
  // one that has the turn. In a line with several flows far less than all that wait.
  Ahead AheadOfNew(std::string_view flow, int64_t tokens) const;

 private:
  class Ticket;
  struct Flow;
  using Ring = std::list<Flow>;

  void Remove(Ticket* ticket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetFlow(Ring::iterator flow) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Ahead AheadOf(const Ticket& ticket) const;
  // Of a call of `own` (null: a flow that is not there yet) with all that wait in it before `end`
  // (null: with all of them). REQUIRES: somebody has the turn.
  Ahead CountAhead(const Flow* own, const Ticket* end, int64_t tokens) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int waiting_max_;
  const Room room_;
  std::atomic<int> waiting_{0};             // written under mutex_
  std::atomic<int64_t> tokens_waiting_{0};  // written under mutex_

  mutable base::Mutex mutex_;
  Ring ring_ ABSL_GUARDED_BY(mutex_);  // flows in which somebody waits; the next is first
  bool visited_ ABSL_GUARDED_BY(mutex_) = false;  // the first has had its quantum for this visit
  std::map<std::string, Ring::iterator, std::less<>> flows_ ABSL_GUARDED_BY(mutex_);
  Ticket* holder_ ABSL_GUARDED_BY(mutex_) = nullptr;  // in no flow any more; null: line is empty
};

// One call's place. Lives in the call, on its loop thread, where all of it is used; leaves the line
// when it is destroyed. It can join again after it has left.
class WaitingLine::Place {
 public:
  Place() = default;
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  bool in_line() const { return ticket_ != nullptr; }
  bool has_turn() const;

  // 1: has the turn, 2: is next, ... exactly, if from now on nobody came and nobody gave up. 0: is
  // in no line. Takes the line's mutex and time in proportion to those ahead and the flows.
  int position() const;

  // Tokens of all who are before it in that order, with the one that has the turn.
  int64_t tokens_ahead() const;

 private:
  friend class WaitingLine;
  WaitingLine* line_ = nullptr;
  Ticket* ticket_ = nullptr;  // owned; see Ticket
};

}  // namespace pingti::quota
