// How many calls a worker can have in flight without keeping them waiting, and without running out
// of memory: found out while it works.
//
// A sensor (LoopDelay) notes how long calls wait for the loop, a pure controller
// (OverloadController) makes a limit of it, and a limiter (gate.h) keeps to it. A worker that has
// more than it can do gets slower for everybody, calls time out after they were paid for, and are
// sent again; so it is better to refuse some at once. Thread-safety: none; belongs to the loop
// thread.
#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace pingti::admission {

// How long calls waited for the loop since the last Take(): the shortest time. After a burst some
// wait long, but soon one does not; where even the luckiest waits long, the loop does not keep up.
class LoopDelay {
 public:
  void Note(absl::Duration waited) { least_ = std::min(least_, waited); }
  // Infinite: nobody came.
  absl::Duration Take() {
    const absl::Duration least = least_;
    least_ = absl::InfiniteDuration();
    return least;
  }

 private:
  absl::Duration least_ = absl::InfiniteDuration();
};

struct OverloadOptions {
  int calls_max = 20'000;                              // the limit where nothing is wrong
  absl::Duration delay_max = absl::Milliseconds(100);  // 0: delays do not matter
  // Shares of the memory that the process may use, in thousandths; 0: memory does not matter.
  int memory_low = 850;   // from here on fewer calls
  int memory_high = 950;  // from here on none
};

// Pure: what it knows comes in with Update().
class OverloadController {
 public:
  // Update() is called so often.
  static constexpr absl::Duration kStep = absl::Milliseconds(100);
  // So many late steps in a row lower the limit, and again after as many: a burst is over by then.
  static constexpr int kLateSteps = 10;
  // Delays never bring it below this.
  static constexpr int kLimitMin = 16;

  struct Sample {
    int calls = 0;                                    // in flight
    absl::Duration delay = absl::InfiniteDuration();  // of LoopDelay
    int memory = 0;                                   // used, in thousandths
  };

  explicit OverloadController(const OverloadOptions& options)
      : options_(options), limit_(options.calls_max) {}

  // Notes what the last step has seen. Returns the limit from now on.
  int Update(const Sample& sample);

  // Calls in flight: 0 to calls_max.
  int limit() const { return limit_; }
  // It is lower than it would be if nothing were wrong.
  bool lowered() const { return limit_ < options_.calls_max; }

 private:
  void Lower(int calls);
  void Raise();

  const OverloadOptions options_;
  int limit_;
  int late_steps_ = 0;   // in a row
  int tight_steps_ = 0;  // memory; in a row
};

}  // namespace pingti::admission
