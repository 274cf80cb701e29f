#include "client/command/prices_line.h"

#include <CLI/CLI.hpp>

namespace pingti::command {

PricesParser::PricesParser(CLI::App& app) {
  CLI::App* prices = app.add_subcommand("prices", "Look at prices, and import them");
  prices->require_subcommand(1);
  prices->fallthrough();
  list_ = prices->add_subcommand("list", "List what models cost, and since when");
  list_->fallthrough();
  list_->add_option("--provider", line_.provider, "Only models of this provider")
      ->type_name("NAME");
  list_->add_option("-m,--model", line_.model, "Only this model of the catalogue")
      ->type_name("NAME");
  list_->add_flag("--all", line_.all_versions, "Also prices that are over or still to come");
  CLI::Option* json = list_->add_flag("--json", json_, "Print protobuf JSON");
  list_->add_flag("--csv", csv_, "Print CSV")->excludes(json);
  AddImport(*prices);
}

void PricesParser::AddImport(CLI::App& prices) {
  import_ = prices.add_subcommand("import",
                                  "Make entries for the configuration's models out of LiteLLM's "
                                  "model_prices_and_context_window.json; asks no server");
  import_->fallthrough();
  import_->add_option("file", line_.file, "The file; - is standard input")->required();
  import_->add_option("models", line_.import.models,
                      "Names as in the file; none: all chat models of --provider");
  import_->add_option("--date", line_.import.date, "First day of the prices: 2024-06-01")
      ->required()
      ->type_name("DAY");
  import_
      ->add_option("--provider", line_.import.provider,
                   "Only of this provider, as LiteLLM names it, for example openai")
      ->type_name("NAME");
  import_
      ->add_option("--as", line_.import.provider_name,
                   "What the configuration calls the provider; default: as LiteLLM does")
      ->type_name("NAME");
  import_->add_option("--source", line_.import.source, "Where the file comes from")
      ->capture_default_str()
      ->type_name("TEXT");
  import_
      ->add_option("--output", line_.output,
                   "Write this file, whole or not at all, instead of standard output")
      ->type_name("FILE");
}

bool PricesParser::Named() const { return list_->parsed() || import_->parsed(); }

std::string PricesParser::FinishImport() const {
  const ImportRequest& import = line_.import;
  if (!ParseDay(import.date)) {
    return "--date: '" + import.date + "' is no date; write 2024-06-01";
  }
  if (import.models.empty() && import.provider.empty()) return "name models, or a --provider";
  if (!import.provider_name.empty() && !IsProviderName(import.provider_name)) {
    return "--as: '" + import.provider_name + "' is no name; write 1 to 64 of a-z, 0-9 and -";
  }
  if (!IsSource(import.source)) return "--source: is not one line of at most 500 bytes";
  return "";
}

std::string PricesParser::Finish(PricesLine* line) {
  line_.verb = import_->parsed() ? PricesVerb::kImport : PricesVerb::kList;
  if (line_.verb == PricesVerb::kImport) {
    if (std::string wrong = FinishImport(); !wrong.empty()) return wrong;
  }
  if (csv_) line_.form = OutputForm::kCsv;
  if (json_) line_.form = OutputForm::kJson;
  *line = line_;
  return "";
}

}  // namespace pingti::command
