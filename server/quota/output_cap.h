// The most output that a caller has allowed, by whatever name.
//
// Beside its own field, a request can carry fields that are passed through to the provider; each
// provider knows other names for the same limit, and which one wins is its own affair. So the
// largest counts: whoever names two cannot reserve by the one and be served by the other.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/model/completion.h"

namespace pingti::quota {

// Larger ones count as this: enough for any model, and sums of them cannot overflow.
inline constexpr int64_t kOutputCapMax = 1'000'000'000;
inline constexpr int64_t kChoicesMax = 1'000'000;

struct CallerLimits {
  int64_t output_cap = 0;  // tokens per choice; 0: the caller set none
  int64_t choices = 1;
};

// The largest of `sampling.max_output_tokens` and, in `provider_fields_json`, of max_tokens,
// max_completion_tokens, max_output_tokens, max_new_tokens, max_gen_len, num_predict,
// maxOutputTokens and maxTokens, each also in an object `generationConfig`, `generation_config`,
// `options` or `parameters`; choices likewise: n, best_of, num_return_sequences, candidateCount.
// Numbers may be integers, fractions or strings of digits, as lenient providers take them. What is
// no number, or below 1, sets nothing. A text that is no JSON counts as far as it can be read.
CallerLimits ReadCallerLimits(const model::CompletionRequest& request);

}  // namespace pingti::quota
