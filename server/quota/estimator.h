// How many tokens a request is likely to use, before anybody has counted them.
//
// Pure functions. They decide what is reserved, never what is charged where the provider reports
// usage. Nothing is skipped because a model is unknown: every rule has a default.
#pragma once

#include <cstdint>
#include <optional>

#include "server/config/config.h"
#include "server/model/completion.h"
#include "server/quota/token_counter.h"

namespace pingti::quota {

// Tokens of the whole prompt by the rules: texts (token_counter.h); 3 for each message, 1 more for
// a name, 3 for the answer's head, as OpenAI frames them; images, sounds and files
// (media_tokens.h); tools by the text of their schemas, with 7 for each and 12 for all; the schema
// of the answer.
int64_t EstimateInputTokens(const model::CompletionRequest& request);

// What is known beside the request.
struct EstimateContext {
  int64_t model_output_max = 0;  // per choice, of the model that serves; 0: unknown
  int64_t context_tokens = 0;    // of that model; 0: unknown
  config::Estimation rules;
  config::ReservePolicy policy = config::ReservePolicy::kLikely;
  // Measured over ruled input tokens of that model (InputFactor::factor()).
  double input_factor = 1.0;
  // Of a choice, at the 95th percentile (OutputHistory::likely()); absent: no history yet.
  std::optional<int64_t> likely_output;
};

struct Estimate {
  int64_t ruled_input_tokens = 0;  // by the rules alone: what InputFactor learns from
  int64_t input_tokens = 0;        // with the learned factor
  int64_t output_tokens = 0;       // that are reserved for all choices
  int64_t choice_tokens = 0;       // that are reserved for one choice
  // The most that a choice may give, as far as it was known or assumed; 0: no cap was assumed.
  int64_t output_cap = 0;
  // The request has a cap in its own field, which every provider is sent. A cap in another field is
  // no reason to send none: the provider may not know that name.
  bool caller_set_cap = false;
  int64_t reserved_tokens = 0;  // what a reservation takes, at least 1
};

// Output of a choice under `likely`: what was likely before (or, without history,
// `rules.output_tokens_default`), but never more than the caller or the model allows. Under
// `strict`: all that the caller allows, else the model, else what the context leaves, else the
// default; `output_cap` is then never 0 and is to be sent to the provider, which makes it true.
Estimate EstimateRequest(const model::CompletionRequest& request, const EstimateContext& context);

// Reserved over used: 1 was exact, above it too much was reserved. Absent where nothing was used.
std::optional<double> EstimateErrorRatio(int64_t reserved_tokens, int64_t used_tokens);

}  // namespace pingti::quota
