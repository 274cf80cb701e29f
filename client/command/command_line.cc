#include "client/command/command_line.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <utility>

#include "client/command/labels.h"

namespace pingti::command {
namespace {

constexpr char kDescription[] =
    "Talks to a Pingti server: completions by large language models, models, quota, accounts.";

const std::map<std::string, v1::ReasoningEffort> kEfforts = {
    {"minimal", v1::REASONING_EFFORT_MINIMAL},
    {"low", v1::REASONING_EFFORT_LOW},
    {"medium", v1::REASONING_EFFORT_MEDIUM},
    {"high", v1::REASONING_EFFORT_HIGH},
};

// What CLI11 fills and we turn into types afterwards.
struct Raw {
  std::string deadline = "120s";
  std::string effort;
  std::vector<std::string> labels;
  bool no_stream = false;
  std::string wrong;  // of the commands about accounts
};

std::string Footer() {
  return std::string(
             "The API key comes from --key, else PINGTI_API_KEY, else the key file\n"
             "$XDG_CONFIG_HOME/pingti/key or ~/.config/pingti/key, which nobody but its\n"
             "owner may read (mode 0600). Other users of this machine can see --key.\n"
             "What takes an administrator's key finds it in --admin-key-file, else in\n"
             "PINGTI_ADMIN_KEY, else in the file admin-key beside the key file.\n\n") +
         kExitCodeHelp;
}

// An option that may be repeated and takes one value each time, so that it leaves the prompt alone.
void AddRepeated(CLI::App& app, const char* name, std::vector<std::string>& values,
                 const char* type, const char* help) {
  app.add_option(name, values, help)->allow_extra_args(false)->type_name(type);
}

void AddConnection(CLI::App& app, ConnectionOptions& options, Raw& raw) {
  app.add_option("--target", options.target,
                 "Server: host:port, dns:///name:port, https://host[:port] (TLS)")
      ->envname("PINGTI_TARGET")
      ->capture_default_str()
      ->type_name("ADDRESS");
  app.add_option("--key", options.key, "API key")->envname("PINGTI_API_KEY")->type_name("KEY");
  app.add_flag("--tls", options.tls, "Use TLS; https:// targets do so anyway");
  app.add_option("--ca", options.ca_file,
                 "PEM file of the authorities to trust instead of the system's")
      ->type_name("FILE");
  app.add_option("--deadline", raw.deadline, "Give up after this time: 500ms, 30s, 2m")
      ->capture_default_str()
      ->type_name("TIME");
}

void AddRequest(CLI::App& app, RequestOptions& options) {
  app.add_option(
      "prompt", options.words,
      "What to ask; without it standard input is read. After -- it may begin with a dash");
  app.add_option("-m,--model", options.model, "Model or alias, see `pingti models`")
      ->envname("PINGTI_MODEL")
      ->capture_default_str()
      ->type_name("NAME");
  app.add_option("-s,--system", options.system, "Instructions put before the conversation")
      ->type_name("TEXT");
  AddRepeated(app, "--image", options.images, "FILE|URL",
              "Picture for the model (PNG, JPEG, GIF, WebP); repeatable");
  app.add_option("--max-output-tokens", options.max_output_tokens, "Most tokens of the answer")
      ->type_name("N");
}

void AddChat(CLI::App& app, CommandLine& line, Raw& raw) {
  RequestOptions& request = line.request;
  AddRequest(app, request);
  app.add_flag("--json", line.json,
               "Print protobuf JSON: one line per event, with --no-stream one object");
  app.add_flag("--no-stream", raw.no_stream, "Wait for the whole answer");
  app.add_option("--temperature", request.temperature, "0 to 2; higher is more random")
      ->type_name("X");
  AddRepeated(app, "--stop", request.stop, "TEXT", "Text that ends the answer; repeatable");
  app.add_option("--seed", request.seed, "For answers that can be repeated, where possible")
      ->type_name("N");
  app.add_flag("--reasoning", line.show_reasoning,
               "Also show what the model thinks, on standard error");
  app.add_option("--reasoning-effort", raw.effort, "How much it thinks")
      ->check(CLI::IsMember(std::vector<std::string>{"minimal", "low", "medium", "high"}))
      ->type_name("LEVEL");
  app.add_option("--request-id", request.request_id, "Id of this call; one shot only")
      ->type_name("ID");
  AddRepeated(app, "--label", raw.labels, "NAME=VALUE", "Label for usage reports; repeatable");
}

// The commands that ask one question and print one table.
struct Listings {
  CLI::App* models;
  CLI::App* savings;
  CLI::App* quota;
};

Listings AddListings(CLI::App& app, CommandLine& line) {
  Listings made{};
  made.models = app.add_subcommand("models", "List the models that you may name");
  made.models->add_flag("--json", line.json, "Print protobuf JSON");
  made.savings = app.add_subcommand(
      "savings", "Show what the models that serve instead of those you name save");
  made.savings->add_flag("--json", line.json, "Print JSON");
  made.quota = app.add_subcommand("quota", "Show your quota buckets");
  made.quota->add_option("-m,--model", line.quota_model, "Only the buckets of this model")
      ->type_name("NAME");
  made.quota->add_flag("--json", line.json, "Print protobuf JSON");
  return made;
}

// What is wrong with the raw values, or nothing.
std::string Convert(const Raw& raw, CommandLine& line) {
  if (!raw.wrong.empty()) return raw.wrong;
  const auto deadline = ParseDuration(raw.deadline);
  if (!deadline) {
    return "--deadline: '" + raw.deadline + "' is no time; write 500ms, 30s, 2m or 1h, at most 24h";
  }
  line.connection.deadline = *deadline;
  line.stream = !raw.no_stream;
  if (!raw.effort.empty()) line.request.reasoning_effort = kEfforts.at(raw.effort);
  return ParseLabels("--label", raw.labels, &line.request.labels);
}

}  // namespace

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  constexpr double kMsMax = 24.0 * 3600 * 1000;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  double ms_per_unit = 0;
  if (unit == "ms") ms_per_unit = 1;
  if (unit == "s" || unit.empty()) ms_per_unit = 1000;
  if (unit == "m") ms_per_unit = 60'000;
  if (unit == "h") ms_per_unit = 3'600'000;
  const double ms = std::ceil(value * ms_per_unit);
  // Written so that NaN fails, too.
  if (!(ms >= 1 && ms <= kMsMax)) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(ms));
}

std::variant<CommandLine, ExitCode> ParseCommandLine(int argc, const char* const* argv,
                                                     std::ostream& out, std::ostream& err) {
  CommandLine line;
  Raw raw;
  try {
    CLI::App app(kDescription, "pingti");
    app.require_subcommand(1);
    app.fallthrough();
    app.footer(Footer());
    app.set_version_flag("--version", "pingti " PINGTI_VERSION);
    AddConnection(app, line.connection, raw);

    CLI::App* chat = app.add_subcommand(
        "chat", "Ask once, or converse when started on a terminal without a prompt");
    AddChat(*chat, line, raw);
    const Listings listings = AddListings(app, line);
    CLI::App* count = app.add_subcommand("count", "Estimate the tokens of a request");
    // CLI11 gives the environment's values to every subcommand, also to those that were not named;
    // so each has its own.
    RequestOptions count_request;
    AddRequest(*count, count_request);
    count->add_flag("--json", line.json, "Print protobuf JSON");
    AccountsParser accounts(app);
    TenantsParser tenants(app);
    PricesParser prices(app);

    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() != 0) {
        err << "pingti: " << error.what() << "\nRun `pingti --help`.\n";
        return kExitUsage;
      }
      app.exit(error, out, err);
      return kExitOk;
    }
    if (listings.models->parsed()) line.verb = Verb::kModels;
    if (listings.savings->parsed()) line.verb = Verb::kSavings;
    if (listings.quota->parsed()) line.verb = Verb::kQuota;
    if (accounts.Named()) {
      line.verb = Verb::kAccounts;
      raw.wrong = accounts.Finish(&line.accounts.emplace());
    }
    if (tenants.Named()) {
      line.verb = Verb::kTenants;
      raw.wrong = tenants.Finish(&line.tenants.emplace());
      line.tenants->admin_key_file = accounts.admin_key_file();
    }
    if (prices.Named()) {
      line.verb = Verb::kPrices;
      raw.wrong = prices.Finish(&line.prices.emplace());
      line.prices->admin_key_file = accounts.admin_key_file();
    }
    if (count->parsed()) {
      line.verb = Verb::kCount;
      line.request = std::move(count_request);
    }
  } catch (const CLI::Error& error) {
    err << "pingti: " << error.what() << '\n';
    return kExitOther;
  }
  if (const std::string wrong = Convert(raw, line); !wrong.empty()) {
    err << "pingti: " << wrong << "\nRun `pingti --help`.\n";
    return kExitUsage;
  }
  return line;
}

}  // namespace pingti::command
