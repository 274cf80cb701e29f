// Writes a completion request as the body of OpenAI's `POST /chat/completions`.
//
// The target's traits say what it knows; what it does not know is left out, and every loss is
// reported as an adaptation, in the order of CompletionSpec's fields.
#pragma once

#include <vector>

#include "rapidjson/stringbuffer.h"
#include "server/model/completion.h"
#include "server/providers/dialect.h"

namespace pingti::providers::openai {

// Appends the body to `buffer` and what was changed to `adaptations`. REQUIRES: the request has
// passed admission (JSON texts are well-formed, numbers finite, roles set).
void WriteRequest(const model::CompletionRequest& request, const TargetTraits& target, bool stream,
                  rapidjson::StringBuffer* buffer, std::vector<Adaptation>* adaptations);

}  // namespace pingti::providers::openai
