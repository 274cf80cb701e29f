// `pingti chat`: one question, or a conversation.
//
// Thread-safety: none; the main thread's. Errors: written to standard error; the exit code says
// which kind.
#pragma once

#include <string>

#include "client/command/session.h"

namespace pingti::command {

// One shot with the prompt of the command line, else of standard input when that is no terminal;
// otherwise a conversation.
ExitCode RunChat(const Session& session);

// The prompt of the command line, or all of standard input. Shared with `count`.
// FAILED_PRECONDITION: it cannot be read; CANCELLED: Ctrl-C.
client::Result<std::string> ReadPrompt(const Session& session);

// How one answer ended.
struct TurnEnd {
  ExitCode code = kExitOk;
  // What was shown of the answer; may be a part of it where `code` is not kExitOk.
  std::string text;
  // Standard output is broken: nothing more can be shown.
  bool output_broken = false;
};

// Asks `spec` and shows the answer; Ctrl-C stops it.
TurnEnd RunTurn(const Session& session, const v1::CompletionSpec& spec);

}  // namespace pingti::command
