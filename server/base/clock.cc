#include "server/base/clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace pingti::base {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
  Instant MonotonicNow() const override {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return Instant::FromNanos(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
  }
};

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

}  // namespace pingti::base
