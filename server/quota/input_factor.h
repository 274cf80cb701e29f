// How far the rules for input tokens are off for one model, learned from what providers measured.
//
// Every tokenizer, and every way of framing messages, differs from the rules by a factor that
// depends on the model and on what its callers write. This is its running mean: exponentially
// weighted, so that it follows when the traffic changes.
//
// Thread-safe and shared by all workers: one atomic. When two learn at the same moment, one of them
// may be lost, which does no harm to a mean.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace pingti::quota {

// The factor stays within these, also if a provider measures nonsense.
inline constexpr double kInputFactorMin = 0.25;
inline constexpr double kInputFactorMax = 4.0;

class InputFactor {
 public:
  // Share of the newest observation; about the last 32 count.
  static constexpr double kShare = 1.0 / 32;
  // A smaller prompt has less weight, in proportion: the frame and the rounding make its ratio.
  static constexpr int64_t kFullWeightTokens = 256;

  // `ruled_tokens`: Estimate::ruled_input_tokens of the request, without this factor.
  // `measured_tokens`: what the provider counted, exactly. Either below 1 teaches nothing.
  void Learn(int64_t ruled_tokens, int64_t measured_tokens) {
    if (ruled_tokens < 1 || measured_tokens < 1) return;
    const double ratio =
        std::clamp(static_cast<double>(measured_tokens) / static_cast<double>(ruled_tokens),
                   kInputFactorMin, kInputFactorMax);
    const double weight = kShare * static_cast<double>(std::min(ruled_tokens, kFullWeightTokens)) /
                          static_cast<double>(kFullWeightTokens);
    const double old = factor();
    factor_.store(old + weight * (ratio - old), std::memory_order_relaxed);
  }

  // By which the rules are to be multiplied; 1 before anything was learned.
  double factor() const { return factor_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> factor_ = 1.0;
};

static_assert(std::atomic<double>::is_always_lock_free);

}  // namespace pingti::quota
