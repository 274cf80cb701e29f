// base::EventLoop and base::Timer in virtual time: everything happens in the order of its time, and
// nothing takes any.
//
// virtual_loop.cc defines the members of both classes itself, so that the program is linked with
// them and not with those of libevent: the code under test is the code that is shipped, timers
// included, and no system call is made. Timers fire a little before or after their time, as real
// ones do. Thread-safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/event_loop.h"
#include "tests/fakes/fake_clock.h"
#include "tests/simulation/seeded_random.h"

namespace pingti::simulation {

// A timer fires at most so much after its time.
inline constexpr absl::Duration kTimerLateMax = absl::Milliseconds(3);

class VirtualLoop {
 public:
  using Key = std::pair<base::Instant, uint64_t>;

  VirtualLoop() = default;
  VirtualLoop(const VirtualLoop&) = delete;
  VirtualLoop& operator=(const VirtualLoop&) = delete;

  // What is behind `loop`, which owns it.
  static VirtualLoop& Of(base::EventLoop& loop);

  // Before anything else. Both outlive the loop; `lateness` is drawn from for each timer.
  void Use(fakes::FakeClock& clock, SeededRandom& lateness) {
    clock_ = &clock;
    lateness_ = &lateness;
  }
  base::Instant now() const { return clock_->MonotonicNow(); }

  // What is due at the same time happens in the order in which it was asked for.
  Key At(base::Instant when, std::function<void()> action);
  void After(absl::Duration delay, std::function<void()> action) {
    At(now() + delay, std::move(action));
  }
  // When a timer fires that is armed now for `delay`.
  base::Instant TimerDue(absl::Duration delay);
  void Drop(const Key& key) { queue_.erase(key); }

  // Moves the clock to what is next, and does it. False: nothing is left.
  bool RunNext();

 private:
  fakes::FakeClock* clock_ = nullptr;
  SeededRandom* lateness_ = nullptr;
  uint64_t asked_ = 0;
  std::map<Key, std::function<void()>> queue_;
};

}  // namespace pingti::simulation
