// Reading JSON of a provider with simdjson's on-demand parser, strictly and in any order of fields.
//
// On-demand parsing validates only what it visits, so everything is visited: what a reader does not
// know it passes to Skip(), and a document that is not wholly JSON is refused. (Only the escapes
// inside strings that nobody unescapes go unchecked.) Nothing here throws or recurses past
// kJsonDepthMax. Strings are handed out still escaped, as views into the document; json_text.h
// unescapes them.
//
// Thread-safety: none. Views and values are valid until the next Open().
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "simdjson.h"

namespace pingti::providers::openai {

using JsonValue = simdjson::ondemand::value;
using JsonObject = simdjson::ondemand::object;

enum class JsonKind { kObject, kArray, kString, kNumber, kTrue, kFalse, kNull, kBad };

// A value at a glance. Not for kObject and kArray, which have no text of their own.
struct JsonToken {
  JsonKind kind = JsonKind::kBad;
  std::string_view text;  // kString: between the quotes, still escaped; else the literal
};

// Deepest nesting that is read.
inline constexpr int kReadDepthMax = 64;

class JsonReader {
 public:
  JsonReader() = default;
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // Copies `json` and calls `on_field(std::string_view name, JsonValue& value) -> bool` for each
  // member of the object that it is. The callee must use the value or pass it to Skip(); false from
  // it ends the reading. False: `json` is not one well-formed object, or the callee said so.
  template <typename OnField>
  bool ReadObject(std::string_view json, OnField on_field) {
    JsonObject object;
    return Open(json) && !document_.get_object().get(object) && Fields(object, on_field) && AtEnd();
  }

 private:
  template <typename OnField>
  friend bool ForEachField(JsonValue&, OnField);
  template <typename OnField>
  static bool Fields(JsonObject& object, OnField& on_field);

  bool Open(std::string_view json);
  // Nothing but white space follows the root value.
  bool AtEnd();

  std::unique_ptr<simdjson::ondemand::parser> parser_;
  std::vector<char> buffer_;  // the document and simdjson's padding
  simdjson::ondemand::document document_;
};

// What `value` is. A number, literal or string is checked and counts as used.
JsonToken Peek(JsonValue& value);

// Passes over `value`; false where it is not well-formed or too deep.
bool Skip(JsonValue& value, int depth = kReadDepthMax);

// The name of a field, unescaped; false where its escapes are malformed.
bool FieldName(simdjson::ondemand::field& field, std::string_view* name);

template <typename OnField>
bool JsonReader::Fields(JsonObject& object, OnField& on_field) {
  for (auto result : object) {
    simdjson::ondemand::field field;
    std::string_view name;
    if (std::move(result).get(field) || !FieldName(field, &name)) return false;
    if (!on_field(name, field.value())) return false;
  }
  return true;
}

// Calls `on_field(name, value) -> bool` for each member of `value`, as JsonReader::ReadObject();
// false also where it is not an object.
template <typename OnField>
bool ForEachField(JsonValue& value, OnField on_field) {
  JsonObject object;
  return !value.get_object().get(object) && JsonReader::Fields(object, on_field);
}

// Calls `on_element(JsonValue&) -> bool` for each element of `value`; false also where it is not an
// array.
template <typename OnElement>
bool ForEachElement(JsonValue& value, OnElement on_element) {
  simdjson::ondemand::array array;
  if (value.get_array().get(array)) return false;
  for (auto result : array) {
    JsonValue element;
    if (std::move(result).get(element) || !on_element(element)) return false;
  }
  return true;
}

}  // namespace pingti::providers::openai
