#include "server/quota/bucket.h"

#include "server/base/check.h"

namespace pingti::quota {

// A level may have become the successor's between any two steps; every loop looks for that. Loads
// acquire, so that whoever sees a level gone also sees where to.

Bucket::Bucket(int64_t limit, int64_t capacity, absl::Duration window)
    : rule_(BucketRule::For(limit, capacity, window)), level_(BucketLevel()) {}

std::optional<absl::Duration> Bucket::Look(int64_t amount, base::Instant now,
                                           BucketLevel* seen) const {
  *seen = level_.load(std::memory_order_acquire);
  if (seen->at == kMoved) [[unlikely]] {
    return successor().Test(amount, now);
  }
  const BucketLevel level = rule_.Decay(*seen, rule_.TickOf(now));
  if (rule_.Fits(level, amount)) return std::nullopt;
  return rule_.Wait(level, amount, now);
}

std::optional<absl::Duration> Bucket::Test(int64_t amount, base::Instant now) const {
  BucketLevel seen;
  return Look(amount, now, &seen);
}

std::optional<absl::Duration> Bucket::TakeSeen(int64_t amount, base::Instant now, BucketLevel* seen,
                                               State* after) {
  const int64_t tick = rule_.TickOf(now);
  while (seen->at != kMoved) [[likely]] {
    const BucketLevel level = rule_.Decay(*seen, tick);
    if (!rule_.Fits(level, amount)) return rule_.Wait(level, amount, now);
    const BucketLevel next = rule_.Taken(level, amount);
    if (level_.compare_exchange_weak(*seen, next, std::memory_order_acquire)) {
      if (after != nullptr) *after = StateOf(next, now);
      return std::nullopt;
    }
  }
  Bucket& next = successor();
  BucketLevel there = next.level_.load(std::memory_order_acquire);
  return next.TakeSeen(amount, now, &there, after);
}

std::optional<absl::Duration> Bucket::Take(int64_t amount, base::Instant now) {
  BucketLevel seen = level_.load(std::memory_order_acquire);
  return TakeSeen(amount, now, &seen, nullptr);
}

int64_t Bucket::Adjust(int64_t delta, base::Instant now) {
  if (delta == 0) return 0;
  const int64_t tick = rule_.TickOf(now);
  BucketLevel seen = level_.load(std::memory_order_acquire);
  while (seen.at != kMoved) [[likely]] {
    const BucketLevel before = rule_.Decay(seen, tick);
    const BucketLevel next = rule_.Adjusted(before, delta);
    if (level_.compare_exchange_weak(seen, next, std::memory_order_acquire)) {
      return rule_.Debt(next) - rule_.Debt(before);
    }
  }
  return successor().Adjust(delta, now);
}

void Bucket::Correct(int64_t remaining, absl::Duration not_before, base::Instant now) {
  const int64_t tick = rule_.TickOf(now);
  BucketLevel seen = level_.load(std::memory_order_acquire);
  while (seen.at != kMoved) [[likely]] {
    const BucketLevel next = rule_.Corrected(rule_.Decay(seen, tick), remaining, not_before, now);
    if (level_.compare_exchange_weak(seen, next, std::memory_order_acquire)) return;
  }
  successor().Correct(remaining, not_before, now);
}

Bucket::State Bucket::StateOf(const BucketLevel& level, base::Instant now) const {
  return State{.limit = rule_.limit,
               .capacity = rule_.capacity,
               .remaining = rule_.Remaining(level),
               .full_in = rule_.FullIn(level, now)};
}

Bucket::State Bucket::Read(base::Instant now) const {
  const BucketLevel seen = level_.load(std::memory_order_acquire);
  if (seen.at == kMoved) [[unlikely]] {
    return successor().Read(now);
  }
  return StateOf(rule_.Decay(seen, rule_.TickOf(now)), now);
}

void Bucket::Adopt(Bucket& old, base::Instant now) {
  PINGTI_CHECK(this != &old, "a bucket does not succeed itself");
  BucketLevel seen = old.level_.load(std::memory_order_acquire);
  if (seen.at == kMoved) {
    if (&old.successor() != this) Adopt(old.successor(), now);
    return;
  }
  old.successor_.store(this, std::memory_order_release);
  const BucketLevel moved{.used = 0, .at = kMoved};
  // This one has its state before anybody is sent here: that happens with the exchange.
  do {
    const BucketLevel level = old.rule_.Decay(seen, old.rule_.TickOf(now));
    level_.store(rule_.Converted(level, old.rule_), std::memory_order_relaxed);
  } while (!old.level_.compare_exchange_weak(seen, moved, std::memory_order_acq_rel,
                                             std::memory_order_acquire));
}

}  // namespace pingti::quota
