#include "server/quota/store_health.h"

#include "server/base/log.h"
#include "server/base/strings.h"

namespace pingti::quota {

void StoreHealth::NoteSuccess() {
  // Reads first: while all is well the line stays shared between the workers.
  if (failures_.load(std::memory_order_relaxed) != 0) failures_ = 0;
  Mode unknown = Mode::kUnknown;
  if (mode_.load(std::memory_order_relaxed) == Mode::kUnknown) {
    mode_.compare_exchange_strong(unknown, Mode::kUp);
  }
}

bool StoreHealth::NoteRecovery(base::Instant now) {
  failures_ = 0;
  const Mode before = mode_.exchange(Mode::kUp);
  if (before != Mode::kDown) return false;
  const int64_t down_ms = (now.nanos() - down_since_ns_.load()) / 1'000'000;
  base::Log(base::LogLevel::kInfo, "the quota store is back",
            {{"address", address_}, {"down_ms", base::StrCat(down_ms)}});
  return true;
}

bool StoreHealth::NoteFailure(std::string_view why, base::Instant now) {
  const int failures = failures_.fetch_add(1) + 1;
  // What never answered is not waited for three times.
  if (failures < kStoreFailuresMax && mode_.load() != Mode::kUnknown) return false;
  return NoteLoss(why, now);
}

bool StoreHealth::NoteLoss(std::string_view why, base::Instant now) {
  const Mode before = mode_.exchange(Mode::kDown);
  if (before == Mode::kDown) return false;
  down_since_ns_ = now.nanos();
  next_probe_ns_ = (now + kStoreProbeInterval).nanos();
  base::Log(base::LogLevel::kWarning,
            before == Mode::kUnknown
                ? "the quota store cannot be reached; tiers follow their when_store_is_down"
                : "the quota store is lost; tiers follow their when_store_is_down",
            {{"address", address_}, {"reason", why}});
  return true;
}

bool StoreHealth::ClaimProbe(base::Instant now) {
  if (up()) return false;
  int64_t next = next_probe_ns_.load();
  return now.nanos() >= next &&
         next_probe_ns_.compare_exchange_strong(next, (now + kStoreProbeInterval).nanos());
}

}  // namespace pingti::quota
