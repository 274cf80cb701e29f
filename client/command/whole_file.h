// Writes a file whole or not at all.
//
// Thread-safety: a function without state of its own.
#pragma once

#include <string>
#include <string_view>

namespace pingti::command {

// Puts `text` in place of what the file of this path has, or makes it; behind a link, the file that
// it leads to. Whoever reads it sees the one or the other, also after a crash. Empty, or what is
// wrong; then the file is as it was.
std::string WriteWholeFile(const std::string& path, std::string_view text);

}  // namespace pingti::command
