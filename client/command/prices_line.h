// What the person typed of the commands about prices: list and import.
//
// Thread-safety: values and pure functions.
#pragma once

#include <optional>
#include <string>

#include "client/command/accounts_line.h"
#include "client/command/price_import.h"

namespace CLI {
class App;
}

namespace pingti::command {

enum class PricesVerb { kList, kImport };

struct PricesLine {
  PricesVerb verb = PricesVerb::kList;
  std::string admin_key_file;
  // Of the list.
  std::string provider;
  std::string model;
  bool all_versions = false;
  OutputForm form = OutputForm::kTable;
  // Of the import.
  std::string file;    // `-`: standard input
  std::string output;  // empty: standard output
  ImportRequest import;
};

// The commands, and what they say; made before parsing and asked afterwards.
class PricesParser {
 public:
  // Adds the commands to `app`. Outlives the parsing.
  explicit PricesParser(CLI::App& app);

  // Whether one of the commands was named.
  bool Named() const;
  // Checks what was written into the line. Empty, or what is wrong.
  std::string Finish(PricesLine* line);

 private:
  void AddImport(CLI::App& prices);
  std::string FinishImport() const;

  CLI::App* list_ = nullptr;
  CLI::App* import_ = nullptr;
  PricesLine line_;
  bool json_ = false;
  bool csv_ = false;
};

}  // namespace pingti::command
