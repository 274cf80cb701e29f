// Takes a target out of use while it fails, and finds out when it is back.
//
// One for each key of a provider and model there. Only failures that are the target's own fault are
// told to it (failure_table.h): "busy", a bad request or a cancel never open it. Open, it lets
// nothing pass; when its time is over one probe may go, whose result closes it or opens it for
// longer. The numbers are those of gRPC A6, Envoy and brpc.
//
// Pure: time comes in as a value. Thread-safety: none; belongs to a worker's loop thread.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/routing/recent_counts.h"

namespace pingti::routing {

struct BreakerOptions {
  int failures_in_a_row = 5;  // open it
  // So does this share of the attempts of the last 10 s, where there were at least so many.
  double failure_share = 0.5;
  int attempts_min = 20;
  // Open for this long, times the openings since it was last healthy, up to the maximum.
  absl::Duration open_for = absl::Seconds(30);
  absl::Duration open_for_max = absl::Seconds(300);
};

class Breaker {
 public:
  explicit Breaker(const BreakerOptions& options = {}) : options_(options) {}

  // Whether an attempt may be made now. Changes nothing.
  bool Allows(base::Instant now) const {
    return !open_ || (now >= open_until_ && !probe_under_way_);
  }
  // An attempt begins. True: it is the probe, which its end has to say. REQUIRES: Allows(now).
  bool OnStart() {
    probe_under_way_ |= open_;
    return open_;
  }
  // It ended; each OnStart() is followed by one of these. Of the attempts that began before it
  // opened nothing is learned.
  void OnSuccess(bool probe, base::Instant now);
  // True: this has opened the breaker, or keeps it open.
  bool OnFailure(bool probe, base::Instant now);
  // Neither: the caller left, or the target was only busy. A probe may then be made again.
  void OnNeither(bool probe) {
    if (probe) probe_under_way_ = false;
  }

  bool open() const { return open_; }
  // When the next probe may go. Valid while open().
  base::Instant open_until() const { return open_until_; }

 private:
  void Open(base::Instant now);

  BreakerOptions options_;
  RecentCounts recent_;  // first: attempts, second: failures
  int failures_in_a_row_ = 0;
  int openings_ = 0;  // since it was last healthy
  bool open_ = false;
  bool probe_under_way_ = false;
  base::Instant open_until_;
  base::Instant healthy_since_;  // when a probe closed it last
};

}  // namespace pingti::routing
