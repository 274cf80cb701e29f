#include "tests/contract/trace.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "server/base/strings.h"
#include "server/quota/reservation.h"
#include "tests/contract/exact_model.h"

namespace pingti::quota {
namespace {

constexpr size_t kHeldMax = 32;
constexpr int64_t kNotBeforeUsMax = 3'600'000'000;

// Takes a number apart.
class Bits {
 public:
  explicit Bits(uint64_t word) : word_(word) {}
  int64_t Below(int64_t n) {
    const auto value = static_cast<int64_t>(word_ % static_cast<uint64_t>(n));
    word_ /= static_cast<uint64_t>(n);
    return value;
  }
  bool Chance(int64_t one_in) { return Below(one_in) == one_in - 1; }

 private:
  uint64_t word_;
};

// One limit of the store's set, as the model sees it.
struct ModelLimit {
  ExactBucket bucket;
  WindowBound bound;
  explicit ModelLimit(ExactBucket made) : bucket(made), bound(bucket) {}
};

struct ModelScope {
  std::array<std::unique_ptr<ModelLimit>, kBucketCount> limits;  // null: not limited
  std::optional<int64_t> slots;
  int64_t slots_taken = 0;
};

int64_t AmountOf(int dimension, int64_t tokens) {
  return CountsTokens(static_cast<Dimension>(dimension)) ? tokens : 1;
}

class Run {
 public:
  Run(StoreHarness& harness, const std::vector<uint64_t>& history, const std::string& owner)
      : harness_(harness), clock_(harness), history_(history) {
    for (int i = 0; i < kScopesMax; ++i) MakeScope(i, owner);
  }

  TraceResult Go() {
    for (; next_ < history_.size() && result_.error.empty(); ++next_) Step(Bits(history_[next_]));
    for (Held& held : held_) Settle(held, held.tokens, true, false);
    return std::move(result_);
  }

 private:
  struct Held {
    Reservation reservation;
    int scopes = 1;
    int64_t tokens = 0;
  };

  uint64_t NextWord() { return next_ < history_.size() ? history_[next_++] : 0; }

  // 1 to 10^10, most of them around a thousand to a million.
  static config::Limit RandomLimit(Bits bits) {
    int64_t limit = 1 + bits.Below(9);
    for (int64_t digits = bits.Below(10); digits > 0; --digits) limit = limit * 10 + bits.Below(10);
    limit = std::min(limit, kBucketLimitMax);
    const int64_t burst = bits.Chance(3) ? 1 + bits.Below(limit) : 0;
    return config::Limit(limit, burst);
  }

  void MakeScope(int index, const std::string& owner) {
    Bits which(NextWord());
    config::ClassLimits limits;
    std::optional<config::Limit>* const all[] = {&limits.requests_per_minute,
                                                 &limits.tokens_per_minute,
                                                 &limits.requests_per_day, &limits.tokens_per_day};
    ModelScope& scope = model_[index];
    for (int i = 0; i < kBucketCount; ++i) {
      const uint64_t word = NextWord();
      if (which.Chance(3)) continue;
      const config::Limit limit = RandomLimit(Bits(word));
      *all[i] = limit;
      const int64_t window_us = absl::ToInt64Microseconds(WindowOf(static_cast<Dimension>(i)));
      scope.limits[i] =
          std::make_unique<ModelLimit>(ExactBucket(limit.limit, limit.capacity(), window_us));
      if (CountsTokens(static_cast<Dimension>(i))) {
        tokens_scale_ = std::min(tokens_scale_, limit.capacity());
      }
    }
    if (which.Chance(3)) {
      scope.slots = 1 + which.Below(20);
      limits.calls_at_once = config::Limit(*scope.slots);
    }
    BucketSet::Options options;
    options.owner = owner;
    sets_[index] = MakeSet(base::StrCat("scope", index), limits, std::move(options));
  }

  void Step(Bits bits) {
    const int64_t kind = bits.Below(16);
    if (kind < 7) {
      Reserve(RandomTokens(&bits), bits.Chance(2) ? 2 : 1);
    } else if (kind < 10) {
      if (held_.empty()) return;
      const size_t i = bits.Below(static_cast<int64_t>(held_.size()));
      const bool reached = !bits.Chance(4);
      const bool lower_bound = bits.Chance(4);
      // Up to half as much again as was reserved.
      Settle(held_[i], Portion(held_[i].tokens, &bits), reached, lower_bound);
      held_.erase(held_.begin() + static_cast<int64_t>(i));
    } else if (kind == 10) {
      if (held_.empty()) return;
      Grow(held_[bits.Below(static_cast<int64_t>(held_.size()))], &bits);
    } else if (kind < 14) {
      Advance(&bits);
    } else if (kind == 14) {
      harness_.Advance(-absl::Microseconds(bits.Below(3'000'000)));
    } else {
      Correct(&bits);
    }
  }

  int64_t RandomTokens(Bits* bits) {
    const int64_t scale = tokens_scale_ == INT64_MAX ? 1'000 : tokens_scale_;
    const int64_t part = std::max<int64_t>(1, scale >> bits->Below(8));
    return bits->Below(part + part / 16 + 2);
  }

  // Of what is reserved, 0 to one and a half times; never so much that debt would be cut off.
  int64_t Portion(int64_t tokens, Bits* bits) {
    const int64_t portion = tokens / 4 * bits->Below(7) + bits->Below(3);
    return tokens > tokens_scale_ || InDebt() ? std::min(portion, tokens) : portion;
  }

  bool InDebt() const {
    const int64_t now_us = harness_.Now().micros();
    for (const ModelScope& scope : model_) {
      for (const auto& limit : scope.limits) {
        if (limit && limit->bucket.Remaining(now_us) < 0) return true;
      }
    }
    return false;
  }

  void Advance(Bits* bits) {
    if (bits->Chance(2) && last_wait_ > absl::ZeroDuration()) {
      // To the moment that the last refusal named, or a microsecond before.
      Pass(last_wait_ - absl::Microseconds(bits->Below(2)));
      last_wait_ = absl::ZeroDuration();
      return;
    }
    int64_t us = 1;
    for (int64_t digits = bits->Below(10); digits > 0; --digits) us = us * 10 + bits->Below(10);
    Pass(absl::Microseconds(us));
  }

  void Pass(absl::Duration time) {
    harness_.Advance(time);
    elapsed_us_ += absl::ToInt64Microseconds(time);
  }

  void Correct(Bits* bits) {
    const auto index = bits->Below(kScopesMax);
    const auto dimension = bits->Below(kBucketCount);
    ModelLimit* limit = model_[index].limits[dimension].get();
    if (limit == nullptr) return;
    const int64_t remaining = bits->Below(limit->bucket.capacity() + 2) - 1;
    // Debt has room for more than two windows and what calls may take on top.
    int64_t not_before_us = 0;
    if (bits->Chance(2)) {
      not_before_us = std::min(bits->Below(limit->bucket.window_us() / 8), kNotBeforeUsMax);
    }
    limit->bucket.Correct(remaining, not_before_us, harness_.Now().micros());
    harness_.store().Correct(*sets_[index], static_cast<Dimension>(dimension), remaining,
                             absl::Microseconds(not_before_us), harness_.Now());
  }

  void Reserve(int64_t tokens, int scopes) {
    if (held_.size() >= kHeldMax) return;
    const Demand demand = DemandOf(tokens, *sets_[0], scopes == 2 ? sets_[1].get() : nullptr);
    const ReserveReply reply = harness_.Reserve(demand);
    const base::Instant now = harness_.Now();
    TraceAnswer& answer = result_.answers.emplace_back();
    answer.granted = reply.state == ReserveReply::State::kGranted;
    if (answer.granted) {
      Admit(tokens, scopes, now.micros());
      held_.push_back(
          {Reservation(harness_.store(), demand, reply, clock_, dropped_), scopes, tokens});
    } else if (!reply.refusal) {
      Fail("refused without a reason");
      return;
    } else {
      answer.scope = reply.refusal->scope == sets_[0].get() ? 0 : 1;
      answer.dimension = static_cast<int>(reply.refusal->dimension);
      answer.wait = reply.refusal->wait;
      last_wait_ = answer.wait == absl::InfiniteDuration() ? absl::ZeroDuration() : answer.wait;
      CheckRefusal(tokens, scopes, answer, now.micros());
    }
    CheckStates(reply.first_scope, now.micros(), &answer);
  }

  void Admit(int64_t tokens, int scopes, int64_t now_us) {
    for (int s = 0; s < scopes; ++s) {
      ModelScope& scope = model_[s];
      for (int i = 0; i < kBucketCount; ++i) {
        if (!scope.limits[i]) continue;
        const int64_t amount = AmountOf(i, tokens);
        if (!scope.limits[i]->bucket.Fits(amount, now_us)) Fail("admitted what does not fit", s, i);
        scope.limits[i]->bucket.Use(amount, now_us);
        if (!scope.limits[i]->bound.Note(amount, elapsed_us_)) Fail("a window is too full", s, i);
      }
      if (scope.slots && ++scope.slots_taken > *scope.slots) Fail("too many calls at once", s, 4);
    }
  }

  // At the moment that the refusal names everything fits, and a microsecond before it does not.
  void CheckRefusal(int64_t tokens, int scopes, const TraceAnswer& answer, int64_t now_us) {
    const bool never = answer.wait == absl::InfiniteDuration();
    const int64_t then_us = never ? 0 : now_us + absl::ToInt64Microseconds(answer.wait);
    for (int s = 0; s < scopes; ++s) {
      for (int i = 0; i < kBucketCount; ++i) {
        if (!model_[s].limits[i]) continue;
        const ExactBucket& bucket = model_[s].limits[i]->bucket;
        const int64_t amount = AmountOf(i, tokens);
        const bool named = s == answer.scope && i == answer.dimension;
        if (named && bucket.Fits(amount, now_us)) Fail("refused what fits", s, i);
        if (never) {
          if (named && bucket.Ever(amount)) Fail("called impossible what is not", s, i);
          continue;
        }
        if (!bucket.Ever(amount)) Fail("impossible, but told to wait", s, i);
        if (!bucket.Fits(amount, then_us)) Fail("the wait is too short", s, i);
        if (named && bucket.Fits(amount, then_us - 1)) Fail("the wait is too long", s, i);
      }
      const bool full = model_[s].slots && model_[s].slots_taken >= *model_[s].slots;
      const bool named = s == answer.scope && answer.dimension == kBucketCount;
      if (named && !full) Fail("refused a free slot", s, kBucketCount);
      if (full && answer.wait < kSlotWait) Fail("forgot the full slots", s, kBucketCount);
    }
  }

  void CheckStates(const ScopeStates& states, int64_t now_us, TraceAnswer* answer) {
    for (int i = 0; i < kDimensionCount; ++i) {
      const bool slot = i == kBucketCount;
      const bool limited = slot ? model_[0].slots.has_value() : model_[0].limits[i] != nullptr;
      if (limited != states[i].has_value()) Fail("the state of a limit is missing", 0, i);
      if (!limited || !states[i]) continue;
      const int64_t expected = slot ? *model_[0].slots - model_[0].slots_taken
                                    : model_[0].limits[i]->bucket.Remaining(now_us);
      if (states[i]->remaining != expected) {
        Fail(base::StrCat("left ", states[i]->remaining, " instead of ", expected), 0, i);
      }
      answer->remaining.push_back(states[i]->remaining);
    }
  }

  // What a call uses beyond its reservation is an underestimate: used, but not admitted.
  void UseTokens(int scopes, int64_t delta, int64_t now_us) {
    if (delta == 0) return;  // a bucket that nobody changes does not learn the time
    for (int s = 0; s < scopes; ++s) {
      for (int i = 0; i < kBucketCount; ++i) {
        if (!CountsTokens(static_cast<Dimension>(i)) || !model_[s].limits[i]) continue;
        model_[s].limits[i]->bucket.Use(delta, now_us);
        if (delta < 0) model_[s].limits[i]->bound.Note(delta, elapsed_us_);
      }
    }
  }

  void Grow(Held& held, Bits* bits) {
    const int64_t tokens = Portion(held.tokens, bits);
    const base::Instant now = harness_.Now();
    if (tokens > held.tokens) {
      UseTokens(held.scopes, tokens - held.tokens, now.micros());
      held.tokens = tokens;
    }
    held.reservation.Grow(tokens, now);
  }

  void Settle(Held& held, int64_t tokens, bool reached, bool lower_bound) {
    const base::Instant now = harness_.Now();
    int64_t delta = tokens - held.tokens;
    if (lower_bound) delta = std::max<int64_t>(0, delta);
    UseTokens(held.scopes, delta, now.micros());
    for (int s = 0; s < held.scopes; ++s) {
      for (int i = 0; i < kBucketCount; ++i) {
        if (reached || CountsTokens(static_cast<Dimension>(i)) || !model_[s].limits[i]) continue;
        model_[s].limits[i]->bucket.Use(-1, now.micros());
        model_[s].limits[i]->bound.Note(-1, elapsed_us_);
      }
      --model_[s].slots_taken;
    }
    model::Usage usage;
    usage.input_tokens = tokens;
    usage.lower_bound = lower_bound;
    held.reservation.Settle(usage, reached, now);
  }

  void Fail(const std::string& what, int scope = -1, int dimension = -1) {
    if (!result_.error.empty()) return;
    result_.error = base::StrCat("operation ", next_, ": ", what);
    if (scope >= 0) {
      base::StrAppend(&result_.error, " (scope ", scope, ", ",
                      DimensionName(static_cast<Dimension>(dimension)), ")");
    }
  }

  StoreHarness& harness_;
  const HarnessClock clock_;
  const std::vector<uint64_t>& history_;
  size_t next_ = 0;
  std::unique_ptr<BucketSet> sets_[kScopesMax];
  ModelScope model_[kScopesMax];
  int64_t tokens_scale_ = INT64_MAX;
  int64_t elapsed_us_ = 0;  // without the steps back
  absl::Duration last_wait_;
  telemetry::Counter dropped_;
  std::deque<Held> held_;
  TraceResult result_;
};

}  // namespace

TraceResult RunTrace(StoreHarness& harness, const std::vector<uint64_t>& history,
                     const std::string& owner) {
  return Run(harness, history, owner).Go();
}

}  // namespace pingti::quota
