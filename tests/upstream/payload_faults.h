// The faults that lie in the bytes of an answer: framing of events, compression, odd JSON. The
// others are in faults.cc, which also looks names up, and beside it.
#pragma once

#include <span>

#include "tests/upstream/faults.h"

namespace pingti::upstream {

std::span<const FaultRow> PayloadFaults();

}  // namespace pingti::upstream
