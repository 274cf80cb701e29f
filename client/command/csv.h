// Lines of CSV as RFC 4180 has them, with \n at their ends.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pingti::command {

// Foreign text for a cell. A spreadsheet takes what begins with = + - @ or a tab for a formula;
// such text gets an apostrophe in front.
std::string CsvText(std::string_view text);

// One line. Cells with a comma, a quote or a line break are put in quotes.
std::string CsvLine(const std::vector<std::string>& cells);

}  // namespace pingti::command
