// How `pingti` tells a script and a person that something failed.
//
// Thread-safety: pure functions.
#pragma once

#include <string>

#include "client/error.h"

namespace pingti::command {

// Part of the command's interface: scripts decide on them. kExitCodeHelp lists them for --help.
enum ExitCode : int {
  kExitOk = 0,
  kExitOther = 1,
  kExitUsage = 2,
  kExitNotAllowed = 3,
  kExitInvalid = 4,
  kExitTryLater = 5,
  kExitUnavailable = 6,
  kExitDeadline = 7,
  kExitCancelled = 8,
  kExitIncomplete = 9,
};

inline constexpr char kExitCodeHelp[] =
    "Exit codes:\n"
    "  0  done\n"
    "  1  another error\n"
    "  2  wrong usage, or a file that cannot be used\n"
    "  3  no or a wrong API key, or not allowed\n"
    "  4  invalid request, or no such model\n"
    "  5  quota, balance or budget exhausted, or the server is overloaded: try later\n"
    "  6  no server, or no provider that could serve it\n"
    "  7  deadline exceeded\n"
    "  8  cancelled (Ctrl-C)\n"
    "  9  the answer broke off: what was printed is not complete";

// REQUIRES: !error.ok()
ExitCode ExitCodeOf(const client::Error& error);

// What is known about the call beside its error.
struct CallFacts {
  std::string target;
  bool has_key = true;
};

// One line without its line end, safe for a terminal, for example
// `quota exceeded: 12 tokens left of 30,000 (try again in 1.2 s) [request 01J...]`.
std::string DescribeError(const client::Error& error, const CallFacts& facts);

}  // namespace pingti::command
