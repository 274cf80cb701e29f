// API keys of the tenants in the database. Part of tenant_contract.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/tenancy/key_uses.h"
#include "tests/contract/tenant_fixture.h"

namespace pingti::exchange {

TEST_P(TenantContract, KeysEndByTimeAndByRevocation) {
  Create(kAcme);
  StoredKey key = KeyOf("one");
  key.expires_at = now_ + absl::Hours(1);
  CreateKey(key);
  CreateKey(KeyOf("two"));
  EXPECT_EQ(LiveKeys(now_ + absl::Hours(1) - absl::Microseconds(1)), (Ids{"one", "two"}));
  EXPECT_EQ(LiveKeys(now_ + absl::Hours(1)), Ids{"two"});
  const auto revoke = [&](const std::string& id) {
    return Change([&](TenantStore& store) { return store.RevokeKey(kAcme, id, now_); });
  };
  EXPECT_EQ(revoke("two"), StoreVerdict::kDone);
  EXPECT_EQ(LiveKeys(now_), Ids{"one"});
  const int64_t changes = Changes();
  EXPECT_EQ(revoke("two"), StoreVerdict::kDone);
  EXPECT_EQ(Changes(), changes);
  EXPECT_EQ(revoke("three"), StoreVerdict::kUnknownKey);
  Create("other");
  CreateKey(KeyOf("of-other", "other"));
  EXPECT_EQ(revoke("of-other"), StoreVerdict::kUnknownKey);
}

TEST_P(TenantContract, ARotatedKeyGoesOnForAWhile) {
  Create(kAcme);
  StoredKey old = KeyOf("old");
  old.models = {"gpt-4o"};
  old.limits.requests_per_minute = config::Limit(60, 10);
  old.rights.complete = false;
  old.budget = config::KeyBudget{50, config::BudgetPeriod::kMonth};
  old.expires_at = now_ + absl::Hours(48);
  CreateKey(old);
  now_ += absl::Hours(24);
  StoredKey made = KeyOf("new");
  made.name.clear();
  EXPECT_EQ(RotateKey("old", now_ + absl::Hours(2), &made), StoreVerdict::kDone);
  EXPECT_EQ(made.name, "of a test");
  EXPECT_EQ(made.models, old.models);
  EXPECT_EQ(made.limits, old.limits);
  EXPECT_EQ(made.rights, old.rights);
  EXPECT_EQ(made.budget, old.budget);
  EXPECT_EQ(made.expires_at, now_ + absl::Hours(48));
  EXPECT_EQ(LiveKeys(now_ + absl::Hours(2) - absl::Microseconds(1)), (Ids{"new", "old"}));
  EXPECT_EQ(LiveKeys(now_ + absl::Hours(2)), Ids{"new"});
  StoredKey third = KeyOf("third");
  EXPECT_EQ(RotateKey("old", now_, &third), StoreVerdict::kKeyEnded);
  EXPECT_EQ(RotateKey("never", now_, &third), StoreVerdict::kUnknownKey);
  // The overlap gives no key a longer life than it had.
  EXPECT_EQ(RotateKey("new", now_ + absl::Hours(1'000), &third), StoreVerdict::kDone);
  EXPECT_EQ(LiveKeys(now_ + absl::Hours(47)), (Ids{"new", "third"}));
}

TEST_P(TenantContract, KeysAndTenantsArePaged) {
  for (const char* name : {"a", "b", "c"}) Create(name);
  for (const char* id : {"one", "two", "xyz"}) CreateKey(KeyOf(id, "b"));
  Change([&](TenantStore& store) { return store.Delete("a", now_); });
  Change([&](TenantStore& store) { return store.RevokeKey("b", "two", now_); });
  const auto list = [&](const std::string& after, int limit, bool deleted) {
    return Get<std::vector<StoredTenant>>(
        [&](TenantStore& store) { return store.List(after, limit, deleted, now_); });
  };
  const std::vector<StoredTenant> living = list("", 10, false);
  ASSERT_EQ(living.size(), 2u);
  EXPECT_EQ(living[0].name, "b");
  EXPECT_EQ(living[0].live_keys, 2);
  EXPECT_EQ(living[0].created_at, now_);
  EXPECT_EQ(list("", 10, true).front().state, TenantState::kDeleted);
  EXPECT_EQ(list("b", 10, false).front().name, "c");
  EXPECT_EQ(list("", 1, false).size(), 1u);
  const auto keys = Get<std::vector<StoredKey>>(
      [&](TenantStore& store) { return store.ListKeys("b", "one", 10); });
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].id, "two");
  EXPECT_EQ(keys[0].revoked_at, now_);
  EXPECT_EQ(keys[1].revoked_at, absl::InfiniteFuture());
  EXPECT_EQ(keys[1].sha256, "");
}

TEST_P(TenantContract, AKeyKeepsItsLimits) {
  Create(kAcme);
  StoredKey limited = KeyOf("one");
  limited.limits.requests_per_minute = config::Limit(60, 10);
  limited.limits.tokens_per_minute = 0;
  limited.limits.requests_per_day = config::Limit(5, 0, /*shadow=*/true);
  limited.limits.tokens_per_day = 10'000'000'000;
  limited.limits.calls_at_once = 2;
  EXPECT_EQ(CreateKey(limited), StoreVerdict::kDone);
  EXPECT_EQ(CreateKey(limited), StoreVerdict::kDone);  // again, after a lost reply
  CreateKey(KeyOf("two"));
  const auto keys = Get<std::vector<StoredKey>>(
      [&](TenantStore& store) { return store.ListKeys(kAcme, "", 10); });
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].limits, limited.limits);
  EXPECT_EQ(keys[1].limits, config::ClassLimits());
  const std::vector<config::Tenant> tenants = Snapshot(now_);
  ASSERT_EQ(tenants.at(0).keys.size(), 2u);
  EXPECT_EQ(tenants[0].keys[0].limits, limited.limits);
  EXPECT_EQ(tenants[0].keys[1].limits, config::ClassLimits());
}

TEST_P(TenantContract, AKeyKeepsItsRights) {
  Create(kAcme);
  CreateKey(KeyOf("all"));
  StoredKey reader = KeyOf("reader");
  reader.rights = {.complete = false, .read_account = true};
  CreateKey(reader);
  StoredKey writer = KeyOf("writer");
  writer.rights = {.complete = true, .read_account = false};
  CreateKey(writer);
  const auto keys = Get<std::vector<StoredKey>>(
      [&](TenantStore& store) { return store.ListKeys(kAcme, "", 10); });
  const std::vector<config::Tenant> tenants = Snapshot(now_);
  ASSERT_EQ(keys.size(), 3u);
  ASSERT_EQ(tenants.at(0).keys.size(), 3u);
  const config::KeyRights wanted[] = {{}, reader.rights, writer.rights};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(keys[i].rights, wanted[i]) << i;
    EXPECT_EQ(tenants[0].keys[i].rights, wanted[i]) << i;
  }
}

TEST_P(TenantContract, AKeyKeepsItsBudget) {
  Create(kAcme);
  StoredKey daily = KeyOf("daily");
  daily.budget = config::KeyBudget{1, config::BudgetPeriod::kDay};
  CreateKey(daily);
  StoredKey monthly = KeyOf("monthly");
  monthly.budget = config::KeyBudget{config::kKeyBudgetMax, config::BudgetPeriod::kMonth};
  CreateKey(monthly);
  CreateKey(KeyOf("none"));
  const auto keys = Get<std::vector<StoredKey>>(
      [&](TenantStore& store) { return store.ListKeys(kAcme, "", 10); });
  const std::vector<config::Tenant> tenants = Snapshot(now_);
  ASSERT_EQ(keys.size(), 3u);
  ASSERT_EQ(tenants.at(0).keys.size(), 3u);
  const std::optional<config::KeyBudget> wanted[] = {daily.budget, monthly.budget, std::nullopt};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(keys[i].budget, wanted[i]) << i;
    EXPECT_EQ(tenants[0].keys[i].budget, wanted[i]) << i;
  }
}

TEST_P(TenantContract, TheLastUseOfAKeyIsKept) {
  Create(kAcme);
  CreateKey(KeyOf("one"));
  CreateKey(KeyOf("two"));
  const auto write = [&](const std::vector<tenancy::UsedKey>& keys) {
    Do([&](billing::Ledger& ledger) { tenancy::WriteKeyUses(ledger.database(), keys); });
  };
  const auto used = [&] {
    const auto keys = Get<std::vector<StoredKey>>(
        [&](TenantStore& store) { return store.ListKeys(kAcme, "", 10); });
    return std::vector<absl::Time>{keys.at(0).used_at, keys.at(1).used_at};
  };
  const absl::Time never = absl::InfinitePast();
  EXPECT_EQ(used(), (std::vector<absl::Time>{never, never}));
  const int64_t changes = Changes();
  const int64_t second = absl::ToUnixSeconds(now_);
  write({});
  write({{"of the configuration", second}, {"two", second}});
  EXPECT_EQ(used(), (std::vector<absl::Time>{never, now_}));
  write({{"one", second}, {"two", second + 60}});
  EXPECT_EQ(used(), (std::vector<absl::Time>{now_, now_ + absl::Minutes(1)}));
  write({{"two", second + 1}});  // of a replica that is late
  EXPECT_EQ(used(), (std::vector<absl::Time>{now_, now_ + absl::Minutes(1)}));
  std::vector<tenancy::UsedKey> many = {{"one", second + 2}};
  for (int i = 0; i < 250; ++i) many.push_back({"x" + std::to_string(1'000 + i), second});
  write(many);
  EXPECT_EQ(used()[0], now_ + absl::Seconds(2));
  EXPECT_EQ(Changes(), changes);  // no replica has to look at it
}

TEST_P(TenantContract, ATenantHasSoManyKeysAtOnce) {
  Create(kAcme);
  for (int i = 0; i < tenancy::kKeysOfTenantMax; ++i) {
    ASSERT_EQ(CreateKey(KeyOf("key" + std::to_string(i))), StoreVerdict::kDone);
  }
  EXPECT_EQ(CreateKey(KeyOf("more")), StoreVerdict::kTooMany);
  Change([&](TenantStore& store) { return store.RevokeKey(kAcme, "key0", now_); });
  EXPECT_EQ(CreateKey(KeyOf("more")), StoreVerdict::kDone);
}

}  // namespace pingti::exchange
