#include "server/providers/openai/content_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/providers/openai/json_text.h"

namespace pingti::providers::openai {
namespace {

// A part of a content array: text or a refusal; other types (thinking, images) are passed over.
bool ReadPart(JsonValue& value, ChunkContent* content, EscapedText* text) {
  JsonToken token = Peek(value);
  if (token.kind == JsonKind::kString) {
    text->push_back(token.text);
    return true;
  }
  if (token.kind != JsonKind::kObject) return Skip(value);
  return ForEachField(value, [&](std::string_view name, JsonValue& field) {
    JsonToken inner = Peek(field);
    if (inner.kind != JsonKind::kString) return Skip(field);
    if (name == "text") text->push_back(inner.text);
    if (name == "refusal") content->refusal.push_back(inner.text);
    return true;
  });
}

bool ReadText(JsonValue& value, ChunkContent* content, EscapedText* text) {
  text->clear();
  JsonToken token = Peek(value);
  switch (token.kind) {
    case JsonKind::kString:
      if (!token.text.empty()) text->push_back(token.text);
      return true;
    case JsonKind::kNull:
      return true;
    case JsonKind::kArray:
      return ForEachElement(value,
                            [&](JsonValue& element) { return ReadPart(element, content, text); });
    default:
      return false;
  }
}

// Reasoning and refusals have no standard: what is not text is passed over.
bool ReadPlainText(JsonValue& value, EscapedText* text) {
  JsonToken token = Peek(value);
  if (token.kind != JsonKind::kString) return Skip(value);
  text->clear();
  if (!token.text.empty()) text->push_back(token.text);
  return true;
}

bool ReadArguments(JsonValue& value, ToolFragment* fragment) {
  fragment->arguments = {};
  fragment->arguments_raw = false;
  JsonToken token = Peek(value);
  switch (token.kind) {
    case JsonKind::kString:
      fragment->arguments = token.text;
      return true;
    case JsonKind::kNull:
      return true;
    case JsonKind::kObject: {
      JsonObject object;
      if (value.get_object().get(object) || object.raw_json().get(fragment->arguments)) {
        return false;
      }
      // The view reaches up to the next token.
      fragment->arguments.remove_suffix(fragment->arguments.size() - 1 -
                                        fragment->arguments.rfind('}'));
      fragment->arguments_raw = true;
      return true;
    }
    default:
      return false;
  }
}

bool ReadFunction(JsonValue& value, ToolFragment* fragment) {
  if (Peek(value).kind == JsonKind::kNull) return true;
  return ForEachField(value, [&](std::string_view name, JsonValue& field) {
    if (name == "arguments") return ReadArguments(field, fragment);
    if (name != "name") return Skip(field);
    JsonToken token = Peek(field);
    if (token.kind == JsonKind::kString) fragment->name = token.text;
    return token.kind == JsonKind::kString || token.kind == JsonKind::kNull;
  });
}

bool ReadToolIndex(JsonValue& value, ToolFragment* fragment) {
  JsonToken token = Peek(value);
  if (token.kind != JsonKind::kNumber) return token.kind == JsonKind::kNull;
  int64_t index = 0;
  const char* end = token.text.data() + token.text.size();
  auto result = std::from_chars(token.text.data(), end, index);
  if (result.ec != std::errc() || result.ptr != end || index < 0) return false;
  fragment->index = index;
  return true;
}

// What came before tools: one call for each choice, without a number and an id. Without an id a
// caller could not answer it, so it gets one.
bool ReadLegacyCall(JsonValue& value, ToolFragment* fragment) {
  *fragment = {};
  if (Peek(value).kind != JsonKind::kObject) return Skip(value);
  if (!ReadFunction(value, fragment)) return false;
  if (fragment->name.empty() && fragment->arguments.empty()) return true;
  fragment->index = 0;
  fragment->id = kLegacyCallId;
  return true;
}

bool ReadTools(JsonValue& value, std::vector<ToolFragment>* tools) {
  tools->clear();
  JsonKind kind = Peek(value).kind;
  if (kind == JsonKind::kNull) return true;
  if (kind != JsonKind::kArray) return false;
  return ForEachElement(value, [&](JsonValue& element) {
    if (tools->size() == kToolCallsMax) return false;
    ToolFragment& fragment = tools->emplace_back();
    return ForEachField(element, [&](std::string_view name, JsonValue& field) {
      if (name == "index") return ReadToolIndex(field, &fragment);
      if (name == "function") return ReadFunction(field, &fragment);
      if (name != "id") return Skip(field);
      JsonToken token = Peek(field);
      if (token.kind == JsonKind::kString) fragment.id = token.text;
      return token.kind == JsonKind::kString || token.kind == JsonKind::kNull;
    });
  });
}

bool ReadCitationField(std::string_view name, JsonValue& value, model::Citation* citation) {
  JsonToken token = Peek(value);
  if (token.kind == JsonKind::kNumber && name == "num") {
    citation->number.assign(token.text.substr(0, kNameBytesMax));
    return true;
  }
  if (token.kind != JsonKind::kString) return Skip(value);
  if (name == "num") citation->number = Unescaped(token.text, kNameBytesMax);
  if (name == "url") citation->url = Unescaped(token.text, kSourceBytesMax);
  if (name == "title") citation->title = Unescaped(token.text, kSourceBytesMax);
  return true;
}

// OpenAI's `annotations`: of all kinds those with an address, each address once, however many
// places of the text refer to it.
bool ReadAnnotations(JsonValue& value, std::vector<model::Citation>* citations) {
  if (Peek(value).kind != JsonKind::kArray) return Skip(value);
  return ForEachElement(value, [&](JsonValue& element) {
    if (Peek(element).kind != JsonKind::kObject) return Skip(element);
    model::Citation citation;
    const bool read = ForEachField(element, [&](std::string_view name, JsonValue& field) {
      if (name != "url_citation") return ReadCitationField(name, field, &citation);
      if (Peek(field).kind != JsonKind::kObject) return Skip(field);
      return ForEachField(field, [&](std::string_view inner_name, JsonValue& inner) {
        return ReadCitationField(inner_name, inner, &citation);
      });
    });
    const bool known = std::any_of(citations->begin(), citations->end(),
                                   [&](const auto& other) { return other.url == citation.url; });
    if (read && !citation.url.empty() && !known && citations->size() < kCitationsMax) {
      citations->push_back(std::move(citation));
    }
    return read;
  });
}

}  // namespace

bool ReadContent(JsonValue& value, ChunkContent* content) {
  content->clear();
  if (Peek(value).kind == JsonKind::kNull) return true;
  content->present = true;
  ToolFragment legacy_call;
  const bool read = ForEachField(value, [&](std::string_view name, JsonValue& field) {
    if (name == "content") return ReadText(field, content, &content->text);
    if (name == "reasoning_content") return ReadPlainText(field, &content->reasoning);
    if (name == "reasoning") return ReadPlainText(field, &content->other_reasoning);
    if (name == "tool_calls") return ReadTools(field, &content->tools);
    if (name == "refusal") return ReadPlainText(field, &content->refusal);
    if (name == "quote") {
      content->citations.clear();
      return ReadCitations(field, &content->citations);
    }
    if (name == "annotations") return ReadAnnotations(field, &content->citations);
    if (name == "function_call") return ReadLegacyCall(field, &legacy_call);
    return Skip(field);
  });
  // Some fill both with the same call.
  if (content->tools.empty() && !legacy_call.id.empty()) content->tools.push_back(legacy_call);
  return read;
}

bool ReadCitations(JsonValue& value, std::vector<model::Citation>* citations) {
  if (Peek(value).kind != JsonKind::kArray) return Skip(value);
  return ForEachElement(value, [&](JsonValue& element) {
    if (Peek(element).kind != JsonKind::kObject || citations->size() == kCitationsMax) {
      return Skip(element);
    }
    model::Citation& citation = citations->emplace_back();
    return ForEachField(element, [&](std::string_view name, JsonValue& field) {
      return ReadCitationField(name, field, &citation);
    });
  });
}

}  // namespace pingti::providers::openai
