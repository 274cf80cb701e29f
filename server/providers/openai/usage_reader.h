// Token counts as providers report them, and what of them can be believed.
//
// The shape is OpenAI's `usage` with what others do to it: absent, null, 0/0, on every chunk
// (cumulative, so the last one wins and nothing is ever added up), negative, fractional, as text,
// absurdly large or going down. What is out of range is clamped and marked doubtful, so that
// settlement can look at its own count instead.
#pragma once

#include <cstdint>

#include "server/model/answer.h"
#include "server/providers/openai/json_reader.h"

namespace pingti::providers::openai {

// Most tokens of one kind that a report can mean; more is a defect of the provider.
inline constexpr int64_t kUsageTokensMax = 100'000'000;

// One report, before it is judged. A count that was not reported is 0.
struct ReportedUsage {
  int64_t input = 0;
  int64_t output = 0;
  int64_t total = 0;
  int64_t cached = 0;
  int64_t cache_hit = 0;  // DeepSeek's name for `cached`
  int64_t reasoning = 0;
  bool present = false;   // there was a usage object
  bool doubtful = false;  // a count was clamped or was not a whole number
};

// Reads a `usage` value of any kind; false only where it is not well-formed JSON.
bool ReadUsage(JsonValue& value, ReportedUsage* usage);

// The same of Gemini's `usageMetadata`; where `usage` has a report already, that one stays.
bool ReadUsageMetadata(JsonValue& value, ReportedUsage* usage);

// Takes a report into `info`. One of 0/0 says nothing and is ignored. Counts never go down: where
// they would, the larger one stays and the usage is doubtful.
void MergeUsage(const ReportedUsage& reported, model::AnswerInfo* info);

}  // namespace pingti::providers::openai
