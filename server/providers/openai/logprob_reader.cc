#include "server/providers/openai/logprob_reader.h"

#include <charconv>
#include <limits>
#include <string>

#include "server/providers/openai/json_text.h"

namespace pingti::providers::openai {
namespace {

// Longest list of alternatives that is kept for one token (the API's own limit is 20).
constexpr size_t kAlternativesMax = 64;

bool ReadToken(JsonValue& value, std::string* token) {
  JsonToken text = Peek(value);
  if (text.kind != JsonKind::kString) return Skip(value);
  token->clear();
  return AppendUnescaped(text.text, nullptr, token);
}

bool ReadLogprob(JsonValue& value, double* logprob) {
  JsonToken number = Peek(value);
  if (number.kind != JsonKind::kNumber) return Skip(value);
  auto result =
      std::from_chars(number.text.data(), number.text.data() + number.text.size(), *logprob);
  if (result.ec != std::errc()) *logprob = std::numeric_limits<double>::lowest();
  return true;
}

bool ReadBytes(JsonValue& value, std::string* bytes) {
  bytes->clear();
  if (Peek(value).kind != JsonKind::kArray) return Skip(value);
  return ForEachElement(value, [&](JsonValue& element) {
    JsonToken number = Peek(element);
    if (number.kind != JsonKind::kNumber) return Skip(element);
    unsigned byte = 0;
    std::from_chars(number.text.data(), number.text.data() + number.text.size(), byte);
    bytes->push_back(static_cast<char>(byte));
    return true;
  });
}

// The three fields that a token and its alternatives share.
template <typename Entry>
bool ReadCommon(std::string_view name, JsonValue& value, Entry* entry) {
  if (name == "token") return ReadToken(value, &entry->token);
  if (name == "logprob") return ReadLogprob(value, &entry->logprob);
  if (name == "bytes") return ReadBytes(value, &entry->token_bytes);
  return Skip(value);
}

template <typename Entry>
void DropPlainBytes(Entry* entry) {
  if (entry->token_bytes == entry->token) entry->token_bytes.clear();
}

bool ReadAlternatives(JsonValue& value,
                      std::vector<model::TokenLogprob::Alternative>* alternatives) {
  if (Peek(value).kind != JsonKind::kArray) return Skip(value);
  return ForEachElement(value, [&](JsonValue& element) {
    if (Peek(element).kind != JsonKind::kObject || alternatives->size() == kAlternativesMax) {
      return Skip(element);
    }
    model::TokenLogprob::Alternative& alternative = alternatives->emplace_back();
    bool read = ForEachField(element, [&](std::string_view name, JsonValue& field) {
      return ReadCommon(name, field, &alternative);
    });
    DropPlainBytes(&alternative);
    return read;
  });
}

bool ReadEntry(JsonValue& value, model::TokenLogprob* entry) {
  bool read = ForEachField(value, [&](std::string_view name, JsonValue& field) {
    if (name == "top_logprobs") return ReadAlternatives(field, &entry->alternatives);
    return ReadCommon(name, field, entry);
  });
  DropPlainBytes(entry);
  return read;
}

}  // namespace

bool ReadLogprobs(JsonValue& value, std::vector<model::TokenLogprob>* logprobs) {
  if (Peek(value).kind != JsonKind::kObject) return Skip(value);
  return ForEachField(value, [&](std::string_view name, JsonValue& field) {
    if (name != "content" || Peek(field).kind != JsonKind::kArray) return Skip(field);
    return ForEachElement(field, [&](JsonValue& element) {
      if (Peek(element).kind != JsonKind::kObject) return Skip(element);
      return ReadEntry(element, &logprobs->emplace_back());
    });
  });
}

}  // namespace pingti::providers::openai
