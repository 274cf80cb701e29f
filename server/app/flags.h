// What the command line of pingti-server says.
#pragma once

#include <optional>
#include <string>
#include <variant>

namespace pingti::app {

struct Flags {
  std::string config = "config/pingti.yaml";
  std::optional<std::string> grpc;      // over listen.grpc
  std::optional<std::string> metrics;   // over listen.metrics
  std::optional<std::string> data_dir;  // over billing.data_dir and billing.database
  bool check_config = false;            // check `config`, say what is wrong, and exit
  bool make_key = false;                // print a new API key and its record, and exit
};

// The flags, or the exit code after --help, --version or a wrong flag (which were written to the
// terminal).
std::variant<Flags, int> ParseFlags(int argc, char** argv);

}  // namespace pingti::app
