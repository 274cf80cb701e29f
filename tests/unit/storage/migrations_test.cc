#include "server/storage/migrations.h"

#include <gtest/gtest.h>
#include <soci/soci.h>

#include <functional>
#include <memory>
#include <string>

#include "server/storage/database.h"
#include "tests/fakes/scratch_folder.h"

namespace pingti::storage {
namespace {

class MigrationsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Database>> Open() const {
    return Database::Open({.engine = Engine::kSqlite, .path = folder_.path() + "/ledger.db"});
  }
  // Does `work` to a database that is up to date.
  void Change(const std::function<void(soci::session&)>& work) const {
    const auto database = Open();
    ASSERT_TRUE(database.ok()) << database.status();
    const absl::Status status = (*database)->Transact([&] { work((*database)->session()); });
    ASSERT_TRUE(status.ok()) << status;
  }

 private:
  const fakes::ScratchFolder folder_;
};

TEST_F(MigrationsTest, AnOlderDatabaseIsBroughtUpToDate) {
  Change([](soci::session& sql) {
    // As step 1 has left it, with an account.
    for (const char* table :
         {"tenant_identities", "key_uses", "key_budgets", "key_limits", "api_keys"}) {
      sql << "DROP TABLE " << table;
    }
    sql << "ALTER TABLE calls DROP COLUMN budget_period";
    sql << "DROP TABLE tenants";
    sql << "DROP TABLE tenant_changes";
    sql << "DELETE FROM schema_steps WHERE version >= 2";
    sql << "INSERT INTO accounts (tenant, cash, bonus, held, created_at) "
           "VALUES ('acme', 7, 0, 0, 0)";
  });
  Change([](soci::session& sql) {
    int64_t cash = 0;
    int64_t changes = -1;
    sql << "SELECT cash FROM accounts", soci::into(cash);
    sql << "SELECT changes FROM tenant_changes", soci::into(changes);
    EXPECT_EQ(cash, 7);
    EXPECT_EQ(changes, 0);
  });
}

TEST_F(MigrationsTest, ANewerOrAnotherDatabaseIsRefused) {
  Change([](soci::session& sql) {
    sql << "INSERT INTO schema_steps (version, digest) VALUES (1000, '')";
  });
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status())) << Open().status();
}

}  // namespace
}  // namespace pingti::storage
