// The limits of this process alone: answers at once, with no system call and no allocation.
//
// The state is in the BucketSets, which all workers share; the store itself is one worker's, but
// holds nothing that is not a number.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "server/base/clock.h"
#include "server/base/signal.h"
#include "server/quota/store.h"

namespace pingti::quota {

class MemoryStore final : public QuotaStore {
 public:
  MemoryStore();

  // The answer is there when it returns; `signal` is not notified.
  void Reserve(const Demand& demand, base::Instant now, ReserveReply* reply,
               base::Signal* signal) override;
  void Apply(const Change& change, base::Instant now) override;
  void Read(std::span<BucketSet* const> scopes, base::Instant now, ReadReply* reply,
            base::Signal* signal) override;
  void Correct(BucketSet& scope, Dimension dimension, int64_t remaining, absl::Duration not_before,
               base::Instant now) override;

 private:
  uint64_t last_id_;
};

}  // namespace pingti::quota
