// `pingti models`, `quota`, `count` and `savings`: one question to the server, one table.
//
// Thread-safety: none; the main thread's. Errors: written to standard error; the exit code says
// which kind.
#pragma once

#include "client/command/session.h"

namespace pingti::command {

ExitCode RunModels(const Session& session);
ExitCode RunQuota(const Session& session);
ExitCode RunCount(const Session& session);
ExitCode RunSavings(const Session& session);

}  // namespace pingti::command
