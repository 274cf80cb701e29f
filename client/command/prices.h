// `pingti prices`: the list of a server's prices, and prices for its configuration out of a file.
//
// Thread-safety: none; the main thread's. Errors: written to standard error; the exit code says
// which kind.
#pragma once

#include <string>
#include <vector>

#include "client/command/console.h"
#include "client/command/exit_code.h"
#include "client/command/interrupts.h"
#include "client/command/prices_line.h"
#include "client/command/session.h"
#include "pingti/v1/accounts_service.pb.h"

namespace pingti::command {

ExitCode RunPriceList(const Session& session);

// Prints the YAML, or each thing that is wrong and nothing else. Asks no server.
ExitCode RunPriceImport(const PricesLine& line, const Console& console, Interrupts& interrupts);

// Units per million tokens. With a column for the end of each where `all_versions`.
std::string PricesTable(const std::vector<v1::ListedPrice>& prices, bool all_versions, bool color);
std::string PricesCsvHead();
std::string PricesCsv(const std::vector<v1::ListedPrice>& prices);

}  // namespace pingti::command
