// Labels as they are typed: NAME=VALUE.
//
// Thread-safety: pure function.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace pingti::command {

// Into `labels`. Empty, or what is wrong with what was given to `flag`. A value may be empty and
// may have `=` in it.
std::string ParseLabels(const char* flag, const std::vector<std::string>& texts,
                        std::map<std::string, std::string>* labels);

}  // namespace pingti::command
