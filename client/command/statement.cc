#include "client/command/statement.h"

#include "client/command/accounts_line.h"
#include "client/command/accounts_table.h"
#include "client/command/csv.h"
#include "client/command/format.h"

namespace pingti::command {
namespace {

constexpr char kCarried[] = "calls that began in another month than they ended in";

std::string Exact(std::int64_t nano) { return FormatUnits(nano, kNanoDigits, 2); }

std::int64_t ChargedOf(const std::vector<v1::UsageRow>& rows) {
  std::int64_t sum = 0;
  for (const v1::UsageRow& row : rows) sum += row.charged().nano_units();
  return sum;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

constexpr char kStyle[] = R"(
  body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif;
         max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
  h1 { font-size: 1.5rem; margin: 0; }
  h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
  p { margin: .25rem 0; color: #555; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd;
           vertical-align: top; }
  th { font-weight: 600; border-bottom: 2px solid #999; }
  .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
  .sum td { font-weight: 600; border-top: 2px solid #999; }
  @media print { body { margin: 0; max-width: none; font-size: 10pt; }
                 thead { display: table-header-group; } tr { break-inside: avoid; } }
)";

class Page {
 public:
  void Head(const std::vector<std::string>& titles, std::size_t text_columns) {
    text_columns_ = text_columns;
    html_ += "<table>\n<thead>";
    Line(titles, "th", "");
    html_ += "</thead>\n<tbody>\n";
  }
  void Row(const std::vector<std::string>& cells, bool is_sum = false) {
    Line(cells, "td", is_sum ? " class=\"sum\"" : "");
    html_ += '\n';
  }
  void End() { html_ += "</tbody>\n</table>\n"; }
  void Add(const std::string& html) { html_ += html; }
  const std::string& html() const { return html_; }

 private:
  void Line(const std::vector<std::string>& cells, const std::string& tag,
            const std::string& attributes) {
    html_ += "<tr" + attributes + ">";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      html_.append("<").append(tag).append(i < text_columns_ ? ">" : " class=\"n\">");
      html_.append(Escaped(cells[i])).append("</").append(tag).append(">");
    }
    html_ += "</tr>";
  }

  std::string html_;
  std::size_t text_columns_ = 0;
};

// What the account is about, top to bottom.
void AddSummary(const Statement& statement, Page* page) {
  page->Head({"", statement.closing.total().currency()}, 1);
  page->Row({"Balance at the beginning", Exact(statement.opening.total().nano_units())});
  for (int kind = 1; v1::TransferKind_IsValid(kind); ++kind) {
    std::int64_t sum = 0;
    bool any = false;
    for (const v1::Transfer& transfer : statement.transfers) {
      if (transfer.kind() != kind) continue;
      sum += EffectOf(transfer);
      any = true;
    }
    if (any) {
      page->Row({std::string(KindName(static_cast<v1::TransferKind>(kind))), Exact(sum)});
    }
  }
  page->Row({"charges of calls", Exact(-statement.charges())});
  page->Row({"Balance at the end", Exact(statement.closing.total().nano_units())}, true);
  page->End();
}

void AddTransfers(const Statement& statement, Page* page) {
  if (statement.transfers.empty()) return;
  page->Add("<h2>Payments and corrections</h2>\n");
  page->Head({"Time (UTC)", "Kind", "Reference", "Reason", "Amount"}, 4);
  for (const v1::Transfer& transfer : statement.transfers) {
    page->Row({FormatTime(transfer.time()), std::string(KindName(transfer.kind())),
               transfer.reference(), transfer.reason(), Exact(EffectOf(transfer))});
  }
  page->End();
}

void AddUsage(const Statement& statement, Page* page) {
  page->Add("<h2>Calls</h2>\n");
  page->Head({"Day (UTC)", "Key", "Model", "Calls", "Input tokens", "of them cached",
              "Output tokens", "Charged", "Named model would have cost"},
             3);
  v1::UsageRow sum;
  std::int64_t other = 0;
  for (const v1::UsageRow& row : statement.usage) {
    const std::int64_t would_have = row.requested_model_would_have_cost().nano_units();
    page->Row({row.day(), row.key_id(), row.model(), FormatCount(row.calls()),
               FormatCount(row.input_tokens()), FormatCount(row.cached_input_tokens()),
               FormatCount(row.output_tokens()), Exact(row.charged().nano_units()),
               Exact(would_have)});
    sum.set_calls(sum.calls() + row.calls());
    sum.set_input_tokens(sum.input_tokens() + row.input_tokens());
    sum.set_cached_input_tokens(sum.cached_input_tokens() + row.cached_input_tokens());
    sum.set_output_tokens(sum.output_tokens() + row.output_tokens());
    other += would_have;
  }
  if (statement.carried() != 0) {
    page->Row({kCarried, "", "", "", "", "", "", Exact(statement.carried()), ""});
  }
  page->Row({"Sum", "", "", FormatCount(sum.calls()), FormatCount(sum.input_tokens()),
             FormatCount(sum.cached_input_tokens()), FormatCount(sum.output_tokens()),
             Exact(statement.charges()), Exact(other)},
            true);
  page->End();
}

}  // namespace

std::int64_t Statement::charges() const {
  std::int64_t sum = opening.total().nano_units() - closing.total().nano_units();
  for (const v1::Transfer& transfer : transfers) sum += EffectOf(transfer);
  return sum;
}

std::int64_t Statement::carried() const { return charges() - ChargedOf(usage); }

std::string StatementCsv(const Statement& statement) {
  const std::string& currency = statement.closing.total().currency();
  std::string csv =
      "date,what,detail,key_id,model,calls,input_tokens,cached_input_tokens,output_tokens,amount,"
      "currency\n";
  const auto add = [&](const std::string& date, const std::string& what, const std::string& detail,
                       std::int64_t nano) {
    csv += CsvLine({date, what, CsvText(detail), "", "", "", "", "", "", Exact(nano), currency});
  };
  add(statement.month, "opening balance", "", statement.opening.total().nano_units());
  for (const v1::Transfer& transfer : statement.transfers) {
    std::string detail = transfer.reference();
    if (!transfer.reason().empty()) detail += (detail.empty() ? "" : ": ") + transfer.reason();
    add(FormatTime(transfer.time()), std::string(KindName(transfer.kind())), detail,
        EffectOf(transfer));
  }
  for (const v1::UsageRow& row : statement.usage) {
    csv += CsvLine({row.day(), "calls", "", row.key_id(), CsvText(row.model()),
                    std::to_string(row.calls()), std::to_string(row.input_tokens()),
                    std::to_string(row.cached_input_tokens()), std::to_string(row.output_tokens()),
                    Exact(-row.charged().nano_units()), currency});
  }
  if (statement.carried() != 0) add(statement.month, "calls", kCarried, -statement.carried());
  add(statement.month, "closing balance", "", statement.closing.total().nano_units());
  return csv;
}

std::string StatementHtml(const Statement& statement) {
  const std::string title = "Statement of account " + statement.month + ", " + statement.tenant;
  Page page;
  page.Add("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" +
           Escaped(title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n");
  page.Add("<h1>Statement of account</h1>\n<p>" + Escaped(statement.tenant) + ", month " +
           Escaped(statement.month) + " (UTC), in " +
           Escaped(statement.closing.total().currency()) + "</p>\n<h2>Summary</h2>\n");
  AddSummary(statement, &page);
  AddTransfers(statement, &page);
  AddUsage(statement, &page);
  page.Add(
      "<p>Calls stand under the day on which they began, and are charged when they end.</p>\n"
      "</body>\n</html>\n");
  return page.html();
}

}  // namespace pingti::command
