#include "client/command/visible_text.h"

#include <cstdio>

#include "client/command/utf8.h"

namespace pingti::command {
namespace {

bool IsDirectionControl(char32_t code) {
  return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

// The visible form of a character, or empty where it may be shown as it is.
std::string Replacement(const Utf8Char& character) {
  char buffer[16] = "";
  const auto code = static_cast<unsigned>(character.code);
  if (!character.valid) {
    std::snprintf(buffer, sizeof(buffer), "\\x%02x", code);
  } else if (code < 0x20 || code == 0x7f) {
    std::snprintf(buffer, sizeof(buffer), "^%c", static_cast<char>(code ^ 0x40));
  } else if ((code >= 0x80 && code < 0xa0) || IsDirectionControl(character.code)) {
    std::snprintf(buffer, sizeof(buffer), "\\u%04x", code);
  }
  return buffer;
}

}  // namespace

std::string VisibleText(std::string_view text, LineBreaks line_breaks) {
  std::string visible;
  visible.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char character = DecodeUtf8(text);
    const std::string_view bytes = text.substr(0, character.bytes);
    text.remove_prefix(character.bytes);
    if (line_breaks == LineBreaks::kKeep) {
      if (character.code == '\r' && text.starts_with('\n')) continue;
      if (character.code == '\n' || character.code == '\t') {
        visible += bytes;
        continue;
      }
    }
    const std::string replacement = Replacement(character);
    visible += replacement.empty() ? bytes : std::string_view(replacement);
  }
  return visible;
}

}  // namespace pingti::command
