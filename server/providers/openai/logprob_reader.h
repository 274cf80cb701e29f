// Reads `logprobs` of a choice into the model's form.
#pragma once

#include <vector>

#include "server/model/answer.h"
#include "server/providers/openai/json_reader.h"

namespace pingti::providers::openai {

// Appends the entries of `logprobs.content`. Null and unknown shapes have none. `token_bytes` is
// set only where the bytes are not those of the token's text. False: not well-formed.
bool ReadLogprobs(JsonValue& value, std::vector<model::TokenLogprob>* logprobs);

}  // namespace pingti::providers::openai
