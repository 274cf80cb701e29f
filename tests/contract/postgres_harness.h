// A database of a test's own in one PostgreSQL for the whole binary.
#pragma once

#include <memory>
#include <string>

#include "tests/contract/ledger_fixture.h"
#include "tests/postgres/postgres_server.h"

namespace pingti::billing {

// One for all tests; each has a database of its own there.
inline testing_postgres::PostgresServer& SharedServer() {
  static testing_postgres::PostgresServer server;
  return server;
}

class PostgresHarness final : public LedgerHarness {
 public:
  PostgresHarness() : connection_(SharedServer().NewDatabase()) {}
  storage::DatabaseOptions options() const override {
    return {.engine = storage::Engine::kPostgres, .path = "", .connection = connection_};
  }
  int connections() const override { return 8; }

 private:
  const std::string connection_;
};

inline std::unique_ptr<LedgerHarness> MakePostgresHarness() {
  return std::make_unique<PostgresHarness>();
}

}  // namespace pingti::billing
