// An Answer as OpenAI's JSON: the whole completion, or the events of a stream.
//
// Pure functions. Every answer says that it is simulated: `system_fingerprint` is `fp_simulated`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/upstream/answer.h"
#include "tests/upstream/reply.h"

namespace pingti::upstream {

inline constexpr std::string_view kFingerprint = "fp_simulated";

// The body of an answer that is not streamed.
std::string CompletionJson(const Answer& answer, UsageShape shape);

// The events of a stream in order: role, content, finish, usage, `[DONE]`. The pieces hold the
// payload of each event only (no `data:`); timing is set from the knobs.
std::vector<Piece> StreamEvents(const Answer& answer, const Knobs& knobs, bool include_usage);

// A chunk with empty choices: Azure's filter results when `filter`, else a bare one.
std::string EmptyChoicesChunk(const Answer& answer, bool filter);

// The list of GET /v1/models.
std::string ModelsJson();

}  // namespace pingti::upstream
