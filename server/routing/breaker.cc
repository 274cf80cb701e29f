#include "server/routing/breaker.h"

#include <algorithm>

namespace pingti::routing {

void Breaker::OnSuccess(bool probe, base::Instant now) {
  if (open_ && !probe) return;
  if (probe) {
    probe_under_way_ = false;
    open_ = false;
    recent_ = {};
    healthy_since_ = now;
  }
  failures_in_a_row_ = 0;
  recent_.Add(now, 1, 0);
}

bool Breaker::OnFailure(bool probe, base::Instant now) {
  if (open_ && !probe) return false;
  if (probe) {
    probe_under_way_ = false;
    Open(now);
    return true;
  }
  recent_.Add(now, 1, 1);
  ++failures_in_a_row_;
  const RecentCounts::Sums sums = recent_.Read(now);
  const bool by_share =
      sums.first >= options_.attempts_min &&
      static_cast<double>(sums.second) >= options_.failure_share * static_cast<double>(sums.first);
  if (failures_in_a_row_ < options_.failures_in_a_row && !by_share) return false;
  Open(now);
  return true;
}

void Breaker::Open(base::Instant now) {
  // After a window without trouble it is a new story.
  if (!open_ && now >= healthy_since_ + options_.open_for) openings_ = 0;
  failures_in_a_row_ = 0;
  ++openings_;
  open_ = true;
  open_until_ = now + std::min(options_.open_for * openings_, options_.open_for_max);
}

}  // namespace pingti::routing
