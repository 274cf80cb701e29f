#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/billing/ledger_client.h"
#include "tests/contract/ledger_contract.h"
#include "tests/contract/ledger_migration_contract.h"
#include "tests/contract/ledger_usage_contract.h"
#include "tests/contract/ledger_verify_contract.h"
#include "tests/contract/sqlite_harness.h"

namespace pingti::billing {
namespace {

INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerContract, ::testing::Values(&MakeSqliteHarness));
INSTANTIATE_TEST_SUITE_P(Sqlite, UsageByLabel, ::testing::Values(&MakeSqliteHarness));
INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerVerifyContract, ::testing::Values(&MakeSqliteHarness));
INSTANTIATE_TEST_SUITE_P(Sqlite, LedgerMigrationContract, ::testing::Values(&MakeSqliteHarness));

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

TEST(SqliteLedgerTest, OneThatContradictsItselfIsNotUsed) {
  SqliteHarness harness;
  telemetry::LedgerStats stats;
  const auto start = [&] {
    LedgerClient::Options options;
    options.database = harness.options();
    options.owner = "me";
    options.stats = &stats;
    return LedgerClient::Start(options, {.tenants = {"acme"}});
  };
  EXPECT_TRUE(start().ok());
  {
    const auto database = storage::Database::Open(harness.options());
    ASSERT_TRUE(database.ok()) << database.status();
    const absl::Status changed =
        (*database)->Transact([&] { (*database)->session() << "UPDATE accounts SET bonus = 5"; });
    ASSERT_TRUE(changed.ok()) << changed;
  }
  const absl::Status refused = start().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              ::testing::HasSubstr("tenant acme: there is more bonus than is left of the grants: 5 "
                                   "kept, 0 left; restore a backup"));
}

}  // namespace
}  // namespace pingti::billing
