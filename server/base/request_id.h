// Ids of calls: sortable by time, unique without coordination.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "server/base/random.h"

namespace pingti::base {

// 26 characters of Crockford's base 32 in the layout of ULID (https://github.com/ulid/spec): 48
// bits of Unix milliseconds, then 80 random bits.
std::string NewRequestId(absl::Time now, Random& random);

}  // namespace pingti::base
