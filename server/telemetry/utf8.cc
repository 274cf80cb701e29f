#include "server/telemetry/utf8.h"

#include "server/base/text.h"

namespace pingti::telemetry {
namespace {

// Length of the valid character that `text`, which is not empty, begins with; 0: none.
size_t CharacterLength(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return text.size() >= length && base::IsValidUtf8(text.substr(0, length)) ? length : 0;
}

}  // namespace

std::string CleanUtf8(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max && base::IsValidUtf8(text)) return std::string(text);
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string clean;
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = CharacterLength(text.substr(at));
    const std::string_view piece = length == 0 ? kReplacement : text.substr(at, length);
    if (clean.size() + piece.size() > bytes_max) break;
    clean += piece;
    at += length == 0 ? 1 : length;
  }
  return clean;
}

}  // namespace pingti::telemetry
