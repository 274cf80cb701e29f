// Configurations as text, and what the loader makes of them.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "server/config/load.h"

namespace pingti::config {

// A provider that is on, for texts that are about something else.
inline constexpr char kProvider[] =
    "\nproviders: [{name: p, dialect: openai, base_url: 'http://h', no_key: true}]\n";

// The text as the file c/t.yaml, which must be good.
inline LoadResult Good(const std::string& text, const Environment& environment = {},
                       const FileReader& read_file = nullptr) {
  auto result = LoadFromString(text, "c/t.yaml", environment, read_file);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : LoadResult{};
}

// What is wrong with the file c/t.yaml, a line each.
inline std::vector<std::string> Errors(const std::string& text, const Environment& environment = {},
                                       const FileReader& read_file = nullptr) {
  const auto result = LoadFromString(text, "c/t.yaml", environment, read_file);
  if (result.ok()) return {};
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  return absl::StrSplit(result.status().message(), '\n');
}

// A text that is wrong, and what is said of it.
struct BadFile {
  std::string name;
  std::string text;
  std::vector<std::string> errors;
};

inline void PrintTo(const BadFile& file, std::ostream* out) { *out << file.name; }

// A file whose one API key has these fields beside its record; they begin in line 7.
inline absl::StatusOr<LoadResult> LoadKey(const std::string& fields) {
  return LoadFromString(
      "providers: [{name: p, dialect: openai, base_url: 'http://h', no_key: true}]\n"
      "models: [{name: m, provider: p, context_tokens: 10}]\n"
      "aliases: [{name: a, to: m}]\n"
      "tiers: [{name: T}]\n"
      "tenants: [{name: t, tier: T, keys: [\n{record: 'pt_dev1:" +
          std::string(64, 'a') + "',\n" + fields + "}]}]\n",
      "t.yaml", {});
}

}  // namespace pingti::config
