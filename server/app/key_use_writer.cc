#include "server/app/key_use_writer.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "server/tenancy/key_uses.h"

namespace pingti::app {
namespace {

// In one piece of work: calls that hold or pay wait no longer than for these.
constexpr std::size_t kKeysPerWork = 500;

}  // namespace

void KeyUseWriter::Round(const std::shared_ptr<const exchange::Runtime>& runtime,
                         base::Instant now) {
  if (now < next_ || writing_.use_count() > 1) return;
  next_ = now + kKeyUseInterval;
  runtime->key_uses().Prune();
  Write(runtime);
}

void KeyUseWriter::Write(const std::shared_ptr<const exchange::Runtime>& runtime) {
  const std::vector<tenancy::UsedKey> all = runtime->key_uses().Unwritten();
  for (std::size_t begin = 0; begin < all.size(); begin += kKeysPerWork) {
    const std::size_t end = std::min(begin + kKeysPerWork, all.size());
    const auto keys = std::make_shared<const std::vector<tenancy::UsedKey>>(
        all.begin() + static_cast<std::ptrdiff_t>(begin),
        all.begin() + static_cast<std::ptrdiff_t>(end));
    ledger_.WriteBehind(
        [keys](billing::Ledger& ledger) { tenancy::WriteKeyUses(ledger.database(), *keys); },
        // What was not written is tried again the next time.
        [keys, runtime, writing = writing_](const absl::Status& status) {
          if (status.ok()) runtime->key_uses().NoteWritten(*keys);
        });
  }
}

}  // namespace pingti::app
