// Strings that callers chose, made safe for a line of JSON and for a label.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pingti::telemetry {

// `text` with U+FFFD for each byte that is not part of valid UTF-8, cut to at most `bytes_max`
// bytes at a character's boundary.
std::string CleanUtf8(std::string_view text, size_t bytes_max);

}  // namespace pingti::telemetry
