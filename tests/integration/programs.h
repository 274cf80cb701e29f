// The two programs of an integration test: the simulated provider and pingti-server, each on ports
// that the kernel picks, and what they say about themselves over HTTP.
//
// Thread-safety: as Process; Metrics and values are plain values. Errors: a program that does not
// start ends the test binary with what it said.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <rapidjson/document.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/client.h"
#include "tests/integration/process.h"

namespace pingti::integration {

// Paths of the programs under test.
std::string ServerBinary();
std::string ClientBinary();
std::string ProviderBinary();

// A GET of a local port: the body. Anything but status 200 ends the test binary.
std::string HttpGet(int port, const std::string& path);

// Binds a socket to a free port of 127.0.0.1, on which nothing listens; `shared`: who asks for the
// port by its number can. The descriptor, which keeps the port from everybody else until it is
// closed.
int BindFreePort(bool shared, int* port);

class Provider {
 public:
  // `port` 0: any free one.
  explicit Provider(std::vector<std::string> arguments = {}, int port = 0);

  std::string base_url() const;
  int port() const { return port_; }
  // That for TLS, where it was started with --tls-ca.
  int TlsPort() const;

  // GET /sim/stats: a number of it.
  int64_t Stat(const char* name) const;
  // GET /sim/requests: what it remembers of its requests, oldest first.
  rapidjson::Document Requests() const;
  // Forgets both.
  void Reset() const;
  // Knobs for every request; `json` is an object of them, and `{}` ends it.
  void SetDefaults(const std::string& json) const;
  // The text with which it answers `prompt`, asked for without Pingti.
  std::string AnswerTo(const std::string& prompt) const;
  // When it noticed that the client of its last request had gone, on the clock of
  // upstream::MonotonicNs(); waits for that. 0: it did not.
  int64_t DisconnectNs() const;

  Process& process() { return *process_; }
  const Process& process() const { return *process_; }

 private:
  std::unique_ptr<Process> process_;
  int port_ = 0;
};

// A scrape.
class Metrics {
 public:
  explicit Metrics(std::string text);
  const std::string& text() const { return text_; }
  // Sum over the samples of `name` whose label text has all of `labels`, such as `code="OK"`. 0
  // where there are none.
  double Sum(std::string_view name, const std::vector<std::string>& labels = {}) const;

 private:
  std::string text_;
  std::vector<std::string_view> lines_;
};

// A new API key and the record of it, made by `pingti-server --make-key`.
struct ApiKey {
  std::string key;
  std::string record;
};
ApiKey MakeApiKey();

class Server {
 public:
  // `config` is the text of the configuration.
  explicit Server(const std::string& config, const Process::Environment& environment = {});

  const std::string& target() const { return target_; }
  int metrics_port() const { return metrics_port_; }
  // The file that it reads on SIGHUP.
  const std::string& config_path() const { return config_path_; }
  client::Client Client(const std::string& key, Millis deadline = WaitMax()) const;
  // A connection of its own with windows that do not grow, for calls without the client library.
  std::shared_ptr<grpc::Channel> Channel(int message_bytes_max = 64 << 20) const;

  Metrics Scrape() const;
  // Its access record of a call, waiting for it.
  rapidjson::Document AccessRecord(const std::string& request_id);

  // SIGTERM, then expects a clean end: exit code 0, nothing said about bugs or by a sanitizer.
  void StopCleanly();

  Process& process() { return *process_; }

 private:
  std::string config_path_;
  std::unique_ptr<Process> process_;
  std::string target_;
  int metrics_port_ = 0;
};

// How `pingti` has ended, run with these arguments against a server; it sees no key but those of
// `environment`.
struct CommandEnd {
  int code = -1;
  std::string output;
  std::string errors;
};
CommandEnd RunCommand(const Server& server, std::vector<std::string> arguments,
                      Process::Environment environment);

// PINGTI_TEST_SEED, or one by chance; printed, so that a run can be had again.
uint64_t TestSeed();

// Writes `text` to a new file of the test's temporary folder; its path.
std::string WriteFile(const std::string& name, const std::string& text);

// Puts `key` and a deadline from now into a context.
void Prepare(grpc::ClientContext* context, const std::string& key, Millis deadline = WaitMax());

// Parses JSON; fails the test where it is none.
rapidjson::Document ParseJson(const std::string& text);

}  // namespace pingti::integration
