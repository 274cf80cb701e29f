// What a chunk or a whole answer says beside its content: id, model, usage.
#pragma once

#include "server/model/answer.h"
#include "server/providers/openai/chunk_reader.h"

namespace pingti::providers::openai {

// The first id and model that are not empty stay; usage is merged as usage_reader.h says, from
// wherever it stands (top level; Moonshot: the choice).
void MergeInfo(const Chunk& chunk, model::AnswerInfo* info);

}  // namespace pingti::providers::openai
