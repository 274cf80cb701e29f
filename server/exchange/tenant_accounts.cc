#include "server/exchange/tenant_accounts.h"

#include <optional>

namespace pingti::exchange {

using tenancy::StoreVerdict;
using tenancy::TenantStore;

StoreVerdict CreateTenant(billing::Ledger& ledger, const std::string& name, const std::string& tier,
                          const billing::Plan& plan, absl::Time at) {
  const StoreVerdict made = TenantStore(ledger.database()).Create(name, tier, at);
  if (made == StoreVerdict::kDone) ledger.OpenAccount(name, plan, at);
  return made;
}

DeleteReply DeleteTenant(billing::Ledger& ledger, const std::string& name, absl::Time at) {
  TenantStore store(ledger.database());
  const std::optional<billing::Balance> balance = ledger.GetBalance(name);
  // Of a name that is not in the store the balance is not ours to tell.
  if (balance && balance->held > 0 && store.Find(name, at)) return {.held = balance->held};
  return {.verdict = store.Delete(name, at)};
}

billing::TopUpReply TopUpTenant(billing::Ledger& ledger, const billing::TopUp& top_up,
                                const billing::Plan& plan) {
  const billing::TopUpReply reply = ledger.Add(top_up, plan);
  if (reply.first && !plan.tier_on_top_up.empty()) {
    TenantStore(ledger.database()).LiftTier(top_up.tenant, plan.lifted_tiers, plan.tier_on_top_up);
  }
  return reply;
}

}  // namespace pingti::exchange
