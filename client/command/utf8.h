// Reads UTF-8 one character at a time, and says where it is none.
//
// Thread-safety: pure functions. Strict as RFC 3629: no surrogates, no overlong forms, nothing
// above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace pingti::command {

struct Utf8Char {
  char32_t code = 0;      // The character; of an invalid byte, the byte.
  std::size_t bytes = 1;  // How many bytes it takes; an invalid byte takes one.
  bool valid = false;
};

// The first character of `text`. REQUIRES: !text.empty()
Utf8Char DecodeUtf8(std::string_view text);

bool IsValidUtf8(std::string_view text);

}  // namespace pingti::command
