// The names of the fields of a provider's request that CompletionSpec already covers.
//
// CompletionSpec.provider_fields_json may not contain them: a field has one way in. The names are
// those of OpenAI's chat API, which every provider field of a caller is written in.
#pragma once

#include <string_view>

namespace pingti::model {

// True for a top-level field of a chat completion request that Pingti writes itself, for example
// `temperature`.
bool IsKnownRequestField(std::string_view name);

}  // namespace pingti::model
