#include "client/command/accounts_table.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "client/command/accounts_line.h"
#include "client/command/csv.h"
#include "client/command/format.h"
#include "client/command/table.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

std::string Exact(const v1::Money& money) {
  return FormatUnits(money.nano_units(), kNanoDigits, 2);
}

// Of a transfer, what it is about: the call, or the reference and why.
std::string About(const v1::Transfer& transfer) {
  std::string text = transfer.request_id().empty() ? transfer.reference() : transfer.request_id();
  if (!transfer.reason().empty()) text += (text.empty() ? "" : ": ") + transfer.reason();
  return text;
}

v1::UsageRow SumOf(const std::vector<v1::UsageRow>& rows) {
  v1::UsageRow sum;
  for (const v1::UsageRow& row : rows) {
    sum.set_calls(sum.calls() + row.calls());
    sum.set_input_tokens(sum.input_tokens() + row.input_tokens());
    sum.set_cached_input_tokens(sum.cached_input_tokens() + row.cached_input_tokens());
    sum.set_output_tokens(sum.output_tokens() + row.output_tokens());
    v1::Money* charged = sum.mutable_charged();
    charged->set_nano_units(charged->nano_units() + row.charged().nano_units());
    v1::Money* other = sum.mutable_requested_model_would_have_cost();
    other->set_nano_units(other->nano_units() + row.requested_model_would_have_cost().nano_units());
  }
  return sum;
}

// What a column is called, for people and in CSV, by the number of the dimension.
struct UsageTitle {
  const char* title;
  const char* name;
};
constexpr std::array<UsageTitle, 6> kUsageTitles = {{{"", ""},
                                                     {"DAY", "day"},
                                                     {"TENANT", "tenant"},
                                                     {"KEY", "key_id"},
                                                     {"MODEL", "model"},
                                                     {"LABEL", "label_value"}}};
static_assert(v1::UsageDimension_ARRAYSIZE == kUsageTitles.size());

const std::string& ValueOf(const v1::UsageRow& row, v1::UsageDimension column) {
  switch (column) {
    case v1::USAGE_DIMENSION_DAY:
      return row.day();
    case v1::USAGE_DIMENSION_TENANT:
      return row.tenant();
    case v1::USAGE_DIMENSION_KEY:
      return row.key_id();
    case v1::USAGE_DIMENSION_MODEL:
      return row.model();
    default:
      return row.label_value();
  }
}

}  // namespace

std::string FormatTime(const google::protobuf::Timestamp& time) {
  const std::time_t seconds = time.seconds();
  std::tm parts{};
  std::array<char, 32> text{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "";
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts)};
}

std::int64_t EffectOf(const v1::Transfer& transfer) {
  const auto is_own = [](const std::string& account) {
    return account == "cash" || account == "bonus";
  };
  const std::int64_t nano = transfer.amount().nano_units();
  return (is_own(transfer.credit()) ? nano : 0) - (is_own(transfer.debit()) ? nano : 0);
}

std::string CurrencyOf(const std::vector<v1::UsageRow>& rows) {
  return rows.empty() ? "" : rows.front().charged().currency();
}

std::string BalanceTable(const std::string& tenant, const v1::Balance& balance, bool color) {
  const std::vector<std::string> amounts = FormatAmounts(
      {balance.available().nano_units(), balance.held().nano_units(), balance.cash().nano_units(),
       balance.bonus().nano_units(), balance.total().nano_units()});
  const std::vector<std::vector<Cell>> rows = {
      {{"available"}, {amounts[0], Style::kBold}, {"for calls"}},
      {{"held"}, {amounts[1]}, {"by calls that run"}},
      {{"cash"}, {amounts[2]}},
      {{"bonus"}, {amounts[3]}, {"spent before cash"}},
      {{"total"}, {amounts[4]}, {"cash and bonus"}}};
  return VisibleText("tenant " + tenant, LineBreaks::kShow) + "\n\n" +
         RenderTable({{""}, {balance.total().currency(), true}, {""}}, rows, color);
}

std::string TransfersTable(const std::vector<v1::Transfer>& transfers, bool all_tenants,
                           bool color) {
  if (transfers.empty()) return "no entries\n";
  std::vector<std::int64_t> nanos;
  nanos.reserve(transfers.size());
  for (const v1::Transfer& transfer : transfers) nanos.push_back(transfer.amount().nano_units());
  const std::vector<std::string> amounts = FormatAmounts(nanos);
  std::vector<std::vector<Cell>> rows;
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    const v1::Transfer& transfer = transfers[i];
    std::vector<Cell> row = {{std::to_string(transfer.id())}, {FormatTime(transfer.time())}};
    if (all_tenants) row.push_back({transfer.tenant()});
    for (std::string text : {std::string(KindName(transfer.kind())), transfer.debit(),
                             transfer.credit(), amounts[i], transfer.actor(), About(transfer)}) {
      row.push_back({std::move(text)});
    }
    rows.push_back(std::move(row));
  }
  std::vector<Column> columns = {{"ID", true}, {"TIME (UTC)"}};
  if (all_tenants) columns.push_back({"TENANT"});
  for (Column column : {Column{"KIND"}, Column{"FROM"}, Column{"TO"},
                        Column{transfers[0].amount().currency(), true}, Column{"BY"},
                        Column{"CALL OR REFERENCE"}}) {
    columns.push_back(std::move(column));
  }
  return RenderTable(columns, rows, color);
}

std::string TransfersCsvHead() {
  return "id,time,tenant,kind,from,to,amount,currency,request_id,reference,reason,actor\n";
}

std::string TransfersCsv(const std::vector<v1::Transfer>& transfers) {
  std::string csv;
  for (const v1::Transfer& transfer : transfers) {
    csv += CsvLine({std::to_string(transfer.id()), FormatTime(transfer.time()), transfer.tenant(),
                    std::string(KindName(transfer.kind())), transfer.debit(), transfer.credit(),
                    Exact(transfer.amount()), transfer.amount().currency(),
                    CsvText(transfer.request_id()), CsvText(transfer.reference()),
                    CsvText(transfer.reason()), CsvText(transfer.actor())});
  }
  return csv;
}

UsageColumns UsageColumnsOf(const AccountsLine& line, bool for_programs) {
  UsageColumns columns = line.by;
  if (columns.empty()) {
    columns.push_back(v1::USAGE_DIMENSION_DAY);
    if (for_programs || line.all_tenants) columns.push_back(v1::USAGE_DIMENSION_TENANT);
    columns.push_back(v1::USAGE_DIMENSION_KEY);
    columns.push_back(v1::USAGE_DIMENSION_MODEL);
  }
  const bool has_label =
      std::find(columns.begin(), columns.end(), v1::USAGE_DIMENSION_LABEL) != columns.end();
  if (!line.label.empty() && !has_label) columns.push_back(v1::USAGE_DIMENSION_LABEL);
  return columns;
}

std::string UsageTable(const std::vector<v1::UsageRow>& rows, const UsageColumns& columns,
                       const std::string& label, bool color) {
  if (rows.empty()) return "no calls\n";
  std::vector<v1::UsageRow> all = rows;
  all.push_back(SumOf(rows));
  std::vector<std::int64_t> charged;
  std::vector<std::int64_t> other;
  for (const v1::UsageRow& row : all) {
    charged.push_back(row.charged().nano_units());
    other.push_back(row.requested_model_would_have_cost().nano_units());
  }
  const std::vector<std::string> charged_texts = FormatAmounts(charged);
  const std::vector<std::string> other_texts = FormatAmounts(other);
  std::vector<std::vector<Cell>> cells;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const v1::UsageRow& row = all[i];
    const bool is_sum = i + 1 == all.size();
    std::vector<Cell> line;
    for (const v1::UsageDimension column : columns) line.push_back({ValueOf(row, column)});
    if (is_sum) line[0].text = "sum";
    for (std::string text : {FormatCount(row.calls()), FormatCount(row.input_tokens()),
                             FormatCount(row.cached_input_tokens()),
                             FormatCount(row.output_tokens()), charged_texts[i], other_texts[i]}) {
      line.push_back({std::move(text)});
    }
    for (Cell& cell : line) cell.style = is_sum ? Style::kBold : Style::kPlain;
    cells.push_back(std::move(line));
  }
  std::vector<Column> titles;
  for (const v1::UsageDimension column : columns) {
    const bool is_label = column == v1::USAGE_DIMENSION_LABEL;
    titles.push_back({is_label ? "LABEL " + label : std::string(kUsageTitles[column].title)});
  }
  for (Column column : {Column{"CALLS", true}, Column{"INPUT", true}, Column{"CACHED", true},
                        Column{"OUTPUT", true}, Column{"CHARGED " + CurrencyOf(rows), true},
                        Column{"WOULD HAVE COST", true}}) {
    titles.push_back(std::move(column));
  }
  return RenderTable(titles, cells, color);
}

std::string UsageCsvHead(const UsageColumns& columns) {
  std::string head;
  for (const v1::UsageDimension column : columns) {
    head += std::string(kUsageTitles[column].name) + ",";
  }
  return head +
         "calls,input_tokens,cached_input_tokens,output_tokens,charged,"
         "requested_model_would_have_cost,currency\n";
}

std::string UsageCsv(const std::vector<v1::UsageRow>& rows, const UsageColumns& columns) {
  std::string csv;
  for (const v1::UsageRow& row : rows) {
    std::vector<std::string> cells;
    for (const v1::UsageDimension column : columns) cells.push_back(CsvText(ValueOf(row, column)));
    for (std::string text :
         {std::to_string(row.calls()), std::to_string(row.input_tokens()),
          std::to_string(row.cached_input_tokens()), std::to_string(row.output_tokens()),
          Exact(row.charged()), Exact(row.requested_model_would_have_cost()),
          row.charged().currency()}) {
      cells.push_back(std::move(text));
    }
    csv += CsvLine(cells);
  }
  return csv;
}

std::string VerifyTable(const v1::VerifyLedgerResponse& verified, bool color) {
  const std::string checked = FormatCount(verified.accounts()) + " accounts, " +
                              FormatCount(verified.transfers()) + " transfers, " +
                              FormatCount(verified.calls()) + " calls: ";
  if (verified.findings().empty()) return checked + "all is right\n";
  std::vector<std::vector<Cell>> rows;
  for (const v1::LedgerFinding& finding : verified.findings()) {
    rows.push_back({{finding.tenant()}, {finding.what(), Style::kRed}});
  }
  return checked + "WRONG\n\n" + RenderTable({{"TENANT"}, {"WHAT"}}, rows, color);
}

}  // namespace pingti::command
