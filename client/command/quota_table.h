// `pingti quota`: the caller's limits as a table, one row for each bucket.
//
// Thread-safety: pure functions, but for the time zone of the process.
#pragma once

#include <cstdint>
#include <string>

#include "pingti/v1/completion_service.pb.h"

namespace pingti::command {

// How a terminal may be spoken to; off both where the table goes into a file or a pipe.
struct QuotaLook {
  bool color = false;
  bool blocks = false;  // bars of block characters instead of `#` and `-`
};

// Tenant and tier, then for each bucket its name as errors have it (without the tenant), limit,
// what is left, a bar, how long until it is full again and at which local time. Buckets of days and
// calls at once are rows like the others; what sets a bucket apart (a burst, shadow mode) stands at
// the end of its row.
std::string QuotaTable(const v1::GetQuotaResponse& quota, QuotaLook look);

// How full a bucket is that holds `capacity`, `[########------------]`; empty while it is in debt
// or holds nothing.
std::string QuotaBar(std::int64_t remaining, std::int64_t capacity, bool blocks);

}  // namespace pingti::command
