// What every subcommand works with.
//
// Thread-safety: none; the main thread's. Ownership: refers to what Run() owns.
#pragma once

#include <string>

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

  // Our own text to standard output, as it is.
  ExitCode Write(const std::string& text) const {
    console.out << text;
    console.out.flush();
    return Written(console.out.good());
  }
  // Foreign text, such as JSON and CSV: on a terminal its controls are shown.
  ExitCode WriteForeign(const std::string& text) const { return Written(console.WriteText(text)); }

 private:
  ExitCode Written(bool done) const {
    if (done) return kExitOk;
    console.Complain("standard output cannot be written");
    return kExitOther;
  }
};

}  // namespace pingti::command
