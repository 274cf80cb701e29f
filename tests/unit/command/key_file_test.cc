#include "client/command/key_file.h"

#include <gtest/gtest.h>

#include "tests/fakes/scratch_folder.h"

namespace pingti::command {
namespace {

using fakes::ScratchFolder;

std::string RefusalOf(const std::string& path) {
  const auto key = ReadKeyFile(path);
  return key.ok() ? "(accepted)" : key.error().message;
}

TEST(KeyFilePath, FollowsXdg) {
  EXPECT_EQ(KeyFilePath("/cfg", "/home/me"), "/cfg/pingti/key");
  EXPECT_EQ(KeyFilePath(nullptr, "/home/me"), "/home/me/.config/pingti/key");
  EXPECT_EQ(KeyFilePath("relative", "/home/me"), "/home/me/.config/pingti/key");
  EXPECT_EQ(KeyFilePath("/cfg", nullptr, kAdminKeyFile), "/cfg/pingti/admin-key");
  EXPECT_EQ(KeyFilePath(nullptr, "/home/me", kAdminKeyFile), "/home/me/.config/pingti/admin-key");
  EXPECT_EQ(KeyFilePath("", ""), "");
  EXPECT_EQ(KeyFilePath(nullptr, nullptr), "");
}

TEST(ReadKeyFile, TakesTheKeyWithoutSpaceAroundIt) {
  const ScratchFolder folder;
  for (const mode_t mode : {0600, 0400}) {
    const auto key = ReadKeyFile(folder.Write("key" + std::to_string(mode), "\n pt_abc\r\n", mode));
    ASSERT_TRUE(key.ok()) << key.error().message;
    EXPECT_EQ(*key, "pt_abc");
  }
}

TEST(ReadKeyFile, NoFileIsNoKey) {
  const ScratchFolder folder;
  for (const std::string& path : {std::string(), folder.path() + "/no/key"}) {
    const auto key = ReadKeyFile(path);
    ASSERT_TRUE(key.ok());
    EXPECT_FALSE(key->has_value());
  }
}

TEST(ReadKeyFile, RefusesEveryBitForOthers) {
  const ScratchFolder folder;
  for (const mode_t bit : {0001, 0002, 0004, 0010, 0020, 0040}) {
    const std::string path = folder.Write("key", "pt_secret", 0600 | bit);
    const std::string refusal = RefusalOf(path);
    EXPECT_NE(refusal.find("chmod 600 " + path), std::string::npos) << refusal;
    EXPECT_EQ(refusal.find("pt_secret"), std::string::npos) << "a key in a message";
  }
  EXPECT_NE(RefusalOf(folder.Write("key", "pt_secret", 0644)).find("0644"), std::string::npos);
}

TEST(ReadKeyFile, RefusesWhatIsNoKey) {
  const ScratchFolder folder;
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("a b"), std::string("pt_\xc3\xa4"),
        std::string("pt_a\npt_b"), std::string("pt_\0x", 5)}) {
    EXPECT_NE(RefusalOf(folder.Write("key", content, 0600)).find("one API key"), std::string::npos);
  }
  EXPECT_NE(RefusalOf(folder.Write("key", std::string(5000, 'k'), 0600)).find("too long"),
            std::string::npos);
  EXPECT_NE(RefusalOf(folder.path()).find("not a regular file"), std::string::npos);
}

TEST(ReadKeyFile, APipeInItsPlaceDoesNotHang) {
  const ScratchFolder folder;
  const std::string path = folder.path() + "/key";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_NE(RefusalOf(path).find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace pingti::command
