// What one call costs: what its tenant is charged, and what the model that it named would have
// cost.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "server/base/money.h"
#include "server/billing/price_book.h"
#include "server/model/usage.h"

namespace pingti::exchange {

// Both in the currency that tenants are charged in.
struct CallCost {
  const billing::Price* price = nullptr;  // of the model that served; null: it has none
  std::optional<base::Money> charged;     // nothing: no price, or the amount does not fit
  // Nothing: the name that the caller used is no model of the catalogue, or that has no price.
  std::optional<base::Money> requested_model;
};

// Of `usage`, at the prices that were in force at `at`; either may be null. The prices outlive it.
CallCost CostOf(const billing::ModelPrices* served, const billing::ModelPrices* requested,
                const model::Usage& usage, absl::Time at);

}  // namespace pingti::exchange
