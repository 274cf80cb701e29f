// What the person typed of the commands about accounts: balance, topup, adjust, ledger, usage,
// statement.
//
// Thread-safety: values and pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pingti/v1/accounts_service.pb.h"

namespace CLI {
class App;
}

namespace pingti::command {

enum class AccountsVerb {
  kBalance,
  kTopUp,
  kAdjust,
  kLedgerList,
  kLedgerVerify,
  kUsage,
  kStatement
};
enum class OutputForm { kTable, kCsv, kJson, kHtml };

// From `from` to before `until`, in seconds since 1970; 0: without that end.
struct TimeRange {
  std::int64_t from = 0;
  std::int64_t until = 0;
};

struct AccountsLine {
  AccountsVerb verb = AccountsVerb::kBalance;
  std::string admin_key_file;
  std::string tenant;  // empty: the key's own
  bool all_tenants = false;
  std::int64_t nano = 0;
  std::string reference;
  std::string reason;
  bool refund = false;
  v1::TransferKind kind = v1::TRANSFER_KIND_UNSPECIFIED;
  std::int64_t limit = 100;  // 0: all
  TimeRange range;
  std::string month;  // 2024-06
  // Of usage: what to sum up by (empty: the default), the label among it, and only what.
  std::vector<v1::UsageDimension> by;
  std::string label;
  std::string model;
  std::string key_id;
  std::map<std::string, std::string> labels;
  OutputForm form = OutputForm::kTable;

  // Whether it takes the key of an administrator instead of a tenant's.
  bool NeedsAdmin() const;
};

// The commands, and what they say; made before parsing and asked afterwards.
class AccountsParser {
 public:
  // Adds the commands to `app`. Outlives the parsing.
  explicit AccountsParser(CLI::App& app);

  const std::string& admin_key_file() const { return line_.admin_key_file; }
  // Which of the commands was named; nothing: none.
  std::optional<AccountsVerb> Named() const;
  // Checks what was written into the line. Empty, or what is wrong.
  std::string Finish(AccountsLine* line);

 private:
  CLI::App* Add(CLI::App& app, AccountsVerb verb, const char* name, const char* help);
  void AddMoney(CLI::App& command);
  void AddRange(CLI::App& command);
  void AddForms(CLI::App& command, bool csv);
  void AddOwner(CLI::App& command, bool may_be_all);
  void AddUsage(CLI::App& app);
  std::string FinishUsage();
  std::string FinishForm();

  CLI::App* commands_[7] = {};
  AccountsLine line_;
  std::string amount_;
  std::string kind_;
  std::string from_;
  std::string until_;
  std::vector<std::string> by_;
  std::vector<std::string> labels_;
  bool json_ = false;
  bool csv_ = false;
  bool html_ = false;
};

// `2024-06-27`, in seconds since 1970, UTC. Nothing: it is no day from 1970 to 9999.
std::optional<std::int64_t> ParseDay(std::string_view text);

// `2024-06`. Nothing: it is no month.
std::optional<TimeRange> ParseMonth(std::string_view text);

// `top-up` and so on; empty: not known.
std::string_view KindName(v1::TransferKind kind);

}  // namespace pingti::command
