// What all loop threads of the simulated provider share: defaults, limits, failure counts, ledgers.
//
// Thread-safe. On the fast path only `generation()` is read.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "server/base/mutex.h"
#include "tests/upstream/knobs.h"
#include "tests/upstream/ledger.h"
#include "tests/upstream/rate_limiter.h"

namespace pingti::upstream {

// Keys that fail_times counts by.
inline constexpr size_t kFailKeysMax = 4096;

class World {
 public:
  // `base` are the knobs of the command line; `api_keys` empty: every key is good.
  // With `logs_requests` each chat request is a line on standard output before it is answered.
  World(Knobs base, std::vector<std::string> api_keys, int loops, bool logs_requests = false);

  // Changes with every change of the defaults.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  Knobs defaults() const;
  // Replaces the defaults by the command line's knobs and, over them, those of a JSON object.
  // INVALID_ARGUMENT: not an object, or a bad knob; nothing is changed then.
  absl::Status SetDefaults(std::string_view json);
  void ClearDefaults();

  // Counts one more request of `key`; true while it is among the first `fail_times`. With
  // kFailKeysMax keys counted, the counts of all are forgotten first.
  bool FailsStill(const std::string& key, int64_t fail_times);
  // Counts one more request that might fail; true for every Nth.
  bool IsNth(int64_t every) {
    return may_fail_.fetch_add(1, std::memory_order_relaxed) % every == every - 1;
  }

  bool KeyIsGood(std::string_view api_key) const;
  bool logs_requests() const { return logs_requests_; }
  bool checks_keys() const { return !api_keys_.empty(); }

  uint64_t NextId() { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  RateLimiter& limiter() { return limiter_; }
  Ledger& ledger(int loop) { return *ledgers_[static_cast<size_t>(loop)]; }

  std::string StatsJson() const;
  // The last `count` requests of all loops, oldest first.
  std::string RequestsJson(size_t count) const;
  // Zeroes totals, requests, buckets and failure counts; the defaults stay.
  void Reset();

 private:
  const Knobs base_;
  const std::vector<std::string> api_keys_;
  const bool logs_requests_;
  std::vector<std::unique_ptr<Ledger>> ledgers_;
  RateLimiter limiter_;
  std::atomic<uint64_t> next_id_{1};
  std::atomic<uint64_t> generation_{1};
  std::atomic<int64_t> may_fail_{0};

  mutable base::Mutex mu_;
  Knobs defaults_ ABSL_GUARDED_BY(mu_);
  std::unordered_map<std::string, int64_t> failures_ ABSL_GUARDED_BY(mu_);
};

// Sets the knobs that a JSON object names. INVALID_ARGUMENT as SetKnob, or not an object.
absl::Status SetKnobsFromJson(std::string_view json, Knobs* knobs);

}  // namespace pingti::upstream
