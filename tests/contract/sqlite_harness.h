// A SQLite file of a test's own, gone with it.
#pragma once

#include <memory>
#include <string>

#include "tests/contract/ledger_fixture.h"
#include "tests/fakes/scratch_folder.h"

namespace pingti::billing {

class SqliteHarness final : public LedgerHarness {
 public:
  storage::DatabaseOptions options() const override {
    return {.engine = storage::Engine::kSqlite, .path = path(), .connection = ""};
  }
  int connections() const override { return 1; }
  std::string path() const { return folder_.path() + "/ledger.db"; }

 private:
  const fakes::ScratchFolder folder_;
};

inline std::unique_ptr<LedgerHarness> MakeSqliteHarness() {
  return std::make_unique<SqliteHarness>();
}

}  // namespace pingti::billing
