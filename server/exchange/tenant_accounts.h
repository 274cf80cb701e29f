// Changes of a tenant in the database that concern its account, too: both in the one transaction
// that the Ledger is in. Each can be run again, as what they are made of.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "server/billing/ledger.h"
#include "server/tenancy/tenant_store.h"

namespace pingti::exchange {

// Makes a tenant, and its account with the plan's newcomer bonus. One that has an account already,
// because it was in the configuration, keeps that and gets no bonus. kNameTaken, kTooMany.
tenancy::StoreVerdict CreateTenant(billing::Ledger& ledger, const std::string& name,
                                   const std::string& tier, const billing::Plan& plan,
                                   absl::Time at);

struct DeleteReply {
  tenancy::StoreVerdict verdict = tenancy::StoreVerdict::kDone;
  int64_t held = 0;  // above 0: nothing was done
};

// Deletes a tenant for which nothing is held. Its account stays as it is. Calls that begin until
// every replica knows of it end as they began. kUnknownTenant.
DeleteReply DeleteTenant(billing::Ledger& ledger, const std::string& name, absl::Time at);

// A top-up; the first one lifts the tenant's tier by the plan.
billing::TopUpReply TopUpTenant(billing::Ledger& ledger, const billing::TopUp& top_up,
                                const billing::Plan& plan);

}  // namespace pingti::exchange
