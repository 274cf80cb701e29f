// What `pingti` reads from and writes to, as a value: tests give it pipes and strings.
//
// Thread-safety: none; the main thread's. Ownership: owns nothing that it points to.
#pragma once

#include <ostream>
#include <string>
#include <string_view>

#include "client/command/table.h"

namespace pingti::command {

struct Console {
  int in_fd;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  // NO_COLOR is not set and the terminal is not `dumb`.
  bool color_allowed = false;

  bool OutColor() const { return out_is_terminal && color_allowed; }
  bool ErrColor() const { return err_is_terminal && color_allowed; }

  // Foreign text to standard output, at once; on a terminal with its controls made visible. False:
  // it could not be written (a full disk, a reader that went away).
  bool WriteText(std::string_view text) const;

  // The same to standard error, in that style on a terminal.
  void WriteErrText(std::string_view text, Style style) const;

  // `pingti: <line>` to standard error. `line` must be one line and safe.
  void Complain(std::string_view line) const;
};

// The console of this process: its descriptors 0 to 2 and its environment.
Console ProcessConsole();

}  // namespace pingti::command
