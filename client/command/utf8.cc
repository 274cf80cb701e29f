#include "client/command/utf8.h"

namespace pingti::command {
namespace {

struct Form {
  std::size_t bytes;
  char32_t bits;      // What the first byte contributes.
  char32_t smallest;  // Anything below has a shorter form.
};

Form FormOf(unsigned char first) {
  if (first < 0x80) return {1, first, 0};
  if ((first & 0xe0) == 0xc0) return {2, static_cast<char32_t>(first & 0x1f), 0x80};
  if ((first & 0xf0) == 0xe0) return {3, static_cast<char32_t>(first & 0x0f), 0x800};
  if ((first & 0xf8) == 0xf0) return {4, static_cast<char32_t>(first & 0x07), 0x10000};
  return {0, 0, 0};
}

}  // namespace

Utf8Char DecodeUtf8(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const Utf8Char invalid{first, 1, false};
  const Form form = FormOf(first);
  if (form.bytes == 0 || form.bytes > text.size()) return invalid;
  char32_t code = form.bits;
  for (std::size_t i = 1; i < form.bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return invalid;
    code = (code << 6) | (next & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < form.smallest || code > 0x10ffff || surrogate) return invalid;
  return {code, form.bytes, true};
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char character = DecodeUtf8(text);
    if (!character.valid) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

}  // namespace pingti::command
