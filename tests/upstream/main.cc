// simulated-provider: a test double of an LLM provider with OpenAI's chat API. It never calls a
// model; every answer says that it is simulated.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/upstream/errors.h"
#include "tests/upstream/faults.h"
#include "tests/upstream/server.h"
#include "tests/upstream/tls_front.h"

namespace {

namespace upstream = pingti::upstream;

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "simulated-provider: %s\n", std::string(status.message()).c_str());
  return 1;
}

// Load tests open a connection per stream.
void RaiseFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

int Serve(upstream::ServerOptions options, const std::string& port_file) {
  RaiseFileLimit();
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to whoever has gone
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);  // the loop threads inherit it
  std::string address = options.address;
  upstream::Server server(std::move(options));
  if (absl::Status status = server.Start(); !status.ok()) return Fail(status);
  std::printf("listening on %s:%d\n", address.c_str(), server.port());
  if (server.tls_port() != 0) {
    std::printf("tls listening on %s:%d\n", address.c_str(), server.tls_port());
  }
  std::printf("simulated provider: no model behind it, every answer is made up\n");
  std::fflush(stdout);
  if (!port_file.empty()) {
    std::ofstream file(port_file);
    file << server.port() << "\n";
    if (!file.flush()) return Fail(absl::UnavailableError("cannot write " + port_file));
  }
  int signal = 0;
  sigwait(&stops, &signal);
  server.Stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  upstream::ServerOptions options;
  std::string defaults, port_file;
  CLI::App app{
      "simulated-provider: a simulated LLM provider for tests and load. Speaks OpenAI's chat API "
      "(POST /v1/chat/completions, GET /v1/models, GET /healthz) and misbehaves on request.\n"
      "Control: GET /sim/stats, GET /sim/requests?last=N, POST /sim/reset, POST and DELETE "
      "/sim/defaults."};
  app.add_option("--address", options.address, "IPv4 address to listen on")->capture_default_str();
  app.add_option("--port", options.port, "port; 0: a free one")->check(CLI::Range(0, 65535));
  app.add_option("--threads", options.threads, "event loops")->check(CLI::Range(1, 256));
  app.add_option("--port-file", port_file, "writes the port into this file");
  app.add_option("--api-key", options.api_keys, "accept only these keys (repeatable)");
  app.add_option("--tls-ca", options.tls_ca_file,
                 "serves TLS on another port, too; its authority's certificate is written there");
  app.add_flag("--log-requests", options.log_requests,
               "prints `chat <CLOCK_MONOTONIC ns> <user>` when a chat request has arrived");
  app.add_option("--rpm", options.base.rpm, "requests per minute for each key; 0: no limit");
  app.add_option("--tpm", options.base.tpm, "tokens per minute for each key; 0: no limit");
  app.add_option("--defaults", defaults, "knobs for every request, a JSON object");
  app.footer(upstream::KnobHelp() + upstream::ErrorHelp() + upstream::FaultHelp() +
             upstream::TlsFaultHelp());
  CLI11_PARSE(app, argc, argv);
  if (!defaults.empty()) {
    absl::Status status = upstream::SetKnobsFromJson(defaults, &options.base);
    if (status.ok()) status = upstream::CheckKnobs(options.base);
    if (!status.ok()) return Fail(status);
  }
  return Serve(std::move(options), port_file);
}
