// The ledger of this process, as the configuration wants it.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/billing/ledger_client.h"
#include "server/config/config.h"
#include "server/storage/database.h"
#include "server/telemetry/ledger_stats.h"

namespace pingti::app {

// Null: the configuration names no ledger, and nobody is charged; a line in the log says so. An
// error: it cannot be used, and why. `stats` outlives it.
absl::StatusOr<std::unique_ptr<billing::LedgerClient>> StartLedger(const config::Config& config,
                                                                   telemetry::LedgerStats& stats);

// `config` without the tenants of the database: these got their accounts when they were made.
billing::LedgerClient::Terms TermsOf(const config::Config& config);

// Where the ledger is. REQUIRES: billing.has_ledger().
storage::DatabaseOptions DatabaseOf(const config::Billing& billing);

}  // namespace pingti::app
