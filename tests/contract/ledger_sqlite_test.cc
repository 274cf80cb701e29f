#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/contract/ledger_contract.h"

namespace pingti::billing {
namespace {

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

std::unique_ptr<LedgerHarness> MakeSqliteHarness() { return std::make_unique<SqliteHarness>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerContract, ::testing::Values(&MakeSqliteHarness));

TEST(SqliteLedgerTest, ASecondProcessIsRefused) {
  SqliteHarness harness;
  const auto first = storage::Database::Open(harness.options());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = storage::Database::Open(harness.options());
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
}

TEST(SqliteLedgerTest, ItsFileIsForItsOwnerOnly) {
  SqliteHarness harness;
  ASSERT_TRUE(storage::Database::Open(harness.options()).ok());
  const auto mode = std::filesystem::status(harness.path()).permissions();
  EXPECT_EQ(mode & std::filesystem::perms(0777), std::filesystem::perms(0600));
}

TEST(SqliteLedgerTest, WhatIsNoDatabaseIsRefusedAndLeftAlone) {
  SqliteHarness harness;
  const std::string text(8'192, 'x');
  std::ofstream(harness.path()) << text;
  const auto opened = storage::Database::Open(harness.options());
  EXPECT_TRUE(absl::IsFailedPrecondition(opened.status())) << opened.status();
  std::string kept;
  std::getline(std::ifstream(harness.path()), kept);
  EXPECT_EQ(kept, text);
}

}  // namespace
}  // namespace pingti::billing
