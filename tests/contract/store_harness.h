// What a test of a QuotaStore needs around it: a clock to move and a loop to turn.
//
// Each store has one of these beside its instantiation of the contract suite. A harness starts with
// an empty store and belongs to one test. Thread-safety: none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/signal.h"
#include "server/config/config.h"
#include "server/quota/bucket_set.h"
#include "server/quota/store.h"

namespace pingti::quota {

class StoreHarness {
 public:
  virtual ~StoreHarness() = default;

  virtual QuotaStore& store() = 0;
  // The caller's clock, for the `now` of the calls. The store's clock is the same one, or differs
  // by whole seconds: the largest tick of a bucket.
  virtual base::Instant Now() const = 0;
  // Moves both clocks, the caller's and that by which the store counts, to the microsecond. Below
  // 0: the clock is stepped back.
  virtual void Advance(absl::Duration by) = 0;
  // Turns the store's loop until `done()`; fails the test where that takes too long.
  virtual void Pump(const std::function<bool()>& done) = 0;
  // The store loses all that it holds. The set to use from now on: the same one, or for a store
  // that keeps the state in the sets a new one.
  virtual std::unique_ptr<BucketSet> Lose(std::unique_ptr<BucketSet> set) = 0;

  // Reserves and waits for the answer.
  ReserveReply Reserve(const Demand& demand) {
    ReserveReply reply;
    base::Signal signal;
    store().Reserve(demand, Now(), &reply, &signal);
    Pump([&] { return reply.state != ReserveReply::State::kPending; });
    return reply;
  }
  ReadReply Read(BucketSet& set) {
    ReadReply reply;
    base::Signal signal;
    BucketSet* const sets[] = {&set};
    store().Read(sets, Now(), &reply, &signal);
    Pump([&] { return reply.ready; });
    return reply;
  }
};

// The harness's clock, for Reservations.
class HarnessClock final : public base::Clock {
 public:
  explicit HarnessClock(const StoreHarness& harness) : harness_(harness) {}
  absl::Time Now() const override { return absl::UnixEpoch(); }
  base::Instant MonotonicNow() const override { return harness_.Now(); }

 private:
  const StoreHarness& harness_;
};

using MakeHarness = std::unique_ptr<StoreHarness> (*)();

// Sets of one tenant, so that they may be in one reservation.
inline std::unique_ptr<BucketSet> MakeSet(const std::string& name,
                                          const config::ClassLimits& limits,
                                          BucketSet::Options options = {}) {
  if (options.owner.empty()) options.owner = "tenant:acme";
  return std::make_unique<BucketSet>(options.owner + "/" + name, limits, std::move(options));
}

inline Demand DemandOf(int64_t tokens, BucketSet& first, BucketSet* second = nullptr) {
  Demand demand;
  demand.scopes = {&first, second};
  demand.scope_count = second == nullptr ? 1 : 2;
  demand.tokens = tokens;
  return demand;
}

}  // namespace pingti::quota
