#include "server/providers/openai/json_writer.h"

#include <array>
#include <cmath>
#include <cstring>

namespace pingti::providers::openai {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
// Whole numbers up to here are exact in a double.
constexpr double kWholeMax = 9007199254740992.0;

constexpr std::array<bool, 256> NeedsEscape() {
  std::array<bool, 256> needs{};
  for (int c = 0; c < 0x20; ++c) needs[c] = true;
  needs['"'] = true;
  needs['\\'] = true;
  return needs;
}
constexpr std::array<bool, 256> kNeedsEscape = NeedsEscape();

// True if one of the eight bytes of `word` needs an escape; exact, by the usual tricks for "has a
// byte less than n" and "has a byte equal to c", which only err on bytes after a hit.
bool HasEscape(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  auto has_zero = [](uint64_t w) { return (w - kOnes) & ~w & kHighs; };
  uint64_t control = (word - kOnes * 0x20) & ~word & kHighs;
  return (control | has_zero(word ^ (kOnes * '"')) | has_zero(word ^ (kOnes * '\\'))) != 0;
}

// Length of the run at the front of `text` that needs no escape.
size_t PlainRun(std::string_view text) {
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= text.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof(word));
    if (HasEscape(word)) break;
  }
  while (at < text.size() && !kNeedsEscape[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

char ShortEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

// Writes the base64 form of `data` to `out`, which has room for it.
void EncodeBase64(std::string_view data, char* out) {
  const auto* in = reinterpret_cast<const unsigned char*>(data.data());
  size_t left = data.size();
  for (; left >= 3; left -= 3, in += 3, out += 4) {
    uint32_t bits = (uint32_t{in[0]} << 16) | (uint32_t{in[1]} << 8) | in[2];
    out[0] = kBase64[bits >> 18];
    out[1] = kBase64[(bits >> 12) & 63];
    out[2] = kBase64[(bits >> 6) & 63];
    out[3] = kBase64[bits & 63];
  }
  if (left == 0) return;
  uint32_t bits = (uint32_t{in[0]} << 16) | (left == 2 ? uint32_t{in[1]} << 8 : 0);
  out[0] = kBase64[bits >> 18];
  out[1] = kBase64[(bits >> 12) & 63];
  out[2] = left == 2 ? kBase64[(bits >> 6) & 63] : '=';
  out[3] = '=';
}

}  // namespace

void JsonWriter::Append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(os_->Push(bytes.size()), bytes.data(), bytes.size());
}

void JsonWriter::Text(std::string_view text) {
  Prefix(rapidjson::kStringType);
  os_->Put('"');
  while (true) {
    size_t plain = PlainRun(text);
    Append(text.substr(0, plain));
    if (plain == text.size()) break;
    char c = text[plain];
    text.remove_prefix(plain + 1);
    os_->Put('\\');
    if (char letter = ShortEscape(c)) {
      os_->Put(letter);
    } else {
      Append("u00");
      os_->Put(kHex[static_cast<unsigned char>(c) >> 4]);
      os_->Put(kHex[static_cast<unsigned char>(c) & 15]);
    }
  }
  os_->Put('"');
}

void JsonWriter::Number(double number) {
  if (std::abs(number) < kWholeMax && number == std::trunc(number)) {
    Writer::Int64(static_cast<int64_t>(number));
  } else {
    Writer::Double(number);
  }
}

void JsonWriter::Raw(std::string_view json) {
  Prefix(rapidjson::kObjectType);
  Append(json);
}

void JsonWriter::Base64(std::string_view prefix, std::string_view data) {
  Prefix(rapidjson::kStringType);
  os_->Put('"');
  Append(prefix);
  if (!data.empty()) EncodeBase64(data, os_->Push((data.size() + 2) / 3 * 4));
  os_->Put('"');
}

void JsonWriter::RawMembers(std::string_view json) {
  size_t open = json.find('{');
  size_t close = json.rfind('}');
  if (open == std::string_view::npos || close == std::string_view::npos || close <= open) return;
  std::string_view members = json.substr(open + 1, close - open - 1);
  if (members.find_first_not_of(" \t\r\n") == std::string_view::npos) return;
  os_->Put(',');
  Append(members);
}

}  // namespace pingti::providers::openai
