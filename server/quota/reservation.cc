#include "server/quota/reservation.h"

#include <algorithm>
#include <utility>

#include "server/base/check.h"

namespace pingti::quota {

Reservation::Reservation(QuotaStore& store, const Demand& demand, const ReserveReply& reply,
                         const base::Clock& clock, telemetry::Counter& dropped)
    : store_(&store),
      clock_(&clock),
      dropped_(&dropped),
      change_{.id = reply.id,
              .demand = demand,
              .granted_by = reply.granted_by,
              .shadow_by_scope = reply.shadow_by_scope} {
  PINGTI_CHECK(reply.state == ReserveReply::State::kGranted, "only what was granted is held");
}

Reservation::Reservation(Reservation&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      clock_(other.clock_),
      dropped_(other.dropped_),
      change_(other.change_) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  // What this one held goes with `from`.
  Reservation from(std::move(other));
  std::swap(store_, from.store_);
  std::swap(clock_, from.clock_);
  std::swap(dropped_, from.dropped_);
  std::swap(change_, from.change_);
  return *this;
}

Reservation::~Reservation() {
  if (!open()) return;
  dropped_->Add();
  Change end = change_;
  end.free_slot = true;
  std::exchange(store_, nullptr)->Apply(end, clock_->MonotonicNow());
}

void Reservation::Grow(int64_t tokens, base::Instant now) {
  if (!open() || tokens <= change_.demand.tokens) return;
  Change growth = change_;
  growth.tokens = tokens - change_.demand.tokens;
  change_.demand.tokens = tokens;
  store_->Apply(growth, now);
}

void Reservation::Settle(const model::Usage& usage, bool reached_upstream, base::Instant now) {
  if (!open()) return;
  Change end = change_;
  end.tokens = usage.total() - change_.demand.tokens;
  if (usage.lower_bound) end.tokens = std::max<int64_t>(0, end.tokens);
  end.give_request_back = !reached_upstream;
  end.free_slot = true;
  std::exchange(store_, nullptr)->Apply(end, now);
}

}  // namespace pingti::quota
