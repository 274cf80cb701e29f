// Tenants and keys of the database, as this process knows them. It looks for changes so often that
// with the main thread's round each is in force on every replica within a second.
//
// It has a connection and a thread of its own: what people ask of the ledger may take longer than
// that.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/event_loop.h"
#include "server/base/mutex.h"
#include "server/config/config.h"
#include "server/storage/storage_thread.h"

namespace pingti::app {

inline constexpr absl::Duration kTenantsInterval = absl::Milliseconds(100);

class StoredTenants {
 public:
  struct News {
    std::vector<config::Tenant> tenants;  // all of them
    int64_t changes = 0;                  // since those that were taken before
  };

  // REQUIRES: the database has our schema, or will have it. Comes back after the first look; where
  // that fails a line in the log says so, and it is tried again for as long as this lives.
  explicit StoredTenants(storage::DatabaseOptions database);
  ~StoredTenants();
  StoredTenants(const StoredTenants&) = delete;
  StoredTenants& operator=(const StoredTenants&) = delete;

  // Any thread. Nothing: nothing has changed since it was called before.
  std::optional<News> Take();

 private:
  class Look;

  void Tick();
  void Note(const absl::Status& status, std::optional<News> news);

  base::Mutex mu_;
  std::optional<News> news_ ABSL_GUARDED_BY(mu_);
  // Of the storage thread.
  int64_t known_ = -1;  // changes that there were at the last look; -1: there was none
  bool fails_ = false;
  std::promise<void> first_;
  bool looked_ = false;
  std::unique_ptr<base::Timer> tick_;
  std::unique_ptr<storage::StorageThread> thread_;
};

}  // namespace pingti::app
