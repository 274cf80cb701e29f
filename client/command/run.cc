#include "client/command/run.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "client/client.h"
#include "client/command/accounts.h"
#include "client/command/chat.h"
#include "client/command/command_line.h"
#include "client/command/key_file.h"
#include "client/command/listing.h"
#include "client/command/prices.h"
#include "client/command/session.h"
#include "client/command/tenants.h"
#include "client/command/visible_text.h"

namespace pingti::command {
namespace {

constexpr std::size_t kCaFileBytesMax = std::size_t{4} << 20;

client::Result<std::string> ReadCaFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string pem(kCaFileBytesMax + 1, '\0');
  if (file) file.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  if (!file.is_open() || file.bad()) {
    return client::LocalError(grpc::StatusCode::FAILED_PRECONDITION,
                              "--ca: cannot read " + path + ": " + std::strerror(errno));
  }
  pem.resize(static_cast<std::size_t>(file.gcount()));
  if (pem.size() > kCaFileBytesMax || pem.find("-----BEGIN") == std::string::npos) {
    return client::LocalError(grpc::StatusCode::FAILED_PRECONDITION,
                              "--ca: " + path + " is no PEM file");
  }
  return pem;
}

std::string PathOfKey(const char* name) {
  return KeyFilePath(std::getenv("XDG_CONFIG_HOME"), std::getenv("HOME"), name);
}

// An administrator's. UNAUTHENTICATED: there is none.
client::Result<std::string> FindAdminKey(const std::string& file) {
  if (const char* key = std::getenv("PINGTI_ADMIN_KEY"); file.empty() && key && *key != 0) {
    return std::string(key);
  }
  const std::string path = file.empty() ? PathOfKey(kAdminKeyFile) : file;
  const auto key = ReadKeyFile(path);
  if (!key.ok()) return key.error();
  if (*key) return **key;
  if (!file.empty()) {
    return client::LocalError(grpc::StatusCode::FAILED_PRECONDITION,
                              "--admin-key-file: there is no file " + file);
  }
  return client::LocalError(grpc::StatusCode::UNAUTHENTICATED,
                            "this takes an administrator's key: use --admin-key-file, "
                            "PINGTI_ADMIN_KEY or the file " +
                                path);
}

client::Result<std::string> FindKey(const CommandLine& line) {
  if (line.accounts && line.accounts->NeedsAdmin()) {
    return FindAdminKey(line.accounts->admin_key_file);
  }
  if (line.tenants) return FindAdminKey(line.tenants->admin_key_file);
  if (line.prices && !line.prices->admin_key_file.empty()) {
    return FindAdminKey(line.prices->admin_key_file);
  }
  if (!line.connection.key.empty()) return line.connection.key;
  const auto key = ReadKeyFile(PathOfKey(kKeyFile));
  if (!key.ok()) return key.error();
  // Prices are for administrators as well, who may have no other key.
  if (!*key && line.prices) {
    const auto admin = FindAdminKey("");
    if (admin.ok()) return admin;
  }
  return key->value_or("");
}

client::Result<client::ClientOptions> MakeClientOptions(const CommandLine& line) {
  const ConnectionOptions& connection = line.connection;
  client::ClientOptions options;
  options.target = connection.target;
  options.tls = connection.tls;
  options.default_deadline = connection.deadline;
  options.user_agent = "pingti/" PINGTI_VERSION;
  const auto key = FindKey(line);
  if (!key.ok()) return key.error();
  options.api_key = *key;
  if (!connection.ca_file.empty()) {
    auto pem = ReadCaFile(connection.ca_file);
    if (!pem.ok()) return pem.error();
    options.root_certificates_pem = std::move(*pem);
  }
  return options;
}

ExitCode Dispatch(const Session& session) {
  switch (session.line.verb) {
    case Verb::kChat:
      return RunChat(session);
    case Verb::kModels:
      return RunModels(session);
    case Verb::kQuota:
      return RunQuota(session);
    case Verb::kCount:
      return RunCount(session);
    case Verb::kSavings:
      return RunSavings(session);
    case Verb::kAccounts:
      return RunAccounts(session);
    case Verb::kTenants:
      return RunTenants(session);
    case Verb::kPrices:
      return RunPriceList(session);
  }
  return kExitOther;
}

}  // namespace

ExitCode Run(int argc, const char* const* argv, const Console& console, Interrupts& interrupts) {
  const auto parsed = ParseCommandLine(argc, argv, console.out, console.err);
  if (const auto* code = std::get_if<ExitCode>(&parsed)) return *code;
  const CommandLine& line = std::get<CommandLine>(parsed);
  if (line.prices && line.prices->verb == PricesVerb::kImport) {
    return RunPriceImport(*line.prices, console, interrupts);
  }

  const auto options = MakeClientOptions(line);
  const auto client = options.ok() ? client::Client::Create(*options) : options.error();
  if (!client.ok()) {
    console.Complain(VisibleText(client.error().message, LineBreaks::kShow));
    const bool no_key = client.error().code == grpc::StatusCode::UNAUTHENTICATED;
    return no_key ? kExitNotAllowed : kExitUsage;
  }
  const Session session{line, *client, console, interrupts,
                        CallFacts{line.connection.target, !options->api_key.empty()}};
  return Dispatch(session);
}

}  // namespace pingti::command
