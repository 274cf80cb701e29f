// Writes JSON: RapidJSON's Writer for the structure, and faster ways for what can be megabytes.
//
// Texts are copied in runs between the characters that need an escape, and base64 goes straight
// into the buffer. All input is valid UTF-8.
//
// Thread-safety: none. The buffer outlives the writer.
#pragma once

#include <string_view>

#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"

namespace pingti::providers::openai {

class JsonWriter : private rapidjson::Writer<rapidjson::StringBuffer> {
 public:
  explicit JsonWriter(rapidjson::StringBuffer* buffer) : Writer(*buffer) {}

  using Writer::Bool;
  using Writer::EndArray;
  using Writer::EndObject;
  using Writer::Null;
  using Writer::StartArray;
  using Writer::StartObject;

  // The name of the member that is written next.
  void Key(std::string_view name) { Writer::Key(name.data(), static_cast<unsigned>(name.size())); }
  void Text(std::string_view text);
  void Integer(int64_t number) { Writer::Int64(number); }
  // Whole numbers are written without a fraction. REQUIRES: finite.
  void Number(double number);
  // `json` as it is. REQUIRES: well-formed.
  void Raw(std::string_view json);
  // The string `prefix` + base64(`data`); the prefix needs no escapes.
  void Base64(std::string_view prefix, std::string_view data);
  // The members of the object `json` after those of the object under way, which has at least one.
  // REQUIRES: well-formed.
  void RawMembers(std::string_view json);

  void Member(std::string_view name, std::string_view text) {
    Key(name);
    Text(text);
  }

 private:
  void Append(std::string_view bytes);
};

}  // namespace pingti::providers::openai
