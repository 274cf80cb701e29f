// A pingti-server with a ledger, in front of a provider that remembers what has reached it; and the
// ledger itself, read without the server.
//
// Thread-safety: one thread, but for Client().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/billing/ledger.h"
#include "server/storage/database.h"
#include "tests/fakes/scratch_folder.h"
#include "tests/integration/fragile_provider.h"
#include "tests/integration/programs.h"
#include "tests/postgres/postgres_server.h"

namespace pingti::integration {

inline constexpr int64_t kNanoPerToken = 20'000;  // of model `chat`: 20 CNY per million tokens

class LedgerWorld {
 public:
  // `plan` is `billing.plan`.
  explicit LedgerWorld(storage::Engine engine, const std::string& plan = "{newcomer_bonus: 1000}");

  // Starts a server; `environment` beside that of the test.
  std::unique_ptr<Server> Start(const Process::Environment& environment = {}) const;
  client::Client Client(const Server& server) const { return server.Client(key_.key); }
  const std::string& key() const { return key_.key; }
  FragileProvider& provider() { return provider_; }
  testing_postgres::PostgresServer* postgres() { return postgres_.get(); }
  storage::Engine engine() const { return engine_; }
  // SQLite: where the ledger is.
  const std::string& folder() const { return folder_.path(); }

  // Reads or changes the ledger. REQUIRES, for SQLite: no server runs.
  void Do(const std::function<void(billing::Ledger&)>& work) const;
  // What was charged for each call, by its request id.
  std::map<std::string, int64_t> Charges() const;
  // Adds a failure for each thing that is not right, also where a hold is open.
  void ExpectSound() const;

 private:
  storage::DatabaseOptions options() const;

  const storage::Engine engine_;
  const std::string plan_;
  const ApiKey key_ = MakeApiKey();
  FragileProvider provider_{"alpha"};
  const fakes::ScratchFolder folder_;
  std::unique_ptr<testing_postgres::PostgresServer> postgres_;
};

}  // namespace pingti::integration
