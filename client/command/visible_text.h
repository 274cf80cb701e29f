// Makes characters visible that would drive the terminal instead of being shown on it.
//
// What a model writes is foreign text: it can quote a web page or obey an attacker. On a terminal,
// ESC and its kind can rewrite what stands on the screen, set the window's title or, on some,
// type; direction overrides can make a command read as another one. So on a terminal they are
// shown, not obeyed. Into a file or a pipe, the text goes as it is.
//
// Thread-safety: pure function.
#pragma once

#include <string>
#include <string_view>

namespace pingti::command {

enum class LineBreaks {
  kKeep,  // Line feed and tab are layout; CR LF becomes LF.
  kShow,  // One line must stay one line: also line feed and tab are shown.
};

// `^[` for ESC and the other controls below U+0020, `^?` for DEL, `\u009b` for the controls from
// U+0080 and for direction overrides, `\xff` for bytes that are not UTF-8. Works piecewise as long
// as pieces end between characters.
std::string VisibleText(std::string_view text, LineBreaks line_breaks);

}  // namespace pingti::command
