// How many columns of a terminal a text takes.
//
// The C library's wcwidth() depends on the locale and on its age; a table must align in a
// container without any locale, too. So: 2 columns for what Unicode's EastAsianWidth calls W or F
// (CJK, full-width forms, most emoji), 0 for what is drawn over its neighbour (combining marks,
// joiners, variation selectors), 1 for the rest, "ambiguous" included.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

namespace pingti::command {

// 0, 1 or 2. Control characters count 0; VisibleText() makes them visible before anything is shown.
int DisplayWidth(char32_t code);

// The sum over `text`. An invalid byte counts 1.
int DisplayWidth(std::string_view text);

}  // namespace pingti::command
