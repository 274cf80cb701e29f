#include "server/providers/openai/chunk_reader.h"

#include <charconv>

#include "server/providers/openai/content_reader.h"
#include "server/providers/openai/logprob_reader.h"

namespace pingti::providers::openai {
namespace {

// A string whose absence or null means "none"; nothing else may stand in its place.
bool ReadOptionalString(JsonValue& value, std::string_view* text) {
  JsonToken token = Peek(value);
  *text = token.kind == JsonKind::kString ? token.text : std::string_view();
  return token.kind == JsonKind::kString || token.kind == JsonKind::kNull;
}

// As above, but other kinds are passed over: the field is of no importance.
bool ReadAnyString(JsonValue& value, std::string_view* text) {
  JsonToken token = Peek(value);
  if (token.kind != JsonKind::kString) return Skip(value);
  *text = token.text;
  return true;
}

bool ReadIndex(JsonValue& value, int32_t* index) {
  JsonToken token = Peek(value);
  if (token.kind == JsonKind::kNull) return true;
  if (token.kind != JsonKind::kNumber) return false;
  const char* end = token.text.data() + token.text.size();
  auto result = std::from_chars(token.text.data(), end, *index);
  return result.ec == std::errc() && result.ptr == end && *index >= 0 && *index < kChoicesMax;
}

bool ReadChoice(JsonValue& value, ChunkChoice* choice, ProviderError* error) {
  return ForEachField(value, [&](std::string_view name, JsonValue& field) {
    if (name == "delta") return ReadContent(field, &choice->delta);
    if (name == "index") return ReadIndex(field, &choice->index);
    if (name == "finish_reason") return ReadOptionalString(field, &choice->finish);
    if (name == "logprobs") {
      choice->logprobs.clear();
      return ReadLogprobs(field, &choice->logprobs);
    }
    if (name == "message") return ReadContent(field, &choice->message);
    if (name == "usage") return ReadUsage(field, &choice->usage);
    if (name == "quote") {
      choice->citations.clear();
      return ReadCitations(field, &choice->citations);
    }
    if (name == "error") return ReadErrorValue(field, error);
    return Skip(field);
  });
}

}  // namespace

void ChunkContent::clear() {
  present = false;
  text.clear();
  reasoning.clear();
  other_reasoning.clear();
  refusal.clear();
  tools.clear();
  citations.clear();
}

void ChunkChoice::clear() {
  index = 0;
  delta.clear();
  message.clear();
  citations.clear();
  logprobs.clear();
  finish = {};
  usage = {};
}

void Chunk::clear() {
  has_choices = false;
  choice_count = 0;
  id = {};
  model = {};
  usage = {};
  error.clear();
}

bool ChunkReader::ReadChoices(JsonValue& value) {
  chunk_.choice_count = 0;
  chunk_.has_choices = false;
  JsonKind kind = Peek(value).kind;
  if (kind == JsonKind::kNull) return true;
  if (kind != JsonKind::kArray) return false;
  chunk_.has_choices = true;
  return ForEachElement(value, [&](JsonValue& element) {
    size_t position = chunk_.choice_count;
    if (position == kChoicesMax) return false;
    if (position == chunk_.choices.size()) chunk_.choices.emplace_back();
    ChunkChoice& choice = chunk_.choices[position];
    choice.clear();
    choice.index = static_cast<int32_t>(position);
    ++chunk_.choice_count;
    return ReadChoice(element, &choice, &chunk_.error);
  });
}

bool ChunkReader::ReadPromptFeedback(JsonValue& value) {
  if (Peek(value).kind != JsonKind::kObject) return Skip(value);
  return ForEachField(value, [this](std::string_view name, JsonValue& field) {
    if (name != "blockReason" && name != "block_reason") return Skip(field);
    std::string_view reason;
    if (!ReadAnyString(field, &reason)) return false;
    prompt_blocked_ = !reason.empty();
    return true;
  });
}

bool ChunkReader::ReadField(std::string_view name, JsonValue& value) {
  if (name == "choices") return ReadChoices(value);
  if (name == "usage") return ReadUsage(value, &chunk_.usage);
  if (name == "usageMetadata") return ReadUsageMetadata(value, &chunk_.usage);
  if (name == "promptFeedback" || name == "prompt_feedback") return ReadPromptFeedback(value);
  if (name == "id") return ReadAnyString(value, &chunk_.id);
  if (name == "model") return ReadAnyString(value, &chunk_.model);
  if (name == "error") return ReadErrorValue(value, &chunk_.error);
  if (name == "base_resp") return ReadBaseResponse(value, &top_);
  return ReadErrorField(name, value, &top_);
}

void ChunkReader::JudgeTopLevel() {
  if (chunk_.error.stated) return;
  bool named = !top_.type.empty() || (!top_.code.empty() && top_.code != "0" && top_.code != "200");
  if (!chunk_.has_choices && !top_.message.empty() && named) top_.stated = true;
  std::swap(chunk_.error, top_);
}

// An answer without content that ends as one whose content was filtered.
void ChunkReader::AddBlockedChoice() {
  if (chunk_.choices.empty()) chunk_.choices.emplace_back();
  chunk_.choices[0].clear();
  chunk_.choices[0].finish = "content_filter";
  chunk_.choice_count = 1;
}

const Chunk* ChunkReader::Read(std::string_view json) {
  chunk_.clear();
  top_.clear();
  prompt_blocked_ = false;
  if (!json_.ReadObject(json, [this](std::string_view name, JsonValue& value) {
        return ReadField(name, value);
      })) {
    return nullptr;
  }
  JudgeTopLevel();
  if (prompt_blocked_ && chunk_.choice_count == 0) AddBlockedChoice();
  return &chunk_;
}

}  // namespace pingti::providers::openai
