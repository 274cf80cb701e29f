#include "server/storage/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "server/storage/database.h"
#include "tests/fakes/scratch_folder.h"

namespace pingti::storage {
namespace {

constexpr int64_t kNewest = std::numeric_limits<int64_t>::max();

class MigrationsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Database>> Open(int64_t last_step = kNewest) const {
    return Database::Open({.engine = Engine::kSqlite, .path = path(), .last_step = last_step});
  }
  std::string path() const { return folder_.path() + "/ledger.db"; }
  // Does `work` to a database that is brought up to that step.
  void Change(const std::function<void(soci::session&)>& work, int64_t last_step = kNewest) const {
    const auto database = Open(last_step);
    ASSERT_TRUE(database.ok()) << database.status();
    const absl::Status status = (*database)->Transact([&] { work((*database)->session()); });
    ASSERT_TRUE(status.ok()) << status;
  }

 private:
  const fakes::ScratchFolder folder_;
};

TEST_F(MigrationsTest, AnOlderDatabaseIsBroughtUpToDate) {
  Change(
      [](soci::session& sql) {
        sql << "INSERT INTO accounts (tenant, cash, bonus, held, created_at) "
               "VALUES ('acme', 7, 0, 0, 0)";
      },
      /*last_step=*/1);
  Change([](soci::session& sql) {
    int64_t cash = 0;
    int64_t changes = -1;
    sql << "SELECT cash FROM accounts", soci::into(cash);
    sql << "SELECT changes FROM tenant_changes", soci::into(changes);
    EXPECT_EQ(cash, 7);
    EXPECT_EQ(changes, 0);
  });
}

// SQLite does not look at references while it is brought up to date, but afterwards.
TEST_F(MigrationsTest, ADatabaseWithARowOfNothingStaysAsItIs) {
  ASSERT_TRUE(Open(4).ok());
  {
    soci::session sql(soci::sqlite3, "dbname=" + path());
    sql << "INSERT INTO grants (tenant, amount, remaining, created_at) VALUES ('nobody', 1, 1, 0)";
  }
  const absl::Status refused = Open().status();
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("a row of grants would be of"));
  EXPECT_TRUE(Open(4).ok());
}

TEST_F(MigrationsTest, ANewerOrAnotherDatabaseIsRefused) {
  Change([](soci::session& sql) {
    sql << "INSERT INTO schema_steps (version, digest) VALUES (1000, '')";
  });
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status())) << Open().status();
}

}  // namespace
}  // namespace pingti::storage
