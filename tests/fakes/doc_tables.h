// The tables of a page of docs/ that are marked as checked, for the test that does what they say.
//
//     <!-- checked: NAME -->
//     | title | ... |
//     | --- | ... |
//     | cell | ... |
//
// Tests run at the top of the repository.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::fakes {

using DocRow = std::vector<std::string>;

inline DocRow DocCells(const std::string& line) {
  DocRow cells;
  std::istringstream all(line);
  std::string cell;
  std::getline(all, cell, '|');  // before the first `|` there is nothing
  while (std::getline(all, cell, '|')) {
    const size_t begin = cell.find_first_not_of(' ');
    const size_t end = cell.find_last_not_of(' ');
    cells.push_back(begin == cell.npos ? "" : cell.substr(begin, end - begin + 1));
  }
  return cells;
}

// By name, which each has for itself.
inline std::map<std::string, std::vector<DocRow>> ReadDocTables(const std::string& page) {
  std::ifstream file(page);
  EXPECT_TRUE(file.good()) << page;
  std::map<std::string, std::vector<DocRow>> tables;
  const std::string marker = "<!-- checked: ";
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(marker, 0) != 0) continue;
    const std::string name =
        line.substr(marker.size(), line.find(' ', marker.size()) - marker.size());
    EXPECT_EQ(tables.count(name), 0u) << name;
    std::getline(file, line);
    const size_t columns = DocCells(line).size();
    std::getline(file, line);
    EXPECT_EQ(line.rfind("| ---", 0), 0u) << line;
    while (std::getline(file, line) && line.rfind("|", 0) == 0) {
      tables[name].push_back(DocCells(line));
      EXPECT_EQ(tables[name].back().size(), columns) << line;
    }
    EXPECT_FALSE(tables[name].empty()) << name;
  }
  return tables;
}

inline std::string Shown(const DocRow& row) {
  std::string line = "the row |";
  for (const std::string& cell : row) line += " " + cell + " |";
  return line;
}

// `1,234` without its commas.
inline std::string WithoutCommas(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ','), text.end());
  return text;
}

}  // namespace pingti::fakes
