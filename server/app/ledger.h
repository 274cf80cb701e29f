// The ledger of this process, as the configuration wants it.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/billing/ledger_client.h"
#include "server/config/config.h"
#include "server/telemetry/ledger_stats.h"

namespace pingti::app {

// Null: the configuration names no ledger, and nobody is charged; a line in the log says so. An
// error: it cannot be used, and why. `stats` outlives it.
absl::StatusOr<std::unique_ptr<billing::LedgerClient>> StartLedger(const config::Config& config,
                                                                   telemetry::LedgerStats& stats);

billing::LedgerClient::Terms TermsOf(const config::Config& config);

}  // namespace pingti::app
