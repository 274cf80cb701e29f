#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/contract/ledger_contract.h"
#include "tests/contract/ledger_migration_contract.h"
#include "tests/contract/ledger_usage_contract.h"
#include "tests/contract/ledger_verify_contract.h"
#include "tests/contract/postgres_harness.h"
#include "tests/postgres/postgres_server.h"

namespace pingti::billing {
namespace {

INSTANTIATE_TEST_SUITE_P(Postgres, LedgerContract, ::testing::Values(&MakePostgresHarness));
INSTANTIATE_TEST_SUITE_P(Postgres, UsageByLabel, ::testing::Values(&MakePostgresHarness));
INSTANTIATE_TEST_SUITE_P(Postgres, LedgerVerifyContract, ::testing::Values(&MakePostgresHarness));
INSTANTIATE_TEST_SUITE_P(Postgres, LedgerMigrationContract,
                         ::testing::Values(&MakePostgresHarness));

TEST(PostgresLedgerTest, ReplicasThatStartAtOnceMakeOneSchema) {
  PostgresHarness harness;
  std::vector<std::thread> threads;
  std::atomic<int> opened{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto database = storage::Database::Open(harness.options());
      EXPECT_TRUE(database.ok()) << database.status();
      if (database.ok()) ++opened;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(opened, 4);
}

TEST(PostgresLedgerTest, ALostConnectionIsToldAndWhatWasCommittedIsThere) {
  testing_postgres::PostgresServer server;
  const storage::DatabaseOptions options = {
      .engine = storage::Engine::kPostgres, .path = "", .connection = server.connection()};
  auto database = storage::Database::Open(options);
  ASSERT_TRUE(database.ok()) << database.status();
  const auto open = [&](const std::string& tenant) {
    return (*database)->Transact([&] {
      Ledger::Of(**database).OpenAccount(tenant, {.newcomer_bonus = 5}, absl::UnixEpoch());
    });
  };
  ASSERT_TRUE(open("before").ok());
  server.Kill();
  const absl::Status lost = open("during");
  EXPECT_TRUE(absl::IsUnavailable(lost)) << lost;
  EXPECT_FALSE((*database)->connected());
  EXPECT_TRUE(absl::IsUnavailable(storage::Database::Open(options).status()));
  server.Start();
  database = storage::Database::Open(options);
  ASSERT_TRUE(database.ok()) << database.status();
  const absl::Status read = (*database)->Transact([&] {
    EXPECT_EQ(Ledger::Of(**database).GetBalance("before")->bonus, 5);
    EXPECT_FALSE(Ledger::Of(**database).GetBalance("during").has_value());
  });
  EXPECT_TRUE(read.ok()) << read;
}

}  // namespace
}  // namespace pingti::billing
