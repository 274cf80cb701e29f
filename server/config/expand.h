// `${NAME}`, `${NAME:-default}` and `$$` in the values of a configuration file.
//
// A pure function. The result is not expanded again, so a variable's value may hold any sign.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/config/load.h"

namespace pingti::config {

// Longest value, before and after.
inline constexpr size_t kValueBytesMax = 64 * 1024;

struct Expanded {
  std::string text;
  std::vector<std::string> variables;  // that `text` comes from, whether set or not
  std::string problem;                 // what is wrong, without any value; empty: nothing
};

Expanded Expand(std::string_view raw, const Environment& environment);

}  // namespace pingti::config
