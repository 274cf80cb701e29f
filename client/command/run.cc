#include "client/command/run.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "client/client.h"
#include "client/command/chat.h"
#include "client/command/command_line.h"
#include "client/command/key_file.h"
#include "client/command/listing.h"
#include "client/command/session.h"
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

client::Result<client::ClientOptions> MakeClientOptions(const ConnectionOptions& connection) {
  client::ClientOptions options;
  options.target = connection.target;
  options.tls = connection.tls;
  options.default_deadline = connection.deadline;
  options.user_agent = "pingti/" PINGTI_VERSION;
  options.api_key = connection.key;
  if (options.api_key.empty()) {
    auto key = ReadKeyFile(KeyFilePath(std::getenv("XDG_CONFIG_HOME"), std::getenv("HOME")));
    if (!key.ok()) return key.error();
    options.api_key = key->value_or("");
  }
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
  }
  return kExitOther;
}

}  // namespace

ExitCode Run(int argc, const char* const* argv, const Console& console, Interrupts& interrupts) {
  const auto parsed = ParseCommandLine(argc, argv, console.out, console.err);
  if (const auto* code = std::get_if<ExitCode>(&parsed)) return *code;
  const CommandLine& line = std::get<CommandLine>(parsed);

  const auto options = MakeClientOptions(line.connection);
  const auto client = options.ok() ? client::Client::Create(*options) : options.error();
  if (!client.ok()) {
    console.Complain(VisibleText(client.error().message, LineBreaks::kShow));
    return kExitUsage;
  }
  const Session session{line, *client, console, interrupts,
                        CallFacts{line.connection.target, !options->api_key.empty()}};
  return Dispatch(session);
}

}  // namespace pingti::command
