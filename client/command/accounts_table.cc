#include "client/command/accounts_table.h"

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

constexpr int kNanoDigits = 9;

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

std::string UsageTable(const std::vector<v1::UsageRow>& rows, bool all_tenants, bool color) {
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
    std::vector<Cell> line = {{is_sum ? "sum" : row.day()}};
    if (all_tenants) line.push_back({row.tenant()});
    for (std::string text :
         {row.key_id(), row.model(), FormatCount(row.calls()), FormatCount(row.input_tokens()),
          FormatCount(row.cached_input_tokens()), FormatCount(row.output_tokens()),
          charged_texts[i], other_texts[i]}) {
      line.push_back({std::move(text)});
    }
    for (Cell& cell : line) cell.style = is_sum ? Style::kBold : Style::kPlain;
    cells.push_back(std::move(line));
  }
  std::vector<Column> columns = {{"DAY"}};
  if (all_tenants) columns.push_back({"TENANT"});
  for (Column column :
       {Column{"KEY"}, Column{"MODEL"}, Column{"CALLS", true}, Column{"INPUT", true},
        Column{"CACHED", true}, Column{"OUTPUT", true}, Column{"CHARGED " + CurrencyOf(rows), true},
        Column{"WOULD HAVE COST", true}}) {
    columns.push_back(std::move(column));
  }
  return RenderTable(columns, cells, color);
}

std::string UsageCsvHead() {
  return "day,tenant,key_id,model,calls,input_tokens,cached_input_tokens,output_tokens,charged,"
         "requested_model_would_have_cost,currency\n";
}

std::string UsageCsv(const std::vector<v1::UsageRow>& rows) {
  std::string csv;
  for (const v1::UsageRow& row : rows) {
    csv += CsvLine({row.day(), row.tenant(), row.key_id(), CsvText(row.model()),
                    std::to_string(row.calls()), std::to_string(row.input_tokens()),
                    std::to_string(row.cached_input_tokens()), std::to_string(row.output_tokens()),
                    Exact(row.charged()), Exact(row.requested_model_would_have_cost()),
                    row.charged().currency()});
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
