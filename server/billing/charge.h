// What a call costs. Pure functions in integers; docs/billing.md has the rule and examples.
#pragma once

#include <optional>

#include "server/base/money.h"
#include "server/billing/price_book.h"
#include "server/model/usage.h"

namespace pingti::billing {

// What `usage` costs at `price`, in the currency that tenants are charged in: cached input at its
// own price, the rest of the input and the output at theirs, once the price per request, times the
// exchange rate, rounded up once to the nano-unit. Usage without a source, of a call that nobody is
// charged for, costs nothing, the request included. Counts below 0 are 0, and no more input is
// cached than there is. Nothing: the amount does not fit.
std::optional<base::Money> ChargeFor(const model::Usage& usage, const Price& price);

}  // namespace pingti::billing
