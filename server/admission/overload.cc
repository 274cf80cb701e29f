#include "server/admission/overload.h"

namespace pingti::admission {
namespace {

// A limit is lowered to this percentage of the calls that were too many.
constexpr int kLoweredPercent = 70;
// It rises by a twentieth in each step, at least by one: from a tenth to the whole in five seconds.
constexpr int kRaiseDivisor = 20;

}  // namespace

int OverloadController::Update(const Sample& sample) {
  const bool is_late = options_.delay_max > absl::ZeroDuration() &&
                       sample.delay < absl::InfiniteDuration() && sample.delay > options_.delay_max;
  const bool is_tight = options_.memory_low > 0 && sample.memory >= options_.memory_low;
  late_steps_ = is_late ? late_steps_ + 1 : 0;
  tight_steps_ = is_tight ? tight_steps_ + 1 : 0;
  if (options_.memory_high > 0 && sample.memory >= options_.memory_high) {
    limit_ = 0;
  } else if ((is_late && late_steps_ % kLateSteps == 0) || tight_steps_ % kLateSteps == 1) {
    Lower(sample.calls);
  } else if (!is_late && !is_tight && lowered()) {
    Raise();
  }
  return limit_;
}

void OverloadController::Lower(int calls) {
  const int lower = std::min(limit_, calls) * kLoweredPercent / 100;
  limit_ = std::min(limit_, std::max(lower, kLimitMin));
}

void OverloadController::Raise() {
  const int raised = limit_ + std::max(1, limit_ / kRaiseDivisor);
  limit_ = std::min(options_.calls_max, std::max(raised, kLimitMin));
}

}  // namespace pingti::admission
