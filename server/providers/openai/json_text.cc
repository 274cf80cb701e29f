#include "server/providers/openai/json_text.h"

#include <cstring>
#include <utility>

namespace pingti::providers::openai {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr size_t kUnicodeEscapeBytes = 6;  // \uXXXX

bool IsHigh(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool IsLow(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The code unit of the \uXXXX that `text` begins with; false where it begins with none.
bool UnicodeEscape(std::string_view text, uint32_t* unit) {
  if (text.size() < kUnicodeEscapeBytes || text[0] != '\\' || text[1] != 'u') return false;
  *unit = 0;
  for (char c : text.substr(2, 4)) {
    int digit = HexDigit(c);
    if (digit < 0) return false;
    *unit = *unit * 16 + static_cast<uint32_t>(digit);
  }
  return true;
}

void AppendUtf8(uint32_t point, std::string* out) {
  auto tail = [&](int shift) {
    out->push_back(static_cast<char>(0x80 | ((point >> shift) & 0x3F)));
  };
  if (point < 0x80) {
    out->push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (point >> 6)));
    tail(0);
  } else if (point < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (point >> 12)));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xF0 | (point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

uint32_t Join(uint32_t high, uint32_t low) {
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

// The character of an escape of one letter; 0: there is no such escape.
char SimpleEscape(char letter) {
  switch (letter) {
    case '"':
    case '\\':
    case '/':
      return letter;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

}  // namespace

void SurrogateHalf::Flush(std::string* out) {
  if (std::exchange(value_, 0) != 0) out->append(kReplacement);
}

bool AppendUnescaped(std::string_view escaped, SurrogateHalf* half, std::string* out) {
  if (half != nullptr && half->waiting() && !escaped.empty()) {
    uint32_t low = 0;
    if (UnicodeEscape(escaped, &low) && IsLow(low)) {
      AppendUtf8(Join(std::exchange(half->value_, 0), low), out);
      escaped.remove_prefix(kUnicodeEscapeBytes);
    } else {
      half->Flush(out);
    }
  }
  while (!escaped.empty()) {
    const void* backslash = std::memchr(escaped.data(), '\\', escaped.size());
    size_t plain = backslash == nullptr
                       ? escaped.size()
                       : static_cast<size_t>(static_cast<const char*>(backslash) - escaped.data());
    out->append(escaped.data(), plain);
    escaped.remove_prefix(plain);
    if (escaped.empty()) return true;

    uint32_t unit = 0;
    if (!UnicodeEscape(escaped, &unit)) {
      char simple = escaped.size() < 2 ? '\0' : SimpleEscape(escaped[1]);
      if (simple == '\0') return false;
      out->push_back(simple);
      escaped.remove_prefix(2);
      continue;
    }
    escaped.remove_prefix(kUnicodeEscapeBytes);
    uint32_t low = 0;
    if (IsHigh(unit) && UnicodeEscape(escaped, &low) && IsLow(low)) {
      AppendUtf8(Join(unit, low), out);
      escaped.remove_prefix(kUnicodeEscapeBytes);
    } else if (IsHigh(unit) && half != nullptr && escaped.empty()) {
      half->value_ = static_cast<uint16_t>(unit);
    } else if (IsHigh(unit) || IsLow(unit)) {
      out->append(kReplacement);
    } else {
      AppendUtf8(unit, out);
    }
  }
  return true;
}

std::string Unescaped(std::string_view escaped, size_t bytes_max) {
  // An escape takes at most six bytes for each byte of its text.
  constexpr size_t kEscapedBytesPerByte = 6;
  std::string text;
  AppendUnescaped(escaped.substr(0, bytes_max * kEscapedBytesPerByte), nullptr, &text);
  if (text.size() > bytes_max) {
    size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
  }
  return text;
}

}  // namespace pingti::providers::openai
