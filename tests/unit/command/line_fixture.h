// Parses command lines of one family of commands.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "client/command/command_line.h"

namespace pingti::command {

// `kMember` is where CommandLine keeps what the commands of `kVerb` say.
template <typename Line, Verb kVerb, auto kMember>
class LineFixture : public ::testing::Test {
 protected:
  // The line, or nothing and why in `err_`.
  std::optional<Line> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "pingti");
    std::ostringstream out;
    std::ostringstream err;
    const auto parsed =
        ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), out, err);
    err_ = err.str();
    const auto* line = std::get_if<CommandLine>(&parsed);
    if (line == nullptr) {
      EXPECT_EQ(std::get<ExitCode>(parsed), kExitUsage);
      return std::nullopt;
    }
    EXPECT_EQ(line->verb, kVerb);
    return line->*kMember;
  }

  std::string err_;
};

}  // namespace pingti::command
