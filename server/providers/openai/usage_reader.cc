#include "server/providers/openai/usage_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

namespace pingti::providers::openai {
namespace {

// A count that is not a plain whole number within the bounds is doubtful.
int64_t Clamped(std::string_view text, bool* doubtful) {
  const char* end = text.data() + text.size();
  int64_t whole = 0;
  auto result = std::from_chars(text.data(), end, whole);
  if (result.ec == std::errc() && result.ptr == end && whole >= 0 && whole <= kUsageTokensMax) {
    return whole;
  }
  *doubtful = true;
  double number = 0;
  auto real = std::from_chars(text.data(), end, number);
  if (real.ec == std::errc::result_out_of_range) return text[0] == '-' ? 0 : kUsageTokensMax;
  if (real.ec != std::errc() || real.ptr != end || !(number > 0)) return 0;
  if (number >= static_cast<double>(kUsageTokensMax)) return kUsageTokensMax;
  return static_cast<int64_t>(std::ceil(number));
}

bool ReadCount(JsonValue& value, int64_t* count, bool* doubtful) {
  JsonToken token = Peek(value);
  switch (token.kind) {
    case JsonKind::kNull:
      return true;
    case JsonKind::kString:
      *doubtful = true;
      [[fallthrough]];
    case JsonKind::kNumber:
      *count = Clamped(token.text, doubtful);
      return true;
    default:
      *doubtful = true;
      return Skip(value);
  }
}

// `prompt_tokens_details` and `completion_tokens_details`; other kinds of values mean nothing.
bool ReadDetails(JsonValue& value, std::string_view wanted, int64_t* count, bool* doubtful) {
  if (Peek(value).kind != JsonKind::kObject) return Skip(value);
  return ForEachField(value, [&](std::string_view name, JsonValue& inner) {
    return name == wanted ? ReadCount(inner, count, doubtful) : Skip(inner);
  });
}

// `part` is contained in `whole`.
int64_t Part(int64_t part, int64_t whole, bool* doubtful) {
  if (part > whole) *doubtful = true;
  return std::min(part, whole);
}

int64_t NotLess(int64_t reported, int64_t before, bool* doubtful) {
  if (reported < before) *doubtful = true;
  return std::max(reported, before);
}

}  // namespace

bool ReadUsage(JsonValue& value, ReportedUsage* usage) {
  *usage = {};
  JsonKind kind = Peek(value).kind;
  if (kind == JsonKind::kNull) return true;
  usage->present = true;
  if (kind != JsonKind::kObject) {
    usage->doubtful = true;
    return Skip(value);
  }
  bool* doubtful = &usage->doubtful;
  return ForEachField(value, [&](std::string_view name, JsonValue& field) {
    if (name == "prompt_tokens") return ReadCount(field, &usage->input, doubtful);
    if (name == "completion_tokens") return ReadCount(field, &usage->output, doubtful);
    if (name == "total_tokens") return ReadCount(field, &usage->total, doubtful);
    if (name == "prompt_cache_hit_tokens") return ReadCount(field, &usage->cache_hit, doubtful);
    if (name == "prompt_tokens_details") {
      return ReadDetails(field, "cached_tokens", &usage->cached, doubtful);
    }
    if (name == "completion_tokens_details") {
      return ReadDetails(field, "reasoning_tokens", &usage->reasoning, doubtful);
    }
    return Skip(field);
  });
}

bool ReadUsageMetadata(JsonValue& value, ReportedUsage* usage) {
  if (usage->present || Peek(value).kind != JsonKind::kObject) return Skip(value);
  usage->present = true;
  bool* doubtful = &usage->doubtful;
  return ForEachField(value, [&](std::string_view name, JsonValue& field) {
    if (name == "promptTokenCount") return ReadCount(field, &usage->input, doubtful);
    if (name == "candidatesTokenCount") return ReadCount(field, &usage->output, doubtful);
    if (name == "totalTokenCount") return ReadCount(field, &usage->total, doubtful);
    if (name == "cachedContentTokenCount") return ReadCount(field, &usage->cached, doubtful);
    if (name == "thoughtsTokenCount") return ReadCount(field, &usage->reasoning, doubtful);
    return Skip(field);
  });
}

void MergeUsage(const ReportedUsage& reported, model::AnswerInfo* info) {
  if (!reported.present) return;
  if (reported.doubtful) info->usage_doubtful = true;
  if (reported.input == 0 && reported.output == 0) return;
  bool* doubtful = &info->usage_doubtful;
  // No request is without input.
  if (reported.input == 0) *doubtful = true;

  int64_t output = reported.output;
  // Some providers leave reasoning out of `completion_tokens`; their total shows it.
  if (reported.reasoning > 0 &&
      reported.total == reported.input + reported.output + reported.reasoning) {
    output += reported.reasoning;
  }
  model::Usage& usage = info->usage;
  usage.input_tokens = NotLess(reported.input, usage.input_tokens, doubtful);
  usage.output_tokens = NotLess(output, usage.output_tokens, doubtful);
  usage.cached_input_tokens =
      Part(std::max(reported.cached, reported.cache_hit), usage.input_tokens, doubtful);
  usage.reasoning_tokens = Part(reported.reasoning, usage.output_tokens, doubtful);
  usage.source = model::UsageSource::kMeasured;
}

}  // namespace pingti::providers::openai
