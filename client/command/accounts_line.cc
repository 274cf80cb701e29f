#include "client/command/accounts_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "client/command/format.h"
#include "client/command/labels.h"

namespace pingti::command {
namespace {

// By the number of the kind.
constexpr std::array<std::string_view, 8> kKinds = {"",       "top-up", "bonus",      "newcomer",
                                                    "charge", "expiry", "adjustment", "refund"};

v1::TransferKind ParseKind(std::string_view name) {
  for (std::size_t i = 1; i < kKinds.size(); ++i) {
    if (kKinds[i] == name) return static_cast<v1::TransferKind>(i);
  }
  return v1::TRANSFER_KIND_UNSPECIFIED;
}

// By the number of the dimension.
constexpr std::array<std::string_view, 6> kDimensions = {"",    "day",   "tenant",
                                                         "key", "model", "label"};
static_assert(v1::UsageDimension_ARRAYSIZE == kDimensions.size());

// A number of exactly so many digits.
std::optional<int> ParseDigits(std::string_view text, std::size_t count) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.size() != count || error != std::errc() || stop != end || value < 0) return std::nullopt;
  return value;
}

std::optional<std::int64_t> SecondsOf(int year, int month, int day) {
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok() || year < 1970 || year > 9999) return std::nullopt;
  return std::chrono::seconds(std::chrono::sys_days(date).time_since_epoch()).count();
}

}  // namespace

bool AccountsLine::NeedsAdmin() const {
  switch (verb) {
    case AccountsVerb::kTopUp:
    case AccountsVerb::kAdjust:
    case AccountsVerb::kLedgerVerify:
      return true;
    default:
      return !tenant.empty() || all_tenants || !admin_key_file.empty();
  }
}

AccountsParser::AccountsParser(CLI::App& app) {
  app.add_option("--admin-key-file", line_.admin_key_file,
                 "File with an administrator's key, for what takes one")
      ->type_name("FILE");
  AddOwner(*Add(app, AccountsVerb::kBalance, "balance", "Show what an account has"), false);
  AddForms(*commands_[static_cast<int>(AccountsVerb::kBalance)], false);
  AddMoney(*Add(app, AccountsVerb::kTopUp, "topup", "Put money into an account (administrators)"));
  CLI::App* adjust = Add(app, AccountsVerb::kAdjust, "adjust",
                         "Correct an account, or pay money back (administrators)");
  AddMoney(*adjust);
  adjust->get_option("--reason")->required();
  adjust->add_flag("--refund", line_.refund, "The money goes back to who paid it");

  CLI::App* ledger = app.add_subcommand("ledger", "Look at the ledger");
  ledger->require_subcommand(1);
  ledger->fallthrough();
  CLI::App* list =
      Add(*ledger, AccountsVerb::kLedgerList, "list", "List its entries, the newest first");
  AddOwner(*list, true);
  AddRange(*list);
  AddForms(*list, true);
  list->add_option("--kind", kind_, "Only entries of this kind")
      ->check(CLI::IsMember(std::vector<std::string>(kKinds.begin() + 1, kKinds.end())))
      ->type_name("KIND");
  list->add_option("--limit", line_.limit, "Most entries; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->type_name("N");
  AddForms(*Add(*ledger, AccountsVerb::kLedgerVerify, "verify",
                "Check it against itself (administrators); exit code 1: something is wrong"),
           false);

  AddUsage(app);

  CLI::App* statement = Add(app, AccountsVerb::kStatement, "statement",
                            "Write the statement of an account for a month, as CSV");
  AddOwner(*statement, false);
  statement->add_option("--month", line_.month, "Which: 2024-06, in UTC")
      ->required()
      ->type_name("MONTH");
  statement->add_flag("--html", html_, "As a page to read and print, instead of CSV");
}

void AccountsParser::AddUsage(CLI::App& app) {
  CLI::App* usage = Add(app, AccountsVerb::kUsage, "usage",
                        "Show what calls used and cost, by day, key, model and label");
  AddOwner(*usage, true);
  AddRange(*usage);
  AddForms(*usage, true);
  usage
      ->add_option("--by", by_,
                   "What to sum up by, and the order: day, tenant, key, model and label, with "
                   "commas between them; default: day,tenant,key,model")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(std::vector<std::string>(kDimensions.begin() + 1, kDimensions.end())))
      ->type_name("LIST");
  usage->add_option("--label", line_.label, "Also by the value of this label of the calls")
      ->type_name("NAME");
  usage->add_option("-m,--model", line_.model, "Only calls that named this model or alias")
      ->type_name("NAME");
  usage->add_option("--key-id", line_.key_id, "Only calls with the key of this public id")
      ->type_name("ID");
  usage
      ->add_option("--with-label", labels_,
                   "Only calls with this label; no value: those without it; repeatable")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
}

CLI::App* AccountsParser::Add(CLI::App& app, AccountsVerb verb, const char* name,
                              const char* help) {
  CLI::App* command = app.add_subcommand(name, help);
  command->fallthrough();
  return commands_[static_cast<int>(verb)] = command;
}

void AccountsParser::AddOwner(CLI::App& command, bool may_be_all) {
  CLI::Option* tenant =
      command
          .add_option("--tenant", line_.tenant, "Of this tenant; it takes an administrator's key")
          ->type_name("NAME");
  if (!may_be_all) return;
  command.add_flag("--all-tenants", line_.all_tenants, "Of all; it takes an administrator's key")
      ->excludes(tenant);
}

void AccountsParser::AddMoney(CLI::App& command) {
  command.add_option("tenant", line_.tenant, "Whose account")->required();
  command.add_option("amount", amount_, "How much, for example 100 or 12.50")->required();
  command
      .add_option("--reference", line_.reference,
                  "Names the payment: what has the same one is done once")
      ->required()
      ->type_name("TEXT");
  command.add_option("--reason", line_.reason, "Why, for people")->type_name("TEXT");
  AddForms(command, false);
}

void AccountsParser::AddRange(CLI::App& command) {
  command.add_option("--from", from_, "From this day on (UTC)")->type_name("DAY");
  command.add_option("--until", until_, "Before this day (UTC)")->type_name("DAY");
}

void AccountsParser::AddForms(CLI::App& command, bool csv) {
  CLI::Option* json = command.add_flag("--json", json_, "Print protobuf JSON");
  if (csv) command.add_flag("--csv", csv_, "Print CSV")->excludes(json);
}

std::optional<AccountsVerb> AccountsParser::Named() const {
  for (std::size_t i = 0; i < std::size(commands_); ++i) {
    if (commands_[i]->parsed()) return static_cast<AccountsVerb>(i);
  }
  return std::nullopt;
}

std::string AccountsParser::FinishUsage() {
  bool has_label = false;
  for (const std::string& name : by_) {
    const auto* found = std::find(kDimensions.begin(), kDimensions.end(), name);
    const auto dimension = static_cast<v1::UsageDimension>(found - kDimensions.begin());
    if (std::find(line_.by.begin(), line_.by.end(), dimension) != line_.by.end()) {
      return "--by: '" + name + "' is there twice";
    }
    has_label = has_label || dimension == v1::USAGE_DIMENSION_LABEL;
    line_.by.push_back(dimension);
  }
  if (has_label && line_.label.empty()) return "--by: 'label' takes --label with its name";
  return ParseLabels("--with-label", labels_, &line_.labels);
}

std::string AccountsParser::FinishForm() {
  if (csv_) line_.form = OutputForm::kCsv;
  if (json_) line_.form = OutputForm::kJson;
  if (line_.verb != AccountsVerb::kStatement) return "";
  line_.form = html_ ? OutputForm::kHtml : OutputForm::kCsv;
  const auto month = ParseMonth(line_.month);
  if (!month) return "--month: '" + line_.month + "' is no month; write for example 2024-06";
  line_.range = *month;
  return "";
}

std::string AccountsParser::Finish(AccountsLine* line) {
  line_.verb = Named().value_or(AccountsVerb::kBalance);
  if (line_.verb == AccountsVerb::kTopUp || line_.verb == AccountsVerb::kAdjust) {
    const auto nano = ParseUnits(amount_, kNanoDigits);
    if (!nano || *nano == 0) {
      return "'" + amount_ + "' is no amount; write for example 100 or 12.50";
    }
    line_.nano = *nano;
  }
  line_.kind = ParseKind(kind_);
  const std::pair<const std::string*, std::int64_t*> days[] = {{&from_, &line_.range.from},
                                                               {&until_, &line_.range.until}};
  for (const auto& [text, seconds] : days) {
    if (text->empty()) continue;
    const auto day = ParseDay(*text);
    if (!day) return "'" + *text + "' is no day; write for example 2024-06-27";
    *seconds = *day;
  }
  if (std::string wrong = FinishUsage(); !wrong.empty()) return wrong;
  if (std::string wrong = FinishForm(); !wrong.empty()) return wrong;
  *line = line_;
  return "";
}

std::optional<std::int64_t> ParseDay(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = ParseDigits(text.substr(0, 4), 4);
  const auto month = ParseDigits(text.substr(5, 2), 2);
  const auto day = ParseDigits(text.substr(8), 2);
  if (!year || !month || !day) return std::nullopt;
  return SecondsOf(*year, *month, *day);
}

std::optional<TimeRange> ParseMonth(std::string_view text) {
  const auto from = ParseDay(std::string(text) + "-01");
  if (!from) return std::nullopt;
  const int year = *ParseDigits(text.substr(0, 4), 4);
  const int month = *ParseDigits(text.substr(5, 2), 2);
  const auto until = month == 12 ? SecondsOf(year + 1, 1, 1) : SecondsOf(year, month + 1, 1);
  if (!until) return std::nullopt;
  return TimeRange{*from, *until};
}

std::string_view KindName(v1::TransferKind kind) {
  const auto number = static_cast<std::size_t>(kind);
  return number < kKinds.size() ? kKinds[number] : "";
}

}  // namespace pingti::command
