// Takes what calls have noted of the uses of keys, and has it written by the ledger's thread.
//
// Thread-safety: none; the main thread's. `ledger` outlives it, or is stopped before it goes.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/billing/ledger_client.h"
#include "server/exchange/runtime.h"

namespace pingti::app {

// A use is in the database by so long after it, with what a write takes.
inline constexpr absl::Duration kKeyUseInterval = absl::Seconds(20);

class KeyUseWriter {
 public:
  explicit KeyUseWriter(billing::LedgerClient& ledger) : ledger_(ledger) {}

  // To be called often. Writes where the interval is over and all of the last time is done.
  void Round(const std::shared_ptr<const exchange::Runtime>& runtime, base::Instant now);
  // What was noted until now.
  void Write(const std::shared_ptr<const exchange::Runtime>& runtime);

 private:
  billing::LedgerClient& ledger_;
  base::Instant next_;
  // Held by each piece that is not written yet, and by this.
  std::shared_ptr<int> writing_ = std::make_shared<int>();
};

}  // namespace pingti::app
