#include "server/quota/bucket_set.h"

#include <algorithm>
#include <utility>

namespace pingti::quota {
namespace {

constexpr int kSlot = static_cast<int>(Dimension::kCallsAtOnce);

Dimension At(int i) { return static_cast<Dimension>(i); }

int64_t AmountOf(int i, int64_t tokens) { return CountsTokens(At(i)) ? tokens : 1; }

void Longest(Shortage found, std::optional<Shortage>* longest) {
  if (!*longest || found.wait > (*longest)->wait) *longest = found;
}

std::optional<config::Limit> Share(const std::optional<config::Limit>& whole, int replicas) {
  if (!whole) return std::nullopt;
  const int64_t burst = whole->burst == 0 ? 0 : std::max<int64_t>(1, whole->burst / replicas);
  const int64_t limit = whole->limit / replicas;
  return config::Limit(limit, std::min(burst, limit), whole->shadow);
}

config::ClassLimits ShareOf(const config::ClassLimits& whole, int replicas) {
  return config::ClassLimits{
      .requests_per_minute = Share(whole.requests_per_minute, replicas),
      .tokens_per_minute = Share(whole.tokens_per_minute, replicas),
      .requests_per_day = Share(whole.requests_per_day, replicas),
      .tokens_per_day = Share(whole.tokens_per_day, replicas),
      .calls_at_once = Share(whole.calls_at_once, replicas),
  };
}

}  // namespace

BucketSet::BucketSet(std::string subject, const config::ClassLimits& limits, Options options)
    : limited_(std::make_shared<Limited>()),
      slots_taken_(std::make_shared<std::atomic<int64_t>>(0)),
      subject_(std::move(subject)),
      limits_(limits),
      options_(std::move(options)) {
  closed_ = options_.suspended;
  for (int i = 0; i < kDimensionCount; ++i) {
    const std::optional<config::Limit>& limit = LimitOf(limits_, At(i));
    if (!limit) continue;
    if (limit->shadow) in_shadow_ |= ShadowBit(At(i));
    if (i == kSlot) slots_ = limit->limit;
    if (limit->limit == 0) {
      if (!limit->shadow) closed_ = true;
      if (limit->shadow && i != kSlot) zero_in_shadow_ |= ShadowBit(At(i));
    } else if (i != kSlot) {
      limited_->buckets[i].emplace(limit->limit, limit->capacity(), WindowOf(At(i)));
      present_ |= ShadowBit(At(i));
    }
  }
  if (options_.replicas > 0) {
    Options share = options_;
    share.replicas = 0;
    local_share_ = std::make_unique<BucketSet>(subject_, ShareOf(limits_, options_.replicas),
                                               std::move(share));
  }
}

std::optional<Shortage> BucketSet::Closed(int64_t tokens) const {
  Shortage shortage;
  for (int i = 0; i < kDimensionCount; ++i) {
    const std::optional<config::Limit>& limit = LimitOf(limits_, At(i));
    if (!limit || limit->limit != 0 || limit->shadow) continue;
    shortage.dimension = At(i);
    break;
  }
  shortage.requested = AmountOf(static_cast<int>(shortage.dimension), tokens);
  shortage.wait = absl::InfiniteDuration();
  return shortage;
}

Bucket::State BucketSet::SlotState(int64_t taken) const {
  return Bucket::State{.limit = slots_,
                       .capacity = slots_,
                       .remaining = slots_ - taken,
                       .full_in = taken == 0 ? absl::ZeroDuration() : kSlotWait};
}

std::optional<Shortage> BucketSet::TestSlot() const {
  if (slots_ < 0 || InShadow(kSlot)) return std::nullopt;
  const int64_t taken = slots_taken_->load(std::memory_order_relaxed);
  if (taken < slots_) return std::nullopt;
  return Shortage{.dimension = Dimension::kCallsAtOnce,
                  .state = SlotState(taken),
                  .requested = 1,
                  .wait = kSlotWait};
}

bool BucketSet::TakeSlot(uint8_t* shadow) {
  if (slots_ < 0) return true;
  int64_t taken = slots_taken_->load(std::memory_order_relaxed);
  do {
    if (taken >= slots_ && !InShadow(kSlot)) return false;
  } while (!slots_taken_->compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
  if (taken >= slots_) *shadow |= ShadowBit(Dimension::kCallsAtOnce);
  return true;
}

std::optional<Shortage> BucketSet::Look(int64_t tokens, base::Instant now, Seen* seen) const {
  if (closed_) return Closed(tokens);
  std::optional<Shortage> longest;
  for (int i = 0; i < kBucketCount; ++i) {
    const Bucket* limit = bucket(i);
    if (limit == nullptr) continue;
    const int64_t amount = AmountOf(i, tokens);
    const std::optional<absl::Duration> wait = limit->Look(amount, now, &(*seen)[i]);
    if (!wait || InShadow(i)) continue;
    Longest(
        Shortage{.dimension = At(i), .state = limit->Read(now), .requested = amount, .wait = *wait},
        &longest);
  }
  if (const auto slot = TestSlot()) Longest(*slot, &longest);
  return longest;
}

std::optional<Shortage> BucketSet::TakeSeen(int64_t tokens, base::Instant now, Seen* seen,
                                            uint8_t* shadow, ScopeStates* states) {
  if (closed_) return Closed(tokens);
  uint8_t spared = zero_in_shadow_;
  for (int i = 0; i < kBucketCount; ++i) {
    Bucket* limit = bucket(i);
    if (limit == nullptr) continue;
    const int64_t amount = AmountOf(i, tokens);
    Bucket::State* after = states == nullptr ? nullptr : &(*states)[i].emplace();
    const std::optional<absl::Duration> wait = limit->TakeSeen(amount, now, &(*seen)[i], after);
    if (!wait) continue;
    if (InShadow(i)) {
      spared |= ShadowBit(At(i));
      if (after != nullptr) *after = limit->Read(now);
      continue;
    }
    PutBack(i, tokens, now, spared);
    return Shortage{
        .dimension = At(i), .state = limit->Read(now), .requested = amount, .wait = *wait};
  }
  if (!TakeSlot(&spared)) {
    PutBack(kBucketCount, tokens, now, spared);
    return Shortage{.dimension = Dimension::kCallsAtOnce,
                    .state = SlotState(slots_taken_->load(std::memory_order_relaxed)),
                    .requested = 1,
                    .wait = kSlotWait};
  }
  if (states != nullptr && slots_ >= 0) {
    (*states)[kSlot] = SlotState(slots_taken_->load(std::memory_order_relaxed));
  }
  *shadow |= spared;
  return std::nullopt;
}

void BucketSet::PutBack(int count, int64_t tokens, base::Instant now, uint8_t shadow) {
  for (int i = 0; i < count; ++i) {
    Bucket* taken = bucket(i);
    if (taken != nullptr && !Spared(i, shadow)) taken->Adjust(-AmountOf(i, tokens), now);
  }
}

std::optional<Shortage> BucketSet::Take(int64_t tokens, base::Instant now, uint8_t* shadow) {
  // Looks first, so that a call that is refused takes nothing even for a moment, and learns the
  // longest wait.
  Seen seen;
  if (auto shortage = Look(tokens, now, &seen)) return shortage;
  return TakeSeen(tokens, now, &seen, shadow, nullptr);
}

std::optional<Shortage> BucketSet::Test(int64_t tokens, base::Instant now) const {
  Seen seen;
  return Look(tokens, now, &seen);
}

int64_t BucketSet::AdjustTokens(int64_t delta, base::Instant now, uint8_t shadow) {
  int64_t debt = 0;
  for (const Dimension dimension : {Dimension::kTokensPerMinute, Dimension::kTokensPerDay}) {
    const int i = static_cast<int>(dimension);
    Bucket* limit = bucket(i);
    if (limit == nullptr || Spared(i, shadow)) continue;
    const int64_t change = limit->Adjust(delta, now);
    if (dimension == Dimension::kTokensPerMinute) debt = change;
  }
  return debt;
}

void BucketSet::GiveRequestBack(base::Instant now, uint8_t shadow) {
  for (const Dimension dimension : {Dimension::kRequestsPerMinute, Dimension::kRequestsPerDay}) {
    const int i = static_cast<int>(dimension);
    Bucket* limit = bucket(i);
    if (limit != nullptr && !Spared(i, shadow)) limit->Adjust(-1, now);
  }
}

void BucketSet::FreeSlot() {
  if (slots_ < 0) return;
  int64_t taken = slots_taken_->load(std::memory_order_relaxed);
  // Never below 0, so that a slot which is freed twice cannot admit one call too many.
  while (taken > 0 &&
         !slots_taken_->compare_exchange_weak(taken, taken - 1, std::memory_order_relaxed)) {
  }
}

void BucketSet::Correct(Dimension dimension, int64_t remaining, absl::Duration not_before,
                        base::Instant now) {
  if (dimension == Dimension::kCallsAtOnce) return;
  if (Bucket* limit = bucket(static_cast<int>(dimension))) {
    limit->Correct(remaining, not_before, now);
  }
}

std::optional<Dimension> BucketSet::HoldingDimension() const {
  for (const Dimension dimension : {Dimension::kRequestsPerMinute, Dimension::kTokensPerMinute,
                                    Dimension::kRequestsPerDay, Dimension::kTokensPerDay}) {
    const int i = static_cast<int>(dimension);
    if (bucket(i) != nullptr && !InShadow(i)) return dimension;
  }
  return std::nullopt;
}

std::optional<Bucket::State> BucketSet::Read(Dimension dimension, base::Instant now) const {
  if (dimension == Dimension::kCallsAtOnce) {
    if (slots_ < 0) return std::nullopt;
    return SlotState(slots_taken_->load(std::memory_order_relaxed));
  }
  if (const Bucket* limit = bucket(static_cast<int>(dimension))) return limit->Read(now);
  // A limit of 0 has no bucket.
  if (limit(dimension)) return Bucket::State();
  return std::nullopt;
}

ScopeStates BucketSet::ReadAll(base::Instant now) const {
  ScopeStates states;
  for (int i = 0; i < kDimensionCount; ++i) states[i] = Read(At(i), now);
  return states;
}

void BucketSet::Adopt(BucketSet& old, base::Instant now) {
  old.limited_->heir = limited_;
  for (int i = 0; i < kBucketCount; ++i) {
    if (bucket(i) != nullptr && old.bucket(i) != nullptr) bucket(i)->Adopt(*old.bucket(i), now);
  }
  slots_taken_ = old.slots_taken_;
  if (local_share_ && old.local_share_) local_share_->Adopt(*old.local_share_, now);
}

}  // namespace pingti::quota
