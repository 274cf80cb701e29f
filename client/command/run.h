// The command `pingti`, without the process around it.
//
// Thread-safety: none; one at a time. Errors: written to console.err; the exit code says which
// kind (exit_code.h).
#pragma once

#include "client/command/console.h"
#include "client/command/exit_code.h"
#include "client/command/interrupts.h"

namespace pingti::command {

// Parses, finds the key, connects and runs the subcommand. Reads the environment: PINGTI_TARGET,
// PINGTI_API_KEY, PINGTI_ADMIN_KEY, PINGTI_MODEL, XDG_CONFIG_HOME, HOME.
ExitCode Run(int argc, const char* const* argv, const Console& console, Interrupts& interrupts);

}  // namespace pingti::command
