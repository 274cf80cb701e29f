// One limit: a bucket that refills continuously, in exact integers (bucket_rule.h has the law).
//
// Thread-safe without a lock: the whole state (used, when) is one 16-byte atomic. Time comes in as
// a value. A bucket whose limit is changed by a reload hands its state to its successor in one step
// and passes everything on from then, so that calls that began before lose nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/quota/bucket_rule.h"

namespace pingti::quota {

class alignas(64) Bucket {
 public:
  struct State {
    int64_t limit = 0;       // per window
    int64_t capacity = 0;    // the most that it holds; less than `limit` where bursts are limited
    int64_t remaining = 0;   // whole units; negative while in debt
    absl::Duration full_in;  // until it is full if nothing is taken
  };

  // A full bucket. REQUIRES: what BucketRule::For() does.
  Bucket(int64_t limit, int64_t capacity, absl::Duration window);
  Bucket(int64_t limit, absl::Duration window) : Bucket(limit, limit, window) {}
  Bucket(const Bucket&) = delete;
  Bucket& operator=(const Bucket&) = delete;

  // Takes `amount` if it fits. Otherwise takes nothing and says how long to wait until it would fit
  // if nobody else takes any: exact to the microsecond; InfiniteDuration where `amount` is more
  // than it ever holds. REQUIRES: amount >= 0.
  std::optional<absl::Duration> Take(int64_t amount, base::Instant now);

  // What Take() would answer, without taking.
  std::optional<absl::Duration> Test(int64_t amount, base::Instant now) const;

  // Take() in two steps, for several buckets at once: look at all of them, then take from each with
  // what was seen there. What others have changed in between is seen anew. Both leave in `*seen`
  // what was there; `*after`, where given, is the state after the amount was taken.
  std::optional<absl::Duration> Look(int64_t amount, base::Instant now, BucketLevel* seen) const;
  std::optional<absl::Duration> TakeSeen(int64_t amount, base::Instant now, BucketLevel* seen,
                                         State* after);

  // Takes `delta` more, also into debt (delta > 0), or gives -delta back (delta < 0; never past
  // full). By how many units, rounded up, that has changed the debt.
  int64_t Adjust(int64_t delta, base::Instant now);

  // At most `remaining` are left now, and none before `now` + `not_before` (zero: that says
  // nothing; at most kNotBeforeMax): one unit fits then, and not a microsecond earlier. Never
  // raises. What is given back afterwards shortens that time.
  void Correct(int64_t remaining, absl::Duration not_before, base::Instant now);

  State Read(base::Instant now) const;
  const BucketRule& rule() const { return rule_; }

  // Takes over what is used in `old` (or in what has taken over from that): as much is used here
  // then. From then on `old` passes everything on to this one. REQUIRES: nobody uses this bucket
  // yet, and it lives as long as `old`.
  void Adopt(Bucket& old, base::Instant now);

 private:
  // `at` of a level that has gone to the successor.
  static constexpr int64_t kMoved = INT64_MIN;

  State StateOf(const BucketLevel& level, base::Instant now) const;
  Bucket& successor() const { return *successor_.load(std::memory_order_acquire); }

  const BucketRule rule_;
  std::atomic<BucketLevel> level_;
  std::atomic<Bucket*> successor_{nullptr};
};

}  // namespace pingti::quota
