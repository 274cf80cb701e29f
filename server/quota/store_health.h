// Whether the store that all replicas share can be used: one breaker for the whole process.
//
// Three operations in a row that failed, or a connection that broke with operations on it, and the
// store counts as down: from then on nobody waits for it. While it is down somebody asks it once a
// second, and the first answer in time ends that. Each switch is logged once.
//
// Thread-safe without a lock; shared by the RedisStores of all workers, which it outlives.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/base/clock.h"

namespace pingti::quota {

inline constexpr int kStoreFailuresMax = 3;
inline constexpr absl::Duration kStoreProbeInterval = absl::Seconds(1);

class StoreHealth {
 public:
  // `address` as in the configuration, for the log.
  explicit StoreHealth(std::string address) : address_(std::move(address)) {}
  StoreHealth(const StoreHealth&) = delete;
  StoreHealth& operator=(const StoreHealth&) = delete;

  // Whether to ask the store. True at the start, until something is known. One load.
  bool up() const { return mode_.load(std::memory_order_relaxed) != Mode::kDown; }

  // An operation was answered in time. Ends no outage: the answer may be older than it.
  void NoteSuccess();
  // The following are true if they switched, which one caller is told per switch.
  // A new connection works, or a probe was answered in time.
  bool NoteRecovery(base::Instant now);
  // An operation failed, or a connection could not be made. `why` is for the log.
  bool NoteFailure(std::string_view why, base::Instant now);
  // A connection broke under its operations.
  bool NoteLoss(std::string_view why, base::Instant now);

  // Whether the caller shall ask the store whether it is there again: true for one caller per
  // kStoreProbeInterval while it is down.
  bool ClaimProbe(base::Instant now);

 private:
  enum class Mode : uint8_t { kUnknown, kUp, kDown };

  const std::string address_;
  std::atomic<Mode> mode_{Mode::kUnknown};
  std::atomic<int> failures_{0};  // in a row
  std::atomic<int64_t> down_since_ns_{0};
  std::atomic<int64_t> next_probe_ns_{0};
};

}  // namespace pingti::quota
