#include "server/tenancy/key_uses.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/tenancy/tenant_directory.h"

namespace pingti::tenancy {
namespace {

using Keys = std::vector<UsedKey>;

absl::Time At(int64_t second) { return absl::FromUnixSeconds(second); }

TEST(KeyUsesTest, TheLastUseCountsToTheSecond) {
  KeyUse use;
  EXPECT_EQ(use.last(), 0);
  use.Note(At(7) + absl::Milliseconds(900));
  EXPECT_EQ(use.last(), 7);
  use.Note(At(5));  // of another worker, a moment later
  EXPECT_EQ(use.last(), 7);
  use.Note(At(8));
  EXPECT_EQ(use.last(), 8);
}

TEST(KeyUsesTest, WhatIsNotWrittenIsCollectedUntilItIs) {
  KeyUses uses;
  const auto b = uses.Find("b");
  const auto a = uses.Find("a");
  uses.Find("never");
  EXPECT_EQ(uses.Find("a"), a);
  EXPECT_TRUE(uses.Unwritten().empty());
  b->Note(At(3));
  a->Note(At(2));
  const Keys first = {{"a", 2}, {"b", 3}};
  EXPECT_EQ(uses.Unwritten(), first);
  EXPECT_EQ(uses.Unwritten(), first);  // the write has failed
  a->Note(At(4));                      // while it is written
  uses.NoteWritten(first);
  EXPECT_EQ(uses.Unwritten(), (Keys{{"a", 4}}));
  uses.NoteWritten({{"a", 4}});
  uses.NoteWritten({{"a", 1}, {"gone", 9}});
  EXPECT_TRUE(uses.Unwritten().empty());
}

TEST(KeyUsesTest, AKeyThatIsGoneIsForgottenOnceItIsWritten) {
  KeyUses uses;
  auto gone = uses.Find("gone");
  const auto stays = uses.Find("stays");
  gone->Note(At(2));
  stays->Note(At(2));
  gone.reset();
  uses.Prune();
  EXPECT_EQ(uses.Unwritten().size(), 2u);
  uses.NoteWritten(uses.Unwritten());
  uses.Prune();
  stays->Note(At(3));
  EXPECT_EQ(uses.Unwritten(), (Keys{{"stays", 3}}));
  EXPECT_EQ(uses.Find("gone")->last(), 0);
  EXPECT_EQ(uses.Find("stays"), stays);
}

TEST(KeyUsesTest, ADirectoryGoesOnWithTheUsesOfTheOneBefore) {
  config::Config config;
  config.tenants.emplace_back().name = "acme";
  const KeyHash hash = HashKey("pt_one_s3cret");
  config.tenants[0].keys.push_back({"one", std::string(hash.begin(), hash.end())});
  KeyUses uses;
  {
    const TenantDirectory before(config, &uses);
    before.Find("pt_one_s3cret", At(1))->use->Note(At(1));
  }
  const TenantDirectory directory(config, &uses);
  EXPECT_EQ(directory.Find("pt_one_s3cret", At(2))->use->last(), 1);
  EXPECT_EQ(TenantDirectory(config).Find("pt_one_s3cret", At(2))->use, nullptr);
}

}  // namespace
}  // namespace pingti::tenancy
