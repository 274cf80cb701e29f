// Reads the content of a choice: `delta` of a stream, `message` of a whole answer.
#pragma once

#include <string_view>
#include <vector>

#include "server/providers/openai/chunk_reader.h"

namespace pingti::providers::openai {

// Id of the tool call that an answer in the form before tools (`function_call`) becomes.
inline constexpr std::string_view kLegacyCallId = "function_call";

// Null is no content. False: not well-formed, or text that is neither a string, null nor an array
// of parts.
bool ReadContent(JsonValue& value, ChunkContent* content);

// Appends the sources of Yi-Large-RAG's `quote`: objects with `num`, `url` and `title`. `num` comes
// as a number or as a string.
bool ReadCitations(JsonValue& value, std::vector<model::Citation>* citations);

}  // namespace pingti::providers::openai
