// What the person typed, checked and typed.
//
// Thread-safety: values and a pure function, but for the environment that it reads.
// Errors: ParseCommandLine() writes them itself and returns the exit code.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "client/command/accounts_line.h"
#include "client/command/exit_code.h"
#include "client/command/prices_line.h"
#include "client/command/tenants_line.h"
#include "pingti/v1/content.pb.h"

namespace pingti::command {

enum class Verb { kChat, kModels, kQuota, kCount, kSavings, kAccounts, kTenants, kPrices };

struct ConnectionOptions {
  std::string target = "127.0.0.1:50051";
  std::string key;
  bool tls = false;
  std::string ca_file;
  std::chrono::milliseconds deadline = std::chrono::seconds(120);
};

// What makes up a request; `chat` and `count` share it.
struct RequestOptions {
  std::vector<std::string> words;  // The prompt's; empty: from standard input.
  std::string model = "gpt-4o";
  std::string system;
  std::vector<std::string> images;  // Paths and URLs.
  std::optional<double> temperature;
  std::optional<std::int64_t> max_output_tokens;
  std::vector<std::string> stop;
  std::optional<std::int64_t> seed;
  v1::ReasoningEffort reasoning_effort = v1::REASONING_EFFORT_UNSPECIFIED;
  std::string request_id;
  std::map<std::string, std::string> labels;
};

struct CommandLine {
  Verb verb = Verb::kChat;
  ConnectionOptions connection;
  RequestOptions request;
  bool json = false;
  bool stream = true;
  bool show_reasoning = false;
  std::string quota_model;
  std::optional<AccountsLine> accounts;  // with Verb::kAccounts
  std::optional<TenantsLine> tenants;    // with Verb::kTenants
  std::optional<PricesLine> prices;      // with Verb::kPrices
};

// Reads the arguments and the environment (PINGTI_TARGET, PINGTI_API_KEY, PINGTI_MODEL; flags win).
// An exit code instead: help or version were asked for and written to `out` (0), or the usage was
// wrong and why is written to `err` (2).
std::variant<CommandLine, ExitCode> ParseCommandLine(int argc, const char* const* argv,
                                                     std::ostream& out, std::ostream& err);

// `120s`, `1.5m`, `500ms`, `2h`, or a bare number of seconds. Nothing: it is none of these, or not
// above zero, or above a day.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace pingti::command
