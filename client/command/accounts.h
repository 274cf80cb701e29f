// `pingti balance`, `topup`, `adjust`, `ledger`, `usage` and `statement`.
//
// Thread-safety: none; the main thread's. Errors: written to standard error; the exit code says
// which kind.
#pragma once

#include "client/command/session.h"

namespace pingti::command {

ExitCode RunAccounts(const Session& session);

}  // namespace pingti::command
