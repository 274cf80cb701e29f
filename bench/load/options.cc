#include "bench/load/options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace pingti::bench {
namespace {

constexpr double kSecondsMax = 3600;
constexpr int kConnectionsMin = 4;  // a single HTTP/2 connection measures its lock

[[noreturn]] void Refuse(const std::string& message) {
  std::cerr << "bench-load: " << message << "\n";
  std::exit(2);
}

// One key a line.
std::vector<std::string> ReadKeys(const std::string& path) {
  std::vector<std::string> keys;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) keys.push_back(line);
  if (keys.empty()) Refuse("no keys in " + path);
  return keys;
}

// What is parsed further before it becomes an option.
struct Texts {
  std::vector<std::string> headers;
  std::vector<std::string> processes;
  std::string keys_path;
};

void AddFlags(CLI::App& app, Options& options, Texts& texts) {
  auto* http =
      app.add_option("--http", options.http_url, "URL of an OpenAI chat endpoint (http://)");
  auto* grpc = app.add_option("--grpc", options.grpc_target, "host:port of pingti.v1.Completion");
  http->excludes(grpc);
  auto* key = app.add_option("--key", options.key, "API key, sent as authorization: Bearer");
  app.add_option("--keys", texts.keys_path,
                 "file of API keys, one a line; each call draws one at random (gRPC only)")
      ->excludes(key)
      ->excludes(http);
  app.add_option("--header", texts.headers, "more headers, `name: value` (HTTP only)");
  app.add_option("--model", options.model, "model to ask for")->capture_default_str();
  app.add_option("--marker", options.marker, "what the simulated provider shall do")
      ->capture_default_str();
  app.add_option("--prompt-bytes", options.prompt_bytes, "length of the prompt")
      ->check(CLI::Range(128, 16 * 1024 * 1024))
      ->capture_default_str();
  app.add_flag("--stream", options.stream, "streaming calls");
  app.add_option("--connections", options.connections, "connections to the target")
      ->check(CLI::Range(kConnectionsMin, 1024))
      ->capture_default_str();
  auto* in_flight = app.add_option("--in-flight", options.in_flight, "closed loop: calls at once")
                        ->check(CLI::Range(1, kCallsInFlightMax));
  auto* rate = app.add_option("--rate", options.rate, "open loop: calls per second")
                   ->check(CLI::Range(0.01, 1e6));
  in_flight->excludes(rate);
  app.add_option("--ramp", options.ramp_s, "closed loop: seconds over which the first calls start")
      ->check(CLI::Range(0.0, kSecondsMax));
  app.add_option("--warmup", options.warmup_s, "seconds before the window")
      ->check(CLI::Range(0.0, kSecondsMax))
      ->capture_default_str();
  app.add_option("--seconds", options.window_s, "seconds that are measured")
      ->check(CLI::Range(0.1, kSecondsMax))
      ->capture_default_str();
  app.add_option("--drain", options.drain_s, "seconds that running calls get after the window")
      ->check(CLI::Range(0.0, kSecondsMax))
      ->capture_default_str();
  app.add_option("--pid", texts.processes,
                 "sample a process group: name=pid[,pid...]; may be repeated");
}

}  // namespace

int64_t Options::chunks_per_stream() const {
  for (absl::string_view knob : absl::StrSplit(marker, ',')) {
    int64_t chunks = 0;
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(knob, absl::MaxSplits('=', 1));
    if (parts.first == "chunks" && absl::SimpleAtoi(parts.second, &chunks)) return chunks;
  }
  return 0;
}

Options ParseOptions(int argc, char** argv) {
  CLI::App app("Drives a chat endpoint and prints what it measured as one JSON object.");
  Options options;
  Texts texts;
  AddFlags(app, options, texts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  if (options.http_url.empty() == options.grpc_target.empty()) Refuse("give --http or --grpc");
  if ((options.in_flight == 0) == (options.rate == 0)) Refuse("give --in-flight or --rate");
  if (options.stream && options.marker.find("send_time=1") == std::string::npos) {
    Refuse("--stream needs send_time=1 in --marker: chunks are counted by their send times");
  }
  if (!texts.keys_path.empty()) options.keys = ReadKeys(texts.keys_path);
  for (const std::string& header : texts.headers) {
    const size_t colon = header.find(": ");
    if (colon == std::string::npos) Refuse("--header is not `name: value`: " + header);
    options.headers.emplace_back(header.substr(0, colon), header.substr(colon + 2));
  }
  for (const std::string& text : texts.processes) {
    const std::optional<ProcessGroup> group = ParseProcessGroup(text);
    if (!group) Refuse("--pid is not name=pid[,pid...]: " + text);
    options.processes.push_back(*group);
  }
  return options;
}

}  // namespace pingti::bench
