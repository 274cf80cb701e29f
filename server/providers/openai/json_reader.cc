#include "server/providers/openai/json_reader.h"

#include <cstring>

namespace pingti::providers::openai {
namespace {

// A parser that has read a larger document than this is given up after it: its tables are several
// times the size of the document.
constexpr size_t kKeptBytesMax = 1024 * 1024;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The number grammar of RFC 8259.
bool IsNumber(std::string_view text) {
  size_t at = 0;
  auto digits = [&] {
    size_t begin = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at > begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  if (at < text.size() && text[at] == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

}  // namespace

bool JsonReader::Open(std::string_view json) {
  if (!parser_ || buffer_.size() > kKeptBytesMax) {
    parser_ = std::make_unique<simdjson::ondemand::parser>();
    buffer_ = std::vector<char>();
  }
  size_t needed = json.size() + simdjson::SIMDJSON_PADDING;
  if (buffer_.size() < needed) buffer_.resize(needed < 4096 ? 4096 : needed);
  std::memcpy(buffer_.data(), json.data(), json.size());
  std::memset(buffer_.data() + json.size(), ' ', simdjson::SIMDJSON_PADDING);
  return !parser_->iterate(buffer_.data(), json.size(), buffer_.size()).get(document_);
}

bool JsonReader::AtEnd() { return document_.current_location().error() == simdjson::OUT_OF_BOUNDS; }

JsonToken Peek(JsonValue& value) {
  std::string_view text = value.raw_json_token();
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  if (text.empty()) return {};
  switch (text[0]) {
    case '{':
      return {JsonKind::kObject, {}};
    case '[':
      return {JsonKind::kArray, {}};
    case '"':
      if (text.size() < 2 || text.back() != '"') return {};
      return {JsonKind::kString, text.substr(1, text.size() - 2)};
    case 't':
      return {text == "true" ? JsonKind::kTrue : JsonKind::kBad, text};
    case 'f':
      return {text == "false" ? JsonKind::kFalse : JsonKind::kBad, text};
    case 'n':
      return {text == "null" ? JsonKind::kNull : JsonKind::kBad, text};
    default:
      return {IsNumber(text) ? JsonKind::kNumber : JsonKind::kBad, text};
  }
}

bool Skip(JsonValue& value, int depth) {
  if (depth == 0) return false;
  switch (Peek(value).kind) {
    case JsonKind::kObject:
      return ForEachField(
          value, [depth](std::string_view, JsonValue& inner) { return Skip(inner, depth - 1); });
    case JsonKind::kArray:
      return ForEachElement(value, [depth](JsonValue& inner) { return Skip(inner, depth - 1); });
    case JsonKind::kBad:
      return false;
    default:
      return true;
  }
}

bool FieldName(simdjson::ondemand::field& field, std::string_view* name) {
  const char* begin = field.key().raw();
  const char* end = begin;
  while (*end != '"' && *end != '\\') ++end;
  if (*end == '\\') return !field.unescaped_key().get(*name);
  *name = std::string_view(begin, static_cast<size_t>(end - begin));
  return true;
}

}  // namespace pingti::providers::openai
