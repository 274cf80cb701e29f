// A conversation at a terminal: `> `, a line, an answer, and so on, each with all that was said
// before.
//
// Ctrl-D ends it. Ctrl-C stops the answer that runs and returns to the prompt; a second one leaves.
// What was shown of a stopped answer stays in the history, as the person has read it; a question
// that got no answer at all is taken out again.
//
// Thread-safety: none; the main thread's.
// Bounds: kHistoryMessagesMax and kHistoryBytesMax; the oldest turns go first, and it says so.
#pragma once

#include "client/command/session.h"

namespace pingti::command {

inline constexpr int kHistoryMessagesMax = 4096;
inline constexpr std::size_t kHistoryBytesMax = std::size_t{16} << 20;

// `spec` has everything but the turns. kExitOk when the person ended it.
ExitCode Converse(const Session& session, v1::CompletionSpec spec);

// Removes the oldest turns (never the system prompt, never the last message) until the history is
// within the given bounds. Returns how many messages went.
int ForgetOldestTurns(v1::CompletionSpec& spec, int messages_max, std::size_t bytes_max);

}  // namespace pingti::command
