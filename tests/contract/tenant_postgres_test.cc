#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/contract/postgres_harness.h"
#include "tests/contract/tenant_contract.h"

namespace pingti::exchange {
namespace {

INSTANTIATE_TEST_SUITE_P(Postgres, TenantContract,
                         ::testing::Values(&billing::MakePostgresHarness));

// Replicas that change tenants at once lose none of the changes.
TEST(PostgresTenantTest, EachChangeIsCounted) {
  constexpr int kReplicas = 4;
  constexpr int kTenants = 20;
  billing::PostgresHarness harness;
  std::vector<std::thread> replicas;
  for (int replica = 0; replica < kReplicas; ++replica) {
    replicas.emplace_back([&, replica] {
      const auto database = storage::Database::Open(harness.options());
      ASSERT_TRUE(database.ok()) << database.status();
      for (int i = 0; i < kTenants; ++i) {
        const std::string name = std::to_string(replica) + "-" + std::to_string(i);
        absl::Status status = absl::AbortedError("");
        while (absl::IsAborted(status)) {
          status = (*database)->Transact([&] {
            billing::Ledger& ledger = billing::Ledger::Of(**database);
            CreateTenant(ledger, name, "Free", {.newcomer_bonus = 1}, absl::UnixEpoch());
          });
        }
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& replica : replicas) replica.join();
  const auto database = storage::Database::Open(harness.options());
  ASSERT_TRUE(database.ok()) << database.status();
  const absl::Status status = (*database)->Transact([&] {
    TenantStore store(**database);
    EXPECT_EQ(store.Changes(), kReplicas * kTenants);
    EXPECT_EQ(store.Snapshot(absl::UnixEpoch()).size(), size_t{kReplicas * kTenants});
    EXPECT_TRUE(billing::Ledger::Of(**database).Verify().findings.empty());
  });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace pingti::exchange
