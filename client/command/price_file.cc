#include "client/command/price_file.h"

#include <algorithm>
#include <set>

#include "simdjson.h"

namespace pingti::command {
namespace {

namespace json = simdjson::ondemand;
using Kind = PriceField::Kind;

bool IsNumber(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
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

// Reads one document; what is wrong first ends it. simdjson looks only at what is asked for, so
// everything is.
class Reader {
 public:
  explicit Reader(std::string_view text) : padded_(text) {}

  std::string Read(std::vector<PriceEntry>* entries) {
    if (const auto error = parser_.iterate(padded_).get(document_)) return Wrong(error);
    is_open_ = true;
    json::object models;
    json::json_type type{};
    if (const auto error = document_.type().get(type)) return Wrong(error);
    if (type != json::json_type::object) return "is no JSON map of models";
    if (const auto error = document_.get_object().get(models)) return Wrong(error);
    std::set<std::string> keys;
    for (auto result : models) {
      json::field field;
      PriceEntry entry;
      if (!TakeName(std::move(result), &field, &entry.key)) return what_;
      if (!keys.insert(entry.key).second) return entry.key + ": is there twice; leave one of them";
      json::value value = field.value();
      if (!ReadEntry(value, &entry)) return what_;
      entries->push_back(std::move(entry));
    }
    if (document_.current_location().error() != simdjson::OUT_OF_BOUNDS) {
      return "is no JSON: something follows the map of models";
    }
    return "";
  }

 private:
  std::string Wrong(simdjson::error_code error) {
    const char* at = nullptr;
    std::string line;
    if (is_open_ && !document_.current_location().get(at) && at >= padded_.data() &&
        at <= padded_.data() + padded_.size()) {
      line = " in line " + std::to_string(1 + std::count(padded_.data(), at, '\n'));
    }
    return "is no JSON" + line + ": " + simdjson::error_message(error);
  }
  bool Fail(simdjson::error_code error) {
    what_ = Wrong(error);
    return false;
  }

  template <typename Result>
  bool TakeName(Result result, json::field* field, std::string* name) {
    if (const auto error = std::move(result).get(*field)) return Fail(error);
    std::string_view unescaped;
    if (const auto error = field->unescaped_key().get(unescaped)) return Fail(error);
    *name = unescaped;
    return true;
  }

  bool ReadEntry(json::value& value, PriceEntry* entry) {
    json::object fields;
    json::json_type type{};
    if (const auto error = value.type().get(type)) return Fail(error);
    entry->is_map = type == json::json_type::object;
    if (!entry->is_map) return Skip(value, kJsonDepthMax);
    if (const auto error = value.get_object().get(fields)) return Fail(error);
    std::set<std::string> names;
    for (auto result : fields) {
      json::field field;
      PriceField read;
      if (!TakeName(std::move(result), &field, &read.name)) return false;
      if (!names.insert(read.name).second) {
        what_ = entry->key + ": " + read.name + " is there twice; leave one of them";
        return false;
      }
      json::value inner = field.value();
      if (!ReadField(inner, &read)) return false;
      entry->fields.push_back(std::move(read));
    }
    return true;
  }

  static std::string_view TokenOf(json::value& value) {
    std::string_view token = value.raw_json_token();
    while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') {
      token.remove_suffix(1);
    }
    return token;
  }

  bool ReadField(json::value& value, PriceField* field) {
    const std::string_view token = TokenOf(value);
    field->text = token;
    switch (token.empty() ? '\0' : token[0]) {
      case '"': {
        std::string_view text;
        if (const auto error = value.get_string().get(text)) return Fail(error);
        field->kind = Kind::kString;
        field->text = text;
        return true;
      }
      case '{':
      case '[':
        field->kind = Kind::kOther;
        return Skip(value, kJsonDepthMax);
      case 't':
        field->kind = Kind::kTrue;
        break;
      case 'f':
        field->kind = Kind::kFalse;
        break;
      case 'n':
        field->kind = Kind::kNull;
        break;
      default:
        field->kind = Kind::kNumber;
    }
    return CheckScalar(token);
  }

  bool CheckScalar(std::string_view token) {
    if (token == "true" || token == "false" || token == "null" || IsNumber(token)) return true;
    return Fail(simdjson::INCORRECT_TYPE);
  }

  // Looks at all of a value that is not kept.
  bool Skip(json::value& value, int depth) {
    if (depth == 0) return Fail(simdjson::DEPTH_ERROR);
    const std::string_view token = TokenOf(value);
    if (token.starts_with('"')) {
      std::string_view text;
      const auto error = value.get_string().get(text);
      return error ? Fail(error) : true;
    }
    if (token.starts_with('{')) {
      json::object object;
      if (const auto error = value.get_object().get(object)) return Fail(error);
      for (auto result : object) {
        json::field field;
        std::string name;
        if (!TakeName(std::move(result), &field, &name)) return false;
        json::value inner = field.value();
        if (!Skip(inner, depth - 1)) return false;
      }
      return true;
    }
    if (token.starts_with('[')) {
      json::array array;
      if (const auto error = value.get_array().get(array)) return Fail(error);
      for (auto result : array) {
        json::value inner;
        if (const auto error = std::move(result).get(inner)) return Fail(error);
        if (!Skip(inner, depth - 1)) return false;
      }
      return true;
    }
    return CheckScalar(token);
  }

  const simdjson::padded_string padded_;
  json::parser parser_;
  json::document document_;
  bool is_open_ = false;  // before that a document knows no place
  std::string what_;
};

}  // namespace

const PriceField* PriceEntry::Find(std::string_view name) const {
  for (const PriceField& field : fields) {
    if (field.name == name) return field.kind == Kind::kNull ? nullptr : &field;
  }
  return nullptr;
}

std::string ReadPriceFile(std::string_view json, std::vector<PriceEntry>* entries) {
  return Reader(json).Read(entries);
}

}  // namespace pingti::command
