// What one run of the load generator does; from the command line.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/load/process_sample.h"

namespace pingti::bench {

struct Options {
  // Exactly one of the two is set.
  std::string http_url;     // http://host:port/path of an OpenAI chat endpoint
  std::string grpc_target;  // host:port of pingti.v1.Completion

  std::string key;                // sent as `authorization: Bearer`; empty: none
  std::vector<std::string> keys;  // instead of `key`: each call draws one at random; gRPC only
  std::vector<std::pair<std::string, std::string>> headers;  // HTTP only
  std::string model = "gpt-4o";
  std::string marker = "canned=1";  // what the simulated provider shall do
  int prompt_bytes = 1024;
  bool stream = false;

  int connections = 4;  // TCP connections (HTTP opens more where calls in flight need them)
  int in_flight = 0;    // closed loop: a new call starts when one ends
  double rate = 0;      // open loop: calls per second, started on schedule
  double ramp_s = 0;    // closed loop: the first calls start spread over this time
  double warmup_s = 0.5;
  double window_s = 3;  // what is measured
  double drain_s = 5;   // calls that still run after the window may end within it

  std::vector<ProcessGroup> processes;  // whose CPU and memory is sampled

  bool open_loop() const { return rate > 0; }
  // Chunks that the marker makes the provider send per stream; 0: the marker does not say.
  int64_t chunks_per_stream() const;
};

// Most calls at once, in either mode; past it an open loop counts a call as not sent.
inline constexpr int kCallsInFlightMax = 16'384;

// Parses the command line. Ends the process with a message on --help (0) and on bad flags (2).
Options ParseOptions(int argc, char** argv);

}  // namespace pingti::bench
