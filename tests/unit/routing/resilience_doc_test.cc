// docs/resilience.md says what the failure table does.
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/routing/failure_table.h"
#include "server/routing/health.h"

namespace pingti::routing {
namespace {

struct FailureRow {
  std::string next;
  std::string rests;
  std::string counts;
};

// The cells of a line of a Markdown table, without blanks and backquotes around them.
std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream stream(line.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) {
    const size_t begin = cell.find_first_not_of(" `");
    const size_t end = cell.find_last_not_of(" `");
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
  }
  return cells;
}

std::map<std::string, FailureRow> ReadTable() {
  std::map<std::string, FailureRow> rows;
  std::ifstream file("docs/resilience.md");
  std::string line;
  while (std::getline(file, line) && line != "<!-- checked: failures -->") {
  }
  std::getline(file, line);  // head
  std::getline(file, line);  // rule
  while (std::getline(file, line) && line.starts_with("|")) {
    const std::vector<std::string> cells = CellsOf(line);
    if (cells.size() == 4) rows[cells[0]] = {cells[1], cells[2], cells[3]};
  }
  return rows;
}

std::string RestOf(Bench bench) {
  switch (bench) {
    case Bench::kNothing:
      return "nothing";
    case Bench::kKeyAsAsked:
      return "the key, for as long as the provider says";
    case Bench::kKey:
      return "the key, for `refused_key_for";
    case Bench::kProvider:
      return "the provider, for `lost_provider_for";
    case Bench::kProviderIfRepeated:
      return "the provider, for `lost_provider_for`, after " + std::to_string(kHostUnknownMax) +
             " in a row";
  }
  return "";
}

TEST(ResilienceDocTest, TheTableIsThatOfTheCode) {
  const std::map<std::string, FailureRow> rows = ReadTable();
  ASSERT_EQ(rows.size(), static_cast<size_t>(model::kFailureClassCount));
  for (int i = 0; i < model::kFailureClassCount; ++i) {
    const auto failure_class = static_cast<model::FailureClass>(i);
    const std::string name(model::FailureClassName(failure_class));
    ASSERT_TRUE(rows.contains(name)) << name;
    const Verdict verdict = VerdictOf(failure_class);
    EXPECT_EQ(rows.at(name).next, NextName(verdict.next)) << name;
    EXPECT_EQ(rows.at(name).rests, RestOf(verdict.bench)) << name;
    EXPECT_EQ(rows.at(name).counts, verdict.counts ? "yes" : "no") << name;
  }
}

}  // namespace
}  // namespace pingti::routing
