// PINGTI_CHECK(condition, "why it cannot be false"): ends the process when the impossible happens.
//
// For what only a bug in this program can cause; what a peer or an operator can cause is handled as
// a value. (Debian 12's abseil, 20220623, has no absl/log yet.)
#pragma once

namespace pingti::base {

// Writes one line to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const char* why);

}  // namespace pingti::base

#define PINGTI_CHECK(condition, why)                                    \
  do {                                                                  \
    if (!(condition)) [[unlikely]] {                                    \
      ::pingti::base::CheckFailed(__FILE__, __LINE__, #condition, why); \
    }                                                                   \
  } while (false)
