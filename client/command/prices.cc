#include "client/command/prices.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "client/command/csv.h"
#include "client/command/format.h"
#include "client/command/input.h"
#include "client/command/json.h"
#include "client/command/pages.h"
#include "client/command/price_import.h"
#include "client/command/table.h"
#include "client/command/visible_text.h"
#include "client/command/whole_file.h"

namespace pingti::command {
namespace {

constexpr std::size_t kErrorsShown = 100;

std::string PerCall(std::int64_t nano) { return FormatUnits(nano, kNanoDigits, 0); }

std::string SourceText(const v1::ModelPrice& price) {
  std::string text = price.source();
  // Many sources say their day themselves.
  if (!price.source_date().empty() && text.find(price.source_date()) == std::string::npos) {
    text += (text.empty() ? "of " : ", ") + price.source_date();
  }
  if (price.verified()) return text;
  return text + (text.empty() ? "not verified" : " (not verified)");
}

// The file, or nothing where it cannot be read, and why.
std::string ReadFile(const std::string& path, const Console& console, Interrupts& interrupts,
                     std::string* text) {
  const bool is_input = path == "-";
  const int fd = is_input ? console.in_fd : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  Input input(fd, interrupts.idle_fd());
  errno = 0;
  Input::Read read = input.ReadAll();
  const int error = errno;
  if (!is_input) ::close(fd);
  *text = std::move(read.text);
  switch (read.kind) {
    case Input::Kind::kTooLong:
      return "has more than " + FormatCount(kInputBytesMax) + " bytes";
    case Input::Kind::kInterrupted:
      return "interrupted";
    case Input::Kind::kFailed:
      return error == 0 ? "cannot be read" : std::strerror(error);
    default:
      return "";
  }
}

}  // namespace

ExitCode RunPriceList(const Session& session) {
  const PricesLine& line = *session.line.prices;
  const Interrupts::Answer answer(session.interrupts);
  client::CallOptions options;
  options.cancel = answer.token();
  v1::ListPricesRequest request;
  request.set_provider(line.provider);
  request.set_model(line.model);
  request.set_all_versions(line.all_versions);
  std::vector<v1::ListedPrice> all;
  const ExitCode code =
      ForEachPage<v1::ListedPrice>(session, options, request, &client::Client::ListPrices,
                                   &v1::ListPricesResponse::mutable_prices, 0, Collect(&all));
  EndProgress(session);
  if (code != kExitOk) return code;
  if (line.form == OutputForm::kCsv) return session.WriteForeign(PricesCsvHead() + PricesCsv(all));
  if (line.form == OutputForm::kTable) {
    return session.Write(PricesTable(all, line.all_versions, session.console.OutColor()));
  }
  v1::ListPricesResponse response;
  response.mutable_prices()->Add(all.begin(), all.end());
  return session.WriteForeign(ToJson(response) + "\n");
}

ExitCode RunPriceImport(const PricesLine& line, const Console& console, Interrupts& interrupts) {
  const std::string name = line.file == "-" ? "standard input" : line.file;
  std::string text;
  Imported imported;
  if (std::string wrong = ReadFile(line.file, console, interrupts, &text); !wrong.empty()) {
    imported.errors.push_back(std::move(wrong));
  } else {
    imported = ImportPrices(text, line.import);
  }
  const std::vector<std::string>& errors = imported.errors;
  for (std::size_t i = 0; i < errors.size() && i < kErrorsShown; ++i) {
    console.Complain(VisibleText(name + ": " + errors[i], LineBreaks::kShow));
  }
  if (errors.size() > kErrorsShown) {
    console.Complain(VisibleText(
        name + ": and " + FormatCount(static_cast<std::int64_t>(errors.size() - kErrorsShown)) +
            " more errors",
        LineBreaks::kShow));
  }
  if (!errors.empty()) return interrupts.TakeIdle() ? kExitCancelled : kExitUsage;
  if (line.output.empty()) {
    if (console.WriteText(imported.yaml)) return kExitOk;
    console.Complain("standard output cannot be written");
    return kExitOther;
  }
  const std::string wrong = WriteWholeFile(line.output, imported.yaml);
  if (wrong.empty()) return kExitOk;
  console.Complain(VisibleText("--output: " + line.output + ": " + wrong, LineBreaks::kShow));
  return kExitOther;
}

std::string PricesTable(const std::vector<v1::ListedPrice>& prices, bool all_versions, bool color) {
  if (prices.empty()) return "no prices\n";
  std::vector<std::vector<Cell>> rows;
  rows.reserve(prices.size());
  for (const v1::ListedPrice& listed : prices) {
    const v1::ModelPrice& price = listed.price();
    std::vector<Cell> row = {{listed.model()}, {listed.provider()}, {price.since()}};
    if (all_versions) row.push_back({listed.until()});
    for (std::string text :
         {price.currency(), FormatPerMillion(price.input_pico_per_token()),
          FormatPerMillion(price.cached_input_pico_per_token()),
          FormatPerMillion(price.output_pico_per_token()), PerCall(price.request_nano())}) {
      row.push_back({std::move(text)});
    }
    row.push_back({SourceText(price), price.verified() ? Style::kPlain : Style::kYellow});
    if (all_versions && !listed.current()) {
      for (Cell& cell : row) cell.style = Style::kDim;
    }
    rows.push_back(std::move(row));
  }
  std::vector<Column> columns = {{"MODEL"}, {"PROVIDER"}, {"SINCE"}};
  if (all_versions) columns.push_back({"UNTIL"});
  for (Column column : {Column{"CURRENCY"}, Column{"INPUT", true}, Column{"CACHED", true},
                        Column{"OUTPUT", true}, Column{"PER CALL", true}, Column{"SOURCE"}}) {
    columns.push_back(std::move(column));
  }
  return RenderTable(columns, rows, color) + "\nPrices per million tokens; days are UTC.\n";
}

std::string PricesCsvHead() {
  return "model,provider,upstream_model,version,since,until,current,currency,input_per_million,"
         "cached_input_per_million,output_per_million,per_call,charged_in,exchange_rate,"
         "exchange_date,source,source_date,verified\n";
}

std::string PricesCsv(const std::vector<v1::ListedPrice>& prices) {
  std::string csv;
  for (const v1::ListedPrice& listed : prices) {
    const v1::ModelPrice& price = listed.price();
    const bool converted = price.has_exchange();
    const v1::ExchangeRate& rate = price.exchange();
    csv += CsvLine({CsvText(listed.model()), CsvText(listed.provider()),
                    CsvText(listed.upstream_model()), CsvText(price.version()), price.since(),
                    listed.until(), listed.current() ? "true" : "false", price.currency(),
                    FormatPerMillion(price.input_pico_per_token()),
                    FormatPerMillion(price.cached_input_pico_per_token()),
                    FormatPerMillion(price.output_pico_per_token()), PerCall(price.request_nano()),
                    converted ? rate.currency() : price.currency(),
                    converted ? FormatUnits(rate.rate_nano(), kNanoDigits, 0) : "1", rate.date(),
                    CsvText(price.source()), price.source_date(),
                    price.verified() ? "true" : "false"});
  }
  return csv;
}

}  // namespace pingti::command
