// The periods of the budgets of API keys.
//
// Thread-safety: pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "server/config/key_terms.h"

namespace pingti::billing {

// The day or month that a call belongs to which began at `at`, as the ledger names it:
// `2024-06-27`, `2024-06`; UTC.
std::string PeriodOf(config::BudgetPeriod period, absl::Time at);

// When the next one begins.
absl::Time PeriodEnd(config::BudgetPeriod period, absl::Time at);

}  // namespace pingti::billing
