// Tenants and keys in the database: what is changed there is in force on every replica within a
// second.
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "server/base/clock.h"
#include "server/config/value.h"
#include "server/exchange/tenant_accounts.h"
#include "tests/integration/ledger_world.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using tenancy::StoreVerdict;
using tenancy::TenantStore;
using testing::HasSubstr;

constexpr char kStored[] = "stored";

class TenantsTest : public testing::Test {
 protected:
  TenantsTest() : servers_{world_.Start(), world_.Start()} {}

  void TearDown() override {
    for (const auto& server : servers_) {
      if (server == nullptr) continue;
      EXPECT_EQ(server->Scrape().Sum("pingti_bugs_total"), 0);
      server->StopCleanly();
    }
    world_.ExpectSound();
  }

  void Do(const std::function<StoreVerdict(billing::Ledger&, TenantStore&)>& work) const {
    world_.Do([&](billing::Ledger& ledger) {
      TenantStore store(ledger.database());
      EXPECT_EQ(work(ledger, store), StoreVerdict::kDone);
    });
  }
  void Create(const std::string& tenant) const {
    Do([&](billing::Ledger& ledger, TenantStore&) {
      return exchange::CreateTenant(ledger, tenant, "Roomy", {.newcomer_bonus = 1'000'000'000},
                                    Now());
    });
  }
  tenancy::StoredKey Record(const ApiKey& key) const {
    const auto record = config::ParseKeyRecord(key.record);
    tenancy::StoredKey stored;
    stored.id = record->public_id;
    stored.tenant = kStored;
    stored.name = "of a test";
    stored.sha256 = record->sha256;
    stored.created_at = Now();
    return stored;
  }
  void CreateKey(const tenancy::StoredKey& key) const {
    Do([&](billing::Ledger&, TenantStore& store) { return store.CreateKey(key); });
  }
  static absl::Time Now() { return base::SystemClock().Now(); }

  // What a call with `key` is told; empty: it was served.
  std::string Told(const std::string& key, int replica) const {
    const auto answer = servers_[replica]->Client(key).Generate(Ask("Hello"));
    return answer.ok() ? "" : answer.error().reason;
  }
  // By every replica, a second from now at the latest.
  bool SoonTold(const std::string& key, const std::string& reason) const {
    return Eventually(
        [&] {
          for (int replica : {0, 1}) {
            if (servers_[replica] != nullptr && Told(key, replica) != reason) return false;
          }
          return true;
        },
        Scaled(Millis(1'000)));
  }

  LedgerWorld world_{storage::Engine::kPostgres};
  const ApiKey key_ = MakeApiKey();
  std::unique_ptr<Server> servers_[2];
};

TEST_F(TenantsTest, AKeyWorksAndIsRevokedOnEveryReplicaWithinASecond) {
  EXPECT_EQ(Told(key_.key, 0), "KEY_INVALID");
  Create(kStored);
  CreateKey(Record(key_));
  EXPECT_TRUE(SoonTold(key_.key, ""));
  // An answer does not wait for its charge.
  EXPECT_TRUE(Eventually([&] { return world_.Charges().size() >= 2; }));
  for (const auto& server : servers_) {
    const Metrics metrics = server->Scrape();
    EXPECT_EQ(metrics.Sum("pingti_tenants", {"source=\"configuration\""}), 1);
    EXPECT_EQ(metrics.Sum("pingti_tenants", {"source=\"database\""}), 1);
    EXPECT_EQ(metrics.Sum("pingti_tenant_changes_total"), 2);
    EXPECT_GE(metrics.Sum("pingti_calls_total", {"tenant=\"stored\"", "code=\"OK\""}), 1);
  }
  Do([&](billing::Ledger&, TenantStore& store) {
    return store.RevokeKey(kStored, Record(key_).id, Now());
  });
  EXPECT_TRUE(SoonTold(key_.key, "KEY_INVALID"));
}

TEST_F(TenantsTest, AKeyEndsAtItsTimeByItself) {
  Create(kStored);
  tenancy::StoredKey record = Record(key_);
  record.models = {"other"};
  CreateKey(record);
  EXPECT_TRUE(SoonTold(key_.key, "MODEL_NOT_ALLOWED"));
  const ApiKey next = MakeApiKey();
  tenancy::StoredKey made = Record(next);
  Do([&](billing::Ledger&, TenantStore& store) {
    return store.RotateKey(record.id, Now() + absl::FromChrono(Scaled(Millis(2'000))), &made);
  });
  EXPECT_TRUE(SoonTold(next.key, "MODEL_NOT_ALLOWED"));
  EXPECT_EQ(Told(key_.key, 0), "MODEL_NOT_ALLOWED");
  EXPECT_TRUE(Eventually([&] { return Told(key_.key, 0) == "KEY_INVALID"; }));
  EXPECT_EQ(Told(next.key, 0), "MODEL_NOT_ALLOWED");
}

TEST_F(TenantsTest, SuspendedResumedAndDeleted) {
  Create(kStored);
  CreateKey(Record(key_));
  ASSERT_TRUE(SoonTold(key_.key, ""));
  Do([](billing::Ledger&, TenantStore& store) { return store.Suspend(kStored); });
  EXPECT_TRUE(SoonTold(key_.key, "TENANT_SUSPENDED"));
  Do([](billing::Ledger&, TenantStore& store) { return store.Resume(kStored); });
  EXPECT_TRUE(SoonTold(key_.key, ""));
  // The end of the last call is written behind its answer.
  ASSERT_TRUE(Eventually([&] {
    bool held = true;
    world_.Do([&](billing::Ledger& ledger) { held = ledger.GetBalance(kStored)->held > 0; });
    return !held;
  }));
  Do([](billing::Ledger& ledger, TenantStore&) {
    return exchange::DeleteTenant(ledger, kStored, Now()).verdict;
  });
  EXPECT_TRUE(SoonTold(key_.key, "KEY_INVALID"));
}

TEST_F(TenantsTest, AReloadAndAChangeDoNotUndoEachOther) {
  Create(kStored);
  CreateKey(Record(key_));
  ASSERT_TRUE(SoonTold(key_.key, ""));
  // The file of the first replica gets a tenant, and later one with the name of the database's.
  Server& server = *servers_[0];
  const std::string path = server.config_path();
  std::ifstream file(path);
  std::string config(std::istreambuf_iterator<char>(file), {});
  config.pop_back();
  const ApiKey filed = MakeApiKey();
  const auto reload = [&](const std::string& tenants) {
    const std::string tail = "tenants: [";
    std::string changed = config;
    changed.insert(changed.find(tail) + tail.size(), tenants);
    std::ofstream(path) << changed << "\n";
    server.process().Signal(SIGHUP);
    return server.process()
        .WaitForError([](std::string_view line) {
          return line.find("\"configuration reloaded\"") != line.npos;
        })
        .has_value();
  };
  const std::string record = "keys: [{record: \"" + filed.record + "\"}]";
  ASSERT_TRUE(reload("{name: filed, tier: Roomy, " + record + "}, "));
  EXPECT_TRUE(Eventually([&] { return Told(filed.key, 0).empty(); }));
  EXPECT_EQ(Told(key_.key, 0), "");
  const ApiKey second = MakeApiKey();
  CreateKey(Record(second));
  EXPECT_TRUE(SoonTold(second.key, ""));
  EXPECT_EQ(Told(filed.key, 0), "");
  ASSERT_TRUE(reload("{name: stored, tier: Roomy, " + record + "}, "));
  EXPECT_TRUE(Eventually([&] { return Told(key_.key, 0) == "KEY_INVALID"; }));
  EXPECT_EQ(Told(filed.key, 0), "");
  EXPECT_EQ(Told(key_.key, 1), "");
  EXPECT_THAT(server.process().Errors(), HasSubstr("tenant stored of the database is left out"));
}

TEST_F(TenantsTest, TheLastUseOfAKeyIsWrittenAtTheEndAtTheLatest) {
  Create(kStored);
  CreateKey(Record(key_));
  const absl::Time began = Now();
  const auto used_at = [&] {
    absl::Time used;
    world_.Do([&](billing::Ledger& ledger) {
      used = TenantStore(ledger.database()).ListKeys(kStored, "", 1).at(0).used_at;
    });
    return used;
  };
  EXPECT_EQ(used_at(), absl::InfinitePast());
  ASSERT_TRUE(SoonTold(key_.key, ""));
  servers_[1]->StopCleanly();
  EXPECT_GE(used_at(), began - absl::Seconds(1));
  EXPECT_LE(used_at(), Now());
  servers_[1] = world_.Start();
}

TEST_F(TenantsTest, WhatWasThereIsThereAfterARestart) {
  Create(kStored);
  CreateKey(Record(key_));
  ASSERT_TRUE(SoonTold(key_.key, ""));
  servers_[1]->StopCleanly();
  servers_[1] = world_.Start();
  EXPECT_EQ(Told(key_.key, 1), "");
}

TEST_F(TenantsTest, WhileTheDatabaseIsAwayKeysStayKnown) {
  Create(kStored);
  CreateKey(Record(key_));
  ASSERT_TRUE(SoonTold(key_.key, ""));
  for (auto& server : servers_) {
    ASSERT_TRUE(server->process().Wait(Millis(0)) == std::nullopt);
  }
  world_.postgres()->Kill();
  ASSERT_TRUE(servers_[0]->process().WaitForError([](std::string_view line) {
    return line.find("cannot be read: those that are known stay") != line.npos;
  }));
  EXPECT_NE(Told(key_.key, 0), "KEY_INVALID");
  world_.postgres()->Start();
  EXPECT_TRUE(Eventually([&] { return Told(key_.key, 0).empty(); }));
  const ApiKey second = MakeApiKey();
  CreateKey(Record(second));
  EXPECT_TRUE(Eventually([&] { return Told(second.key, 0).empty(); }));
  for (auto& server : servers_) {
    // StopCleanly() would take the errors in the log for the server's own.
    server->process().Signal(SIGTERM);
    EXPECT_EQ(server->process().Wait(WaitMax()), 0);
    server.reset();
  }
}

}  // namespace
}  // namespace pingti::integration
