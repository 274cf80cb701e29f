#include "server/app/flags.h"

#include <CLI/CLI.hpp>

#include "server/base/strings.h"
#include "server/config/value.h"

namespace pingti::app {
namespace {

// gRPC itself would take a missing port for 443 and one above 65,535 for another one.
std::string CheckAddressFlag(const std::string& text) {
  const std::string problem = config::CheckAddress(text);
  return problem.empty() ? "" : base::StrCat("\"", text, "\" ", problem);
}

}  // namespace

std::variant<Flags, int> ParseFlags(int argc, char** argv) {
  Flags flags;
  std::string checked;
  std::string grpc;
  std::string metrics;
  std::string data_dir;
  CLI::App command("Pingti: one gRPC service in front of the providers that you buy tokens from.");
  command.set_version_flag("--version", PINGTI_VERSION);
  command.add_option("--config", flags.config, "Configuration file")->capture_default_str();
  auto* check =
      command.add_option("--check-config", checked,
                         "Check this configuration file and exit: 0 if it is right, 1 if not");
  auto* grpc_option =
      command.add_option("--grpc", grpc, "Listen for gRPC on host:port, instead of listen.grpc")
          ->check(CheckAddressFlag);
  auto* metrics_option =
      command
          .add_option("--metrics", metrics,
                      "Listen for scrapes on host:port, instead of listen.metrics")
          ->check(CheckAddressFlag);
  auto* data_dir_option =
      command.add_option("--data-dir", data_dir,
                         "Keep the ledger (SQLite) in this folder, which is made where it is not "
                         "there, instead of billing.data_dir or billing.database");
  command.add_flag("--make-key", flags.make_key,
                   "Print a new API key, and the record of it for the configuration, and exit");
  try {
    command.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return command.exit(error);
  }
  if (check->count() > 0) {
    flags.check_config = true;
    flags.config = checked;
  }
  if (grpc_option->count() > 0) flags.grpc = grpc;
  if (metrics_option->count() > 0) flags.metrics = metrics;
  if (data_dir_option->count() > 0) flags.data_dir = data_dir;
  return flags;
}

}  // namespace pingti::app
