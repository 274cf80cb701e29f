// The handle on what a call has taken from its limits.
//
// It belongs to one call on one loop thread: made from the answer of QuotaStore::Reserve, settled
// once with the real usage, moved, never copied.
#pragma once

#include <algorithm>
#include <cstdint>

#include "server/base/clock.h"
#include "server/model/usage.h"
#include "server/quota/store.h"
#include "server/telemetry/counter.h"

namespace pingti::quota {

class Reservation {
 public:
  Reservation() = default;
  // REQUIRES: `reply` is granted. `store` and `dropped` outlive this; `dropped` counts reservations
  // that nobody settled.
  Reservation(QuotaStore& store, const Demand& demand, const ReserveReply& reply,
              const base::Clock& clock, telemetry::Counter& dropped);
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  // An open one is settled as if everything had been used, which is the safe side, and counted.
  ~Reservation();

  // Output has grown past what was reserved: takes the difference now, also into debt.
  void Grow(int64_t tokens, base::Instant now);

  // The end of the call. Gives tokens back or takes more; with `usage.lower_bound` never gives
  // back. `reached_upstream` false: the provider never saw the call, so the request itself is given
  // back, too. Only the first call counts.
  void Settle(const model::Usage& usage, bool reached_upstream, base::Instant now);

  int64_t tokens() const { return change_.demand.tokens; }
  bool open() const { return store_ != nullptr; }

 private:
  QuotaStore* store_ = nullptr;  // null: nothing held, or settled
  const base::Clock* clock_ = nullptr;
  telemetry::Counter* dropped_ = nullptr;
  Change change_;
};

}  // namespace pingti::quota
