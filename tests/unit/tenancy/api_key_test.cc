#include "server/tenancy/api_key.h"

#include <set>
#include <string>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pingti::tenancy {
namespace {

std::string Hex(const KeyHash& hash) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

TEST(HashKeyTest, IsSha256) {
  // FIPS 180-2, appendix B.1, and the empty message.
  EXPECT_EQ(Hex(HashKey("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex(HashKey("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(HashKeyTest, IsTheSameOnEveryThread) {
  const std::string here = Hex(HashKey("pt_id_secret"));
  std::string there;
  std::thread([&] { there = Hex(HashKey("pt_id_secret")); }).join();
  EXPECT_EQ(here, there);
}

TEST(PublicIdTest, IsWhatStandsBetweenPrefixAndSecret) {
  EXPECT_EQ(PublicIdOf("pt_abc123_secret"), "abc123");
  EXPECT_EQ(PublicIdOf("pt_a_s"), "a");
  EXPECT_EQ(PublicIdOf("pt_abc_sec_ret"), "abc");
}

TEST(PublicIdTest, IsMissingInAnythingElse) {
  for (const char* key : {"", "p", "pt", "pt_", "pt__", "pt_abc", "pt_abc_", "pt__secret", "abc",
                          "sk-abc_secret", "PT_abc_secret", "pt_ABC_secret", "pt_a-b_secret",
                          "pt_a b_secret", " pt_abc_secret", "pt_\xe4\xbd\xa0_secret"}) {
    EXPECT_FALSE(PublicIdOf(key).has_value()) << '"' << key << '"';
  }
  EXPECT_FALSE(PublicIdOf(std::string_view("pt_a\0b_secret", 13)).has_value());
}

TEST(MakeKeyTest, MakesAKeyAndTheRecordThatProvesIt) {
  const NewKey made = MakeKey();
  const auto id = PublicIdOf(made.key);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->size(), 12u);
  EXPECT_EQ(made.key.size(), 3u + 12u + 1u + 32u);
  EXPECT_EQ(made.record, absl::StrCat("pt_", std::string(*id), ":", Hex(HashKey(made.key))));
}

TEST(MakeKeyTest, KeepsTheSecretOutOfTheRecord) {
  const NewKey made = MakeKey();
  const std::string secret = made.key.substr(made.key.rfind('_') + 1);
  EXPECT_FALSE(absl::StrContains(made.record, secret));
}

TEST(MakeKeyTest, NeverMakesTheSameTwice) {
  std::set<std::string> keys;
  for (int i = 0; i < 1'000; ++i) keys.insert(MakeKey().key);
  EXPECT_EQ(keys.size(), 1'000u);
}

}  // namespace
}  // namespace pingti::tenancy
