// The faults that lie in what an answer says: tool calls that are put together oddly, a filter that
// ends it, characters that are torn apart. They say their own words, whatever was asked.
#pragma once

#include <span>

#include "tests/upstream/faults.h"

namespace pingti::upstream {

std::span<const FaultRow> ContentFaults();

}  // namespace pingti::upstream
