// A SQLite file of a test's own, gone with it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/contract/ledger_fixture.h"

namespace pingti::billing {

class SqliteHarness final : public LedgerHarness {
 public:
  SqliteHarness() {
    std::string folder = (std::filesystem::temp_directory_path() / "pingti-ledger-XXXXXX").string();
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~SqliteHarness() override { std::filesystem::remove_all(folder_); }
  storage::DatabaseOptions options() const override {
    return {.engine = storage::Engine::kSqlite, .path = path(), .connection = ""};
  }
  int connections() const override { return 1; }
  std::string path() const { return folder_ + "/ledger.db"; }

 private:
  std::string folder_;
};

inline std::unique_ptr<LedgerHarness> MakeSqliteHarness() {
  return std::make_unique<SqliteHarness>();
}

}  // namespace pingti::billing
