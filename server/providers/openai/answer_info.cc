#include "server/providers/openai/answer_info.h"

#include "server/providers/openai/json_text.h"
#include "server/providers/openai/usage_reader.h"

namespace pingti::providers::openai {

void MergeInfo(const Chunk& chunk, model::AnswerInfo* info) {
  if (info->upstream_response_id.empty() && !chunk.id.empty()) {
    info->upstream_response_id = Unescaped(chunk.id, kNameBytesMax);
  }
  if (info->reported_model.empty() && !chunk.model.empty()) {
    info->reported_model = Unescaped(chunk.model, kNameBytesMax);
  }
  for (size_t i = 0; i < chunk.choice_count; ++i) MergeUsage(chunk.choices[i].usage, info);
  MergeUsage(chunk.usage, info);
}

}  // namespace pingti::providers::openai
