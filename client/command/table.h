// Aligned columns for a terminal, by display width: Chinese text takes two columns a character.
//
// Thread-safety: pure function.
#pragma once

#include <string>
#include <vector>

namespace pingti::command {

enum class Style { kPlain, kBold, kDim, kRed, kGreen, kYellow };

struct Column {
  std::string title;
  bool right = false;  // Numbers stand on the right.
};

struct Cell {
  std::string text;
  Style style = Style::kPlain;
};

// `text` in that style by the sequences of ECMA-48, or as it is without colour.
std::string Styled(const std::string& text, Style style, bool color);

// The table with its title row, each line ended, no spaces at line ends. A row may be shorter than
// the columns. Control characters in cells are made visible: a name cannot break the table.
std::string RenderTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<Cell>>& rows, bool color);

}  // namespace pingti::command
