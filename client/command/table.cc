#include "client/command/table.h"

#include <algorithm>

#include "client/command/display_width.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

constexpr int kGap = 2;

const char* Sequence(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kGreen:
      return "\x1b[32m";
    case Style::kYellow:
      return "\x1b[33m";
  }
  return "";
}

void AppendRow(const std::vector<Column>& columns, const std::vector<int>& widths,
               const std::vector<Cell>& row, bool color, std::string& out) {
  const std::size_t cells = std::min(row.size(), columns.size());
  int spaces = 0;  // Written only before the next text, so that no line ends with them.
  for (std::size_t i = 0; i < cells; ++i) {
    const int padding = widths[i] - DisplayWidth(row[i].text);
    if (columns[i].right) spaces += padding;
    if (!row[i].text.empty()) {
      out.append(static_cast<std::size_t>(spaces), ' ');
      out += Styled(row[i].text, row[i].style, color);
      spaces = 0;
    }
    if (!columns[i].right) spaces += padding;
    spaces += kGap;
  }
  out += '\n';
}

}  // namespace

std::string Styled(const std::string& text, Style style, bool color) {
  if (!color || style == Style::kPlain) return text;
  return Sequence(style) + text + "\x1b[0m";
}

std::string RenderTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<Cell>>& rows, bool color) {
  std::vector<std::vector<Cell>> visible;
  visible.reserve(rows.size() + 1);
  visible.emplace_back();
  for (const Column& column : columns) visible.back().push_back({column.title, Style::kBold});
  for (const auto& row : rows) {
    visible.push_back(row);
    for (Cell& cell : visible.back()) cell.text = VisibleText(cell.text, LineBreaks::kShow);
  }
  std::vector<int> widths(columns.size(), 0);
  for (const auto& row : visible) {
    for (std::size_t i = 0; i < std::min(row.size(), widths.size()); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    }
  }
  std::string out;
  for (const auto& row : visible) AppendRow(columns, widths, row, color, out);
  return out;
}

}  // namespace pingti::command
