#include "server/providers/upstream_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "server/base/text.h"

namespace pingti::providers {
namespace {

// As much is looked at, so that a key that the cut would split is still seen whole.
constexpr size_t kLookedAtBytesMax = 1024;
constexpr size_t kKeyBytesMin = 24;

bool IsKeyByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' ||
         c == '*' || c == '+' || c == '=';
}

bool LooksLikeKey(std::string_view word) {
  if (word.starts_with("sk-")) return true;
  if (word.size() < kKeyBytesMin) return false;
  auto is_digit = [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  auto is_alpha = [](char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); };
  return std::any_of(word.begin(), word.end(), is_digit) &&
         std::any_of(word.begin(), word.end(), is_alpha);
}

// Bytes of the valid UTF-8 character that `text` begins with; 0: none.
size_t CharacterBytes(std::string_view text) {
  unsigned char lead = static_cast<unsigned char>(text[0]);
  size_t size = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (text.size() < size || !base::IsValidUtf8(text.substr(0, size))) return 0;
  return size;
}

}  // namespace

std::string UpstreamText(std::string_view bytes) {
  bytes = bytes.substr(0, kLookedAtBytesMax);
  std::string text;
  while (!bytes.empty()) {
    std::string_view piece;
    size_t taken = 1;
    if (IsKeyByte(bytes[0])) {
      taken = static_cast<size_t>(std::find_if_not(bytes.begin(), bytes.end(), IsKeyByte) -
                                  bytes.begin());
      piece = bytes.substr(0, taken);
      if (LooksLikeKey(piece)) piece = "[redacted]";
    } else if (static_cast<unsigned char>(bytes[0]) <= ' ' || bytes[0] == '\x7F') {
      piece = text.empty() || text.back() == ' ' ? "" : " ";
    } else if (size_t size = CharacterBytes(bytes); size > 0) {
      taken = size;
      piece = bytes.substr(0, size);
    } else {
      piece = "?";
    }
    if (text.size() + piece.size() > kUpstreamTextBytesMax) {
      if (IsKeyByte(piece.empty() ? '\0' : piece[0])) {
        text.append(piece.substr(0, kUpstreamTextBytesMax - text.size()));
      }
      break;
    }
    text.append(piece);
    bytes.remove_prefix(taken);
  }
  return text;
}

}  // namespace pingti::providers
