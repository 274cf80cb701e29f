// What pingti.v1.Accounts does: who may ask what of the ledger, and asking it.
//
// On the worker's loop thread; each waits for the ledger, which answers there, whether or not the
// caller still is. `who` and `view` are those of the call. Errors of all: LEDGER_OFF,
// LEDGER_UNAVAILABLE, FIELD_INVALID, NOT_ADMIN; ACCOUNT_UNKNOWN where a tenant has no account.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/base/task.h"
#include "server/billing/ledger_types.h"
#include "server/exchange/ledger_access.h"
#include "server/exchange/view.h"
#include "server/exchange/worker.h"
#include "server/tenancy/tenant_directory.h"

namespace pingti::exchange {

// Of one payment or correction, in units.
inline constexpr int64_t kAmountUnitsMax = 10'000'000;
inline constexpr size_t kReferenceBytesMax = 128;
inline constexpr size_t kReasonBytesMax = 500;

struct BalanceReport {
  std::string tenant;
  billing::Balance balance;
};

// Of `tenant` (empty: the caller's own), now or just before `at`.
base::Task<OrError<BalanceReport>> ReadBalance(Worker& worker, const View& view,
                                               tenancy::KeyOwner who, std::string tenant,
                                               std::optional<absl::Time> at);

// `actor` and `at` are set here. REFERENCE_IN_USE.
base::Task<OrError<billing::TopUpReply>> TopUp(Worker& worker, const View& view,
                                               tenancy::KeyOwner who, billing::TopUp top_up);

// The same; also BALANCE_TOO_LOW.
base::Task<OrError<billing::TopUpReply>> Adjust(Worker& worker, const View& view,
                                                tenancy::KeyOwner who,
                                                billing::Adjustment adjustment);

// An empty tenant of the filter is the caller's own, and for an administrator all.
base::Task<OrError<std::vector<billing::Transfer>>> ListTransfers(Worker& worker, const View& view,
                                                                  tenancy::KeyOwner who,
                                                                  billing::TransferFilter filter);
base::Task<OrError<std::vector<billing::UsageRow>>> ListUsage(Worker& worker, const View& view,
                                                              tenancy::KeyOwner who,
                                                              billing::UsageFilter filter);

// Reads every row.
base::Task<OrError<billing::VerifyReply>> VerifyLedger(Worker& worker, const View& view,
                                                       tenancy::KeyOwner who);

}  // namespace pingti::exchange
