#include "client/command/whole_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/fakes/scratch_folder.h"

namespace pingti::command {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t FilesIn(const std::string& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST(WholeFileTest, MakesAndReplacesAndLeavesNothingElse) {
  const fakes::ScratchFolder folder;
  const std::string path = folder.path() + "/prices.yaml";
  EXPECT_EQ(WriteWholeFile(path, "one"), "");
  EXPECT_EQ(Read(path), "one");
  struct stat made{};
  ASSERT_EQ(::stat(path.c_str(), &made), 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  EXPECT_EQ(made.st_mode & 0777, 0666u & ~mask);
  EXPECT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(WriteWholeFile(path, "two"), "");
  EXPECT_EQ(Read(path), "two");
  struct stat found{};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  EXPECT_EQ(FilesIn(folder.path()), 1u);
}

TEST(WholeFileTest, ALinkStaysALink) {
  const fakes::ScratchFolder folder;
  const std::string target = folder.Write("target", "old", 0644);
  const std::string link = folder.path() + "/link";
  ASSERT_EQ(::symlink(target.c_str(), link.c_str()), 0);
  EXPECT_EQ(WriteWholeFile(link, "new"), "");
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(Read(target), "new");
  std::filesystem::remove(target);
  EXPECT_NE(WriteWholeFile(link, "new"), "");
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST(WholeFileTest, WhatCannotBeWrittenIsSaidAndStays) {
  const fakes::ScratchFolder folder;
  EXPECT_NE(WriteWholeFile(folder.path(), "x"), "");
  EXPECT_NE(WriteWholeFile("/dev/null", "x"), "");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_NE(WriteWholeFile(folder.path() + "/none/prices.yaml", "x"), "");
  EXPECT_NE(WriteWholeFile(folder.Write("file", "", 0644) + "/prices.yaml", "x"), "");
  EXPECT_EQ(FilesIn(folder.path()), 1u);
}

}  // namespace
}  // namespace pingti::command
