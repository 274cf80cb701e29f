// What the store of tenants does, whichever engine keeps it: one suite, instantiated by each
// engine's test.
#pragma once

#include <string>
#include <vector>

#include "tests/contract/key_contract.h"
#include "tests/contract/tenant_fixture.h"

namespace pingti::exchange {

TEST_P(TenantContract, ANewTenantHasAnAccountAndIsSeen) {
  EXPECT_EQ(Changes(), 0);
  EXPECT_EQ(Create(kAcme), StoreVerdict::kDone);
  EXPECT_EQ(Changes(), 1);
  EXPECT_EQ(BalanceOf(kAcme).bonus, 100);
  StoredKey key = KeyOf("one");
  key.models = {"gpt-4o", "yi-large"};
  key.expires_at = now_ + absl::Hours(1);
  EXPECT_EQ(CreateKey(key), StoreVerdict::kDone);
  EXPECT_EQ(Changes(), 2);
  const std::vector<config::Tenant> all = Snapshot(now_);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name, kAcme);
  EXPECT_EQ(all[0].tier, "Tier1");
  EXPECT_FALSE(all[0].suspended);
  ASSERT_EQ(all[0].keys.size(), 1u);
  EXPECT_EQ(all[0].keys[0].public_id, "one");
  EXPECT_EQ(all[0].keys[0].sha256, key.sha256);
  EXPECT_EQ(all[0].keys[0].models, key.models);
  EXPECT_EQ(all[0].keys[0].expires_at, key.expires_at);
}

TEST_P(TenantContract, WhatIsRunTwiceIsDoneOnce) {
  EXPECT_EQ(Create(kAcme), StoreVerdict::kDone);
  EXPECT_EQ(Create(kAcme), StoreVerdict::kDone);
  EXPECT_EQ(BalanceOf(kAcme).bonus, 100);
  EXPECT_EQ(CreateKey(KeyOf("one")), StoreVerdict::kDone);
  EXPECT_EQ(CreateKey(KeyOf("one")), StoreVerdict::kDone);
  StoredKey made = KeyOf("two");
  EXPECT_EQ(RotateKey("one", now_ + absl::Hours(1), &made), StoreVerdict::kDone);
  StoredKey again = KeyOf("two");
  EXPECT_EQ(RotateKey("one", now_ + absl::Hours(1), &again), StoreVerdict::kDone);
  EXPECT_EQ(again.name, made.name);
  EXPECT_EQ(again.expires_at, made.expires_at);
  EXPECT_EQ(Changes(), 3);
}

TEST_P(TenantContract, ANameIsOneTenantsForEver) {
  EXPECT_EQ(Create(kAcme), StoreVerdict::kDone);
  EXPECT_EQ(Create(kAcme, "Tier2"), StoreVerdict::kNameTaken);
  now_ += absl::Hours(1);
  EXPECT_EQ(Create(kAcme), StoreVerdict::kNameTaken);
  Do([&](billing::Ledger& ledger) {
    EXPECT_EQ(DeleteTenant(ledger, kAcme, now_).verdict, StoreVerdict::kDone);
  });
  EXPECT_EQ(Create(kAcme), StoreVerdict::kNameTaken);
  EXPECT_EQ(BalanceOf(kAcme).bonus, 100);
}

TEST_P(TenantContract, ATenantOfTheConfigurationBringsItsAccount) {
  OpenAccount(kAcme, 50);
  EXPECT_EQ(Create(kAcme), StoreVerdict::kDone);
  EXPECT_EQ(BalanceOf(kAcme), (billing::Balance{.cash = 50, .bonus = 0, .held = 0}));
}

TEST_P(TenantContract, SuspendedResumedAndOfAnotherTier) {
  Create(kAcme);
  CreateKey(KeyOf("one"));
  const auto set = [&](auto work) { return Change(work); };
  EXPECT_EQ(set([](TenantStore& store) { return store.Suspend(kAcme); }), StoreVerdict::kDone);
  EXPECT_TRUE(Snapshot(now_)[0].suspended);
  EXPECT_EQ(LiveKeys(now_), Ids{"one"});
  EXPECT_EQ(Find(kAcme).state, TenantState::kSuspended);
  EXPECT_EQ(Changes(), 3);
  EXPECT_EQ(set([](TenantStore& store) { return store.Suspend(kAcme); }), StoreVerdict::kDone);
  EXPECT_EQ(Changes(), 3);
  EXPECT_EQ(set([](TenantStore& store) { return store.Resume(kAcme); }), StoreVerdict::kDone);
  EXPECT_FALSE(Snapshot(now_)[0].suspended);
  EXPECT_EQ(set([](TenantStore& s) { return s.SetTier(kAcme, "Tier4"); }), StoreVerdict::kDone);
  EXPECT_EQ(Snapshot(now_)[0].tier, "Tier4");
  EXPECT_EQ(Changes(), 5);
}

TEST_P(TenantContract, ATenantHasItsIdentitiesAlone) {
  Create(kAcme);
  Create("other");
  EXPECT_EQ(SetIdentities(kAcme, {"z.acme", "CN=Acme, O=Company", "a.acme"}), StoreVerdict::kDone);
  EXPECT_EQ(Changes(), 3);
  const Ids all{"CN=Acme, O=Company", "a.acme", "z.acme"};
  EXPECT_EQ(Find(kAcme).identities, all);
  EXPECT_EQ(Snapshot(now_)[0].identities, all);
  EXPECT_EQ(Snapshot(now_)[1].identities, Ids());
  EXPECT_EQ(SetIdentities(kAcme, {"a.acme", "z.acme", "CN=Acme, O=Company"}), StoreVerdict::kDone);
  EXPECT_EQ(Changes(), 3);
  // One that is another's: nothing is done.
  std::string taken;
  EXPECT_EQ(SetIdentities("other", {"a.other", "z.acme"}, &taken), StoreVerdict::kIdentityTaken);
  EXPECT_EQ(taken, "z.acme");
  EXPECT_EQ(Find("other").identities, Ids());
  EXPECT_EQ(Changes(), 3);
  // Those that are named stay, the others are free.
  EXPECT_EQ(SetIdentities(kAcme, {"a.acme"}), StoreVerdict::kDone);
  EXPECT_EQ(SetIdentities("other", {"a.other", "z.acme"}), StoreVerdict::kDone);
  const std::vector<StoredTenant> listed = Get<std::vector<StoredTenant>>(
      [&](TenantStore& store) { return store.List("", 10, false, now_); });
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].identities, Ids{"a.acme"});
  EXPECT_EQ(listed[1].identities, (Ids{"a.other", "z.acme"}));
  EXPECT_EQ(Changes(), 5);
  // A deleted tenant has none.
  Do([&](billing::Ledger& ledger) { DeleteTenant(ledger, "other", now_); });
  EXPECT_EQ(SetIdentities(kAcme, {"z.acme"}), StoreVerdict::kDone);
  EXPECT_EQ(SetIdentities("other", {}), StoreVerdict::kUnknownTenant);
}

TEST_P(TenantContract, WhoIsNotThereIsToldSo) {
  const auto told = [&](auto work) { return Change(work) == StoreVerdict::kUnknownTenant; };
  EXPECT_TRUE(told([](TenantStore& store) { return store.Suspend("nobody"); }));
  EXPECT_TRUE(told([](TenantStore& store) { return store.Resume("nobody"); }));
  EXPECT_TRUE(told([](TenantStore& store) { return store.SetTier("nobody", "Tier2"); }));
  EXPECT_TRUE(told([&](TenantStore& store) { return store.Delete("nobody", now_); }));
  EXPECT_TRUE(told([&](TenantStore& store) { return store.RevokeKey("nobody", "one", now_); }));
  EXPECT_EQ(CreateKey(KeyOf("one", "nobody")), StoreVerdict::kUnknownTenant);
  StoredKey made = KeyOf("two", "nobody");
  EXPECT_EQ(RotateKey("one", now_, &made), StoreVerdict::kUnknownTenant);
  EXPECT_EQ(Changes(), 0);
}

TEST_P(TenantContract, ADeletedTenantHasNoKeysAndItsMoneyStays) {
  Create(kAcme);
  CreateKey(KeyOf("one"));
  Hold(Request("a", 10));
  Do([&](billing::Ledger& ledger) { EXPECT_EQ(DeleteTenant(ledger, kAcme, now_).held, 10); });
  EXPECT_EQ(LiveKeys(now_), Ids{"one"});
  End(VoidOf("a"));
  Do([&](billing::Ledger& ledger) {
    const DeleteReply reply = DeleteTenant(ledger, kAcme, now_);
    EXPECT_EQ(reply.held, 0);
    EXPECT_EQ(reply.verdict, StoreVerdict::kDone);
    EXPECT_EQ(DeleteTenant(ledger, kAcme, now_).verdict, StoreVerdict::kDone);
    EXPECT_EQ(DeleteTenant(ledger, "nobody", now_).verdict, StoreVerdict::kUnknownTenant);
  });
  EXPECT_TRUE(Snapshot(now_).empty());
  EXPECT_EQ(Find(kAcme).state, TenantState::kDeleted);
  EXPECT_EQ(CreateKey(KeyOf("two")), StoreVerdict::kUnknownTenant);
  EXPECT_EQ(Change([](TenantStore& s) { return s.Resume(kAcme); }), StoreVerdict::kUnknownTenant);
  EXPECT_EQ(BalanceOf(kAcme).bonus, 100);
  EXPECT_EQ(Transfers().size(), 1u);
}

TEST_P(TenantContract, TheFirstTopUpLiftsALowerTier) {
  const billing::Plan plan{
      .bonus_percent = 50, .lifted_tiers = {"Free", "Tier1"}, .tier_on_top_up = "Tier3"};
  const auto top_up = [&](const std::string& tenant, const std::string& reference) {
    Do([&](billing::Ledger& ledger) {
      TopUpTenant(ledger,
                  {.tenant = tenant,
                   .nano = 1,
                   .reference = reference,
                   .actor = "test",
                   .reason = "",
                   .at = now_},
                  plan);
    });
  };
  Create(kAcme, "Tier1");
  Create("higher", "Tier4");
  EXPECT_EQ(Find(kAcme).tier, "Tier1");  // by bonus alone it stays
  top_up(kAcme, "t1");
  top_up("higher", "t1");
  EXPECT_EQ(Find(kAcme).tier, "Tier3");
  EXPECT_EQ(Find("higher").tier, "Tier4");
  // Who is put down afterwards stays there.
  Change([](TenantStore& store) { return store.SetTier(kAcme, "Free"); });
  top_up(kAcme, "t2");
  top_up(kAcme, "t1");
  EXPECT_EQ(Find(kAcme).tier, "Free");
}

TEST_P(TenantContract, AnUndoneChangeIsNotCounted) {
  Create(kAcme);
  const absl::Status status = database_->Transact([&] {
    TenantStore store(*database_);
    EXPECT_EQ(store.CreateKey(KeyOf("one")), StoreVerdict::kDone);
    StoredKey wrong = KeyOf("two");
    wrong.sha256 = "short";
    store.CreateKey(wrong);
  });
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_EQ(Changes(), 1);
  EXPECT_TRUE(LiveKeys(now_).empty());
}

}  // namespace pingti::exchange
