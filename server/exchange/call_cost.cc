#include "server/exchange/call_cost.h"

#include "server/billing/charge.h"

namespace pingti::exchange {

CallCost CostOf(const billing::ModelPrices* served, const billing::ModelPrices* requested,
                const model::Usage& usage, absl::Time at) {
  CallCost cost;
  cost.price = billing::PriceAt(served, at);
  if (cost.price != nullptr) cost.charged = billing::ChargeFor(usage, *cost.price);
  if (const billing::Price* price = billing::PriceAt(requested, at)) {
    cost.requested_model = billing::ChargeFor(usage, *price);
  }
  return cost;
}

}  // namespace pingti::exchange
