// A clock that stands still until it is moved. Thread-safety: none.
#pragma once

#include "absl/time/time.h"
#include "server/base/clock.h"

namespace pingti::fakes {

// Where a FakeClock begins.
inline constexpr base::Instant kNow = base::Instant::FromNanos(1'000'000'000'000);

class FakeClock final : public base::Clock {
 public:
  absl::Time Now() const override { return wall_; }
  base::Instant MonotonicNow() const override { return monotonic_; }

  void Advance(absl::Duration by) {
    wall_ += by;
    monotonic_ = monotonic_ + by;
  }
  // Moves the wall clock only, as an operator or NTP may.
  void StepWall(absl::Duration by) { wall_ += by; }

 private:
  absl::Time wall_ = absl::FromUnixSeconds(1'800'000'000);
  base::Instant monotonic_ = kNow;
};

}  // namespace pingti::fakes
