// When API keys were last used: noted by calls, collected from time to time for the database.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/storage/database.h"

namespace pingti::tenancy {

// The last use of one key, to the second.
class KeyUse {
 public:
  // Any thread; on a call's path. A key writes to memory at most once a second.
  void Note(absl::Time now) {
    const int64_t second = absl::ToUnixSeconds(now);
    if (last_.load(std::memory_order_relaxed) < second) {
      last_.store(second, std::memory_order_relaxed);
    }
  }
  // Seconds since 1970; 0: not since this process began.
  int64_t last() const { return last_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> last_{0};
};

struct UsedKey {
  std::string key_id;
  int64_t second = 0;  // since 1970
  friend bool operator==(const UsedKey&, const UsedKey&) = default;
};

// Of all keys, by public id, so that a use survives a reload of the configuration. Bounded by the
// keys of the configuration and database: Prune() forgets the others. Thread-safe.
class KeyUses {
 public:
  // Never null; the same object for the same key.
  std::shared_ptr<KeyUse> Find(const std::string& key_id);
  // Used since what was last noted as written; ordered by public id.
  std::vector<UsedKey> Unwritten() const;
  void NoteWritten(const std::vector<UsedKey>& keys);
  // Those that are held by nobody else and are written.
  void Prune();

 private:
  struct Entry {
    std::shared_ptr<KeyUse> use;
    int64_t written = 0;  // second
  };

  mutable base::Mutex mu_;
  std::map<std::string, Entry> keys_ ABSL_GUARDED_BY(mu_);
};

// Writes them where they are later than what is there (key_uses_sql.cc). Inside a transaction;
// throws soci::soci_error.
void WriteKeyUses(storage::Database& database, const std::vector<UsedKey>& keys);

}  // namespace pingti::tenancy
