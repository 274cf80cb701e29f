// The one thing that the coroutine of a call waits on.
//
// Everything that a call can wait for (bytes from a provider, room towards the caller, a timer, a
// cancel) first changes its own state and then notifies the call's Signal; the coroutine wakes,
// looks at all of them and waits again. So no wake-up is lost, and nothing has to be "selected".
//
// Thread-safety: none; a Signal belongs to one loop thread. Notify() resumes the waiter inside the
// call, so it may be called only where the notifier can bear being destroyed by it.
#pragma once

#include <coroutine>
#include <utility>

#include "server/base/check.h"

namespace pingti::base {

class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  // Wakes the waiter, or lets the next Wait() return at once. Several notifications without a
  // Wait() in between are one.
  void Notify() {
    if (waiter_) {
      std::exchange(waiter_, nullptr).resume();
    } else {
      notified_ = true;
    }
  }

  class Awaiter {
   public:
    explicit Awaiter(Signal& signal) : signal_(signal) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    bool await_ready() const { return std::exchange(signal_.notified_, false); }
    void await_suspend(std::coroutine_handle<> waiter) {
      PINGTI_CHECK(!signal_.waiter_, "a Signal has one waiter");
      signal_.waiter_ = waiter;
    }
    void await_resume() const {}

   private:
    Signal& signal_;
  };

  // co_await signal.Wait(): returns after the next Notify(), or at once if one came since the last
  // Wait().
  Awaiter Wait() { return Awaiter(*this); }

 private:
  std::coroutine_handle<> waiter_;
  bool notified_ = false;
};

}  // namespace pingti::base
