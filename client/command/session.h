// What every subcommand works with.
//
// Thread-safety: none; the main thread's. Ownership: refers to what Run() owns.
#pragma once

#include "client/client.h"
#include "client/command/command_line.h"
#include "client/command/console.h"
#include "client/command/exit_code.h"
#include "client/command/interrupts.h"

namespace pingti::command {

struct Session {
  const CommandLine& line;
  const client::Client& client;
  const Console& console;
  Interrupts& interrupts;
  CallFacts facts;

  // Writes the error's line and returns its exit code.
  ExitCode Fail(const client::Error& error) const {
    console.Complain(DescribeError(error, facts));
    return ExitCodeOf(error);
  }
};

}  // namespace pingti::command
