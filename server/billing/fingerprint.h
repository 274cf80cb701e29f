// A digest of what a request asks for: two requests have the same one if, and only if, they would
// be served alike. It tells a caller's repeat from another call with the same id.
#pragma once

#include <string>

#include "server/model/completion.h"

namespace pingti::billing {

// SHA-256 in hex over all fields but `request_id`, `max_queue_wait` and the labels. Reads the whole
// prompt.
std::string FingerprintOf(const model::CompletionRequest& request);

}  // namespace pingti::billing
