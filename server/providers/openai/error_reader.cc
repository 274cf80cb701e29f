#include "server/providers/openai/error_reader.h"

#include <charconv>

#include "server/providers/openai/json_text.h"

namespace pingti::providers::openai {
namespace {

// A string, or a number as its text; other kinds leave `*text` alone.
bool ReadText(JsonValue& value, std::string* text) {
  JsonToken token = Peek(value);
  if (token.kind == JsonKind::kString) {
    *text = Unescaped(token.text, kErrorTextBytesMax);
    return true;
  }
  if (token.kind == JsonKind::kNumber) {
    text->assign(token.text.substr(0, kErrorTextBytesMax));
    return true;
  }
  return Skip(value);
}

}  // namespace

void ProviderError::clear() {
  code.clear();
  type.clear();
  message.clear();
  base_status = 0;
  stated = false;
}

bool ReadErrorField(std::string_view name, JsonValue& value, ProviderError* error) {
  if (name == "code") return ReadText(value, &error->code);
  if (name == "type") return ReadText(value, &error->type);
  if (name == "message") return ReadText(value, &error->message);
  if ((name == "msg" || name == "detail") && error->message.empty()) {
    return ReadText(value, &error->message);
  }
  return Skip(value);
}

bool ReadErrorValue(JsonValue& value, ProviderError* error) {
  switch (Peek(value).kind) {
    case JsonKind::kNull:
    case JsonKind::kFalse:
      return true;
    case JsonKind::kString:
      error->message.clear();
      if (!ReadText(value, &error->message)) return false;
      if (!error->message.empty()) error->stated = true;
      return true;
    case JsonKind::kObject: {
      ProviderError inner;
      bool any = false;
      if (!ForEachField(value, [&](std::string_view name, JsonValue& field) {
            any = true;
            return ReadErrorField(name, field, &inner);
          })) {
        return false;
      }
      // An empty object says nothing.
      if (!any) return true;
      inner.base_status = error->base_status;
      inner.stated = true;
      *error = std::move(inner);
      return true;
    }
    default:
      error->stated = true;
      return Skip(value);
  }
}

bool ReadBaseResponse(JsonValue& value, ProviderError* error) {
  if (Peek(value).kind != JsonKind::kObject) return Skip(value);
  return ForEachField(value, [&](std::string_view name, JsonValue& field) {
    if (name != "status_code") return Skip(field);
    JsonToken token = Peek(field);
    if (token.kind != JsonKind::kNumber) return Skip(field);
    const char* end = token.text.data() + token.text.size();
    if (std::from_chars(token.text.data(), end, error->base_status).ec != std::errc()) {
      error->base_status = -1;
    }
    if (error->base_status != 0) error->stated = true;
    return true;
  });
}

}  // namespace pingti::providers::openai
