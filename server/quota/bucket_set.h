// All limits of one scope: a tenant's for a class of models, an API key's, or those that we have at
// a provider.
//
// Shared by all workers and thread-safe without a lock; the book holds it, and whoever holds the
// book may use it. The state in it is that of this process; where replicas share a store, it is
// `local_share()` that is used while the store is down.
//
// A limit in shadow mode never refuses. A bucket in shadow mode that would have refused takes
// nothing, as if it had; whoever took gets it as a bit (ShadowBit) and hands that bit back with
// what he gives back. Calls at once in shadow mode are always counted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/config/config.h"
#include "server/quota/bucket.h"
#include "server/quota/dimension.h"

namespace pingti::quota {

// What a call that lacks a slot is told to wait: nobody knows when another one ends.
inline constexpr absl::Duration kSlotWait = absl::Seconds(1);

constexpr uint8_t ShadowBit(Dimension dimension) {
  return static_cast<uint8_t>(1 << static_cast<int>(dimension));
}

// State of each limit by dimension; absent: not limited.
using ScopeStates = std::array<std::optional<Bucket::State>, kDimensionCount>;

// What one limit lacks for a request.
struct Shortage {
  Dimension dimension = Dimension::kRequestsPerMinute;
  Bucket::State state;
  int64_t requested = 0;
  absl::Duration wait;
};

class alignas(64) BucketSet {
 public:
  struct Options {
    config::StoreDownPolicy when_store_is_down = config::StoreDownPolicy::kLocal;
    // Above 0: makes local_share(), with limit / replicas of everything, rounded down.
    int replicas = 0;
    // What replicas must have in common to share a bucket: `tenant:acme`. Hash tag in Redis.
    std::string owner;
    // Refuses everything, whatever the limits are.
    bool suspended = false;
    friend bool operator==(const Options&, const Options&) = default;
  };

  // Limits that are absent in `limits` are not enforced. A limit of 0 means no access (`closed()`).
  BucketSet(std::string subject, const config::ClassLimits& limits, Options options);
  BucketSet(std::string subject, const config::ClassLimits& limits)
      : BucketSet(std::move(subject), limits, Options()) {}

  // For example `tenant:acme/class:gpt-4o`, `tenant:acme/key:ab12`, `provider:openai/class:gpt-4o`.
  const std::string& subject() const { return subject_; }
  const std::string& owner() const { return options_.owner; }
  const config::ClassLimits& limits() const { return limits_; }
  const Options& options() const { return options_; }
  const std::optional<config::Limit>& limit(Dimension dimension) const {
    return LimitOf(limits_, dimension);
  }
  // Whether it admits nothing: suspended, or a limit that is enforced is 0.
  bool closed() const { return closed_; }
  config::StoreDownPolicy when_store_is_down() const { return options_.when_store_is_down; }
  // Null: no other replica.
  BucketSet* local_share() const { return local_share_.get(); }

  // One request and `tokens` from all limits, or nothing from any. A concurrent call may see a
  // limit fuller than it is while another one that is refused by a later limit puts back what it
  // took: it may be refused early then, never admitted wrongly. On refusal: the limit with the
  // longest wait. Limits in shadow mode never refuse; those that would have are or-ed into
  // `*shadow`. REQUIRES: tokens >= 0.
  std::optional<Shortage> Take(int64_t tokens, base::Instant now, uint8_t* shadow);
  // What Take() would answer, without taking.
  std::optional<Shortage> Test(int64_t tokens, base::Instant now) const;

  // Take() in two steps, for several sets at once: Look() at all, then TakeSeen() from each.
  using Seen = std::array<BucketLevel, kBucketCount>;
  std::optional<Shortage> Look(int64_t tokens, base::Instant now, Seen* seen) const;
  // `*states`, where given: after the taking.
  std::optional<Shortage> TakeSeen(int64_t tokens, base::Instant now, Seen* seen, uint8_t* shadow,
                                   ScopeStates* states);
  // Puts the memory of the limits on its way to this CPU.
  void Prefetch() const {
    for (const std::optional<Bucket>& bucket : limited_->buckets) __builtin_prefetch(&bucket, 1);
    __builtin_prefetch(slots_taken_.get(), 1);
  }

  // Takes more tokens, also into debt (above 0), or gives them back (below 0). The change of the
  // debt of tokens per minute, in tokens. `shadow` is what Take() gave.
  int64_t AdjustTokens(int64_t delta, base::Instant now, uint8_t shadow = 0);
  void GiveRequestBack(base::Instant now, uint8_t shadow = 0);
  void FreeSlot();
  // Bucket::Correct() of that limit. Nothing for calls at once, or where there is no such limit.
  void Correct(Dimension dimension, int64_t remaining, absl::Duration not_before,
               base::Instant now);
  // The limit to correct where no call at all may go for a while: requests per minute, else tokens
  // per minute, else those of the day. Nothing: no limit is enforced that refills.
  std::optional<Dimension> HoldingDimension() const;

  // State of one limit; absent: not limited.
  std::optional<Bucket::State> Read(Dimension dimension, base::Instant now) const;
  ScopeStates ReadAll(base::Instant now) const;

  // Takes over what was used up in `old`, which had other limits, and its calls at once. What calls
  // that began with `old` still do there arrives here. REQUIRES: this set is new, and `old` has no
  // other heir.
  void Adopt(BucketSet& old, base::Instant now);

 private:
  // The memory of the buckets. It holds on to what its buckets have been moved to.
  struct Limited {
    std::array<std::optional<Bucket>, kBucketCount> buckets;  // absent: not limited
    std::shared_ptr<Limited> heir;
  };

  // Looks at `present_`, not into the optional, which is in another cache line.
  Bucket* bucket(int i) const {
    return (present_ >> i & 1) != 0 ? &*limited_->buckets[i] : nullptr;
  }
  bool InShadow(int i) const { return (in_shadow_ >> i & 1) != 0; }
  // Whether nothing was taken from bucket `i`.
  bool Spared(int i, uint8_t shadow) const { return (in_shadow_ & shadow) >> i & 1; }
  std::optional<Shortage> Closed(int64_t tokens) const;
  Bucket::State SlotState(int64_t taken) const;
  std::optional<Shortage> TestSlot() const;
  bool TakeSlot(uint8_t* shadow);
  void PutBack(int count, int64_t tokens, base::Instant now, uint8_t shadow);

  // What every call reads, in one cache line.
  const std::shared_ptr<Limited> limited_;
  std::shared_ptr<std::atomic<int64_t>> slots_taken_;  // an heir counts in the same
  int64_t slots_ = -1;                                 // calls at once; -1: not limited
  bool closed_ = false;
  uint8_t present_ = 0;    // one bit for each bucket
  uint8_t in_shadow_ = 0;  // one ShadowBit for each limit in shadow mode
  uint8_t zero_in_shadow_ = 0;

  const std::string subject_;
  const config::ClassLimits limits_;
  const Options options_;
  std::unique_ptr<BucketSet> local_share_;
};

}  // namespace pingti::quota
