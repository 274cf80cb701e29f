// The faults that refuse a request by its status: limits of rates, with when to come back in every
// form, keys, and requests that are wrong. The texts of the errors are those of errors.cc.
#pragma once

#include <span>

#include "tests/upstream/faults.h"

namespace pingti::upstream {

std::span<const FaultRow> RefusalFaults();

}  // namespace pingti::upstream
