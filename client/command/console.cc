#include "client/command/console.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "client/command/visible_text.h"

namespace pingti::command {

bool Console::WriteText(std::string_view text) const {
  if (out_is_terminal) {
    out << VisibleText(text, LineBreaks::kKeep);
  } else {
    out << text;
  }
  out.flush();
  return out.good();
}

void Console::WriteErrText(std::string_view text, Style style) const {
  if (err_is_terminal) {
    err << Styled(VisibleText(text, LineBreaks::kKeep), style, ErrColor());
  } else {
    err << text;
  }
  err.flush();
}

void Console::Complain(std::string_view line) const {
  err << Styled("pingti:", Style::kRed, ErrColor()) << ' ' << line << '\n';
  err.flush();
}

Console ProcessConsole() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool refused = no_color != nullptr && no_color[0] != '\0';
  const bool dumb = term == nullptr || std::string_view(term) == "dumb" || term[0] == '\0';
  return Console{
      .in_fd = STDIN_FILENO,
      .out = std::cout,
      .err = std::cerr,
      .in_is_terminal = ::isatty(STDIN_FILENO) == 1,
      .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
      .color_allowed = !refused && !dumb,
  };
}

}  // namespace pingti::command
