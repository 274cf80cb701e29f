// The schema, as the steps that have led to it. A step is never changed once released: another one
// is added. Each database remembers the steps that it has had, with a digest of their text.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace pingti::storage {

class Database;

// Brings the schema up to step `last`, or as far as there are steps, in one transaction; replicas
// that start at once wait for each other. Errors: FAILED_PRECONDITION where the database is of a
// newer version, or has had other steps than ours; what a statement has failed with.
absl::Status Migrate(Database& database, int64_t last);

}  // namespace pingti::storage
