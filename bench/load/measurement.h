// The phases of a run and everything that is counted in them.
//
// A run is warm-up, window, drain. A closed loop counts what happens within the window; an open
// loop counts the calls that were scheduled within it, however late they end, and measures them
// from their scheduled time: a target that stalls cannot hide the calls that it kept from being
// sent. CPU and memory of the watched processes are read when the window opens and closes.
//
// Thread-safety: none; owned by the thread that handles the answers. `stop_ns` may be read
// anywhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/load/options.h"
#include "bench/load/process_sample.h"

namespace pingti::bench {

// One call, kept by the driver while it runs.
struct CallRecord {
  int64_t scheduled_ns = 0;
  int64_t chunks = 0;
};

class Measurement {
 public:
  enum class Phase { kWarmup, kWindow, kDrain, kOver };

  // The warm-up begins at `now_ns`.
  Measurement(const Options& options, int64_t now_ns);

  // Takes note of the time, and samples the processes where a phase ends.
  Phase Advance(int64_t now_ns);

  // When the window closes and no more calls start.
  int64_t stop_ns() const { return stop_ns_; }

  // A piece of a stream's answer arrived; finds the send times in it.
  void TextArrived(CallRecord& call, std::string_view text, int64_t now_ns);

  // A call ended. `error` is empty for a complete answer, else a short name for what went wrong.
  void CallEnded(const CallRecord& call, std::string_view error, int64_t now_ns);

  // The driver gave up a call at the end of the drain.
  void CallUnfinished(const CallRecord& call);

  // An open loop could not start a call because too many were in flight.
  void CallNotSent(int64_t count) { not_sent_ += count; }

  // The driver tells how many calls run; the last value before the window closes is reported.
  void SetInFlight(int64_t calls) { in_flight_ = calls; }

  // Everything as one JSON object (measurement_json.cc). Durations in ns unless the name says more.
  std::string Json() const;

 private:
  struct Watched {
    ProcessGroup group;
    std::optional<ProcessSample> at_start;
    std::optional<ProcessSample> at_end;
  };

  bool Counts(const CallRecord& call) const;
  void Sample(std::optional<ProcessSample> Watched::* when);

  const Options& options_;
  const int64_t window_ns_;  // when the window shall open
  const int64_t stop_ns_;
  const int64_t over_ns_;

  Phase phase_ = Phase::kWarmup;
  int64_t window_opened_ns_ = 0;
  int64_t window_closed_ns_ = 0;
  std::vector<Watched> watched_;

  Histogram latency_;
  Histogram first_token_;
  Histogram chunk_delay_;
  int64_t completed_ = 0;
  std::map<std::string, int64_t, std::less<>> errors_;
  int64_t errors_outside_window_ = 0;
  int64_t chunks_ = 0;
  int64_t messages_ = 0;
  // Over the whole run: a chunk that was lost in the warm-up is lost as well.
  int64_t streams_complete_ = 0;
  int64_t chunks_expected_ = 0;
  int64_t chunks_lost_ = 0;
  int64_t chunks_surplus_ = 0;
  int64_t unfinished_ = 0;
  int64_t not_sent_ = 0;
  int64_t in_flight_ = 0;
  int64_t in_flight_at_close_ = 0;
};

}  // namespace pingti::bench
