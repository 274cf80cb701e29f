#include "bench/load/measurement.h"

#include <unistd.h>

#include <algorithm>

#include "bench/load/clock.h"
#include "bench/load/workload.h"

namespace pingti::bench {

Measurement::Measurement(const Options& options, int64_t now_ns)
    : options_(options),
      window_ns_(now_ns + SecondsToNs(options.warmup_s)),
      stop_ns_(window_ns_ + SecondsToNs(options.window_s)),
      over_ns_(stop_ns_ + SecondsToNs(options.drain_s)) {
  for (const ProcessGroup& group : options.processes) {
    watched_.push_back({.group = group, .at_start = {}, .at_end = {}});
  }
  watched_.push_back({.group = {.name = "load", .pids = {getpid()}}, .at_start = {}, .at_end = {}});
}

Measurement::Phase Measurement::Advance(int64_t now_ns) {
  if (phase_ == Phase::kWarmup && now_ns >= window_ns_) {
    phase_ = Phase::kWindow;
    Sample(&Watched::at_start);
    window_opened_ns_ = NowNs();
  }
  if (phase_ == Phase::kWindow && now_ns >= stop_ns_) {
    phase_ = Phase::kDrain;
    Sample(&Watched::at_end);
    window_closed_ns_ = NowNs();
    in_flight_at_close_ = in_flight_;
  }
  if (phase_ == Phase::kDrain && now_ns >= over_ns_) phase_ = Phase::kOver;
  return phase_;
}

void Measurement::Sample(std::optional<ProcessSample> Watched::* when) {
  for (Watched& watched : watched_) watched.*when = SampleGroup(watched.group);
}

bool Measurement::Counts(const CallRecord& call) const {
  if (!options_.open_loop()) return phase_ == Phase::kWindow;
  return call.scheduled_ns >= window_ns_ && call.scheduled_ns < stop_ns_;
}

void Measurement::TextArrived(CallRecord& call, std::string_view text, int64_t now_ns) {
  const bool in_window = phase_ == Phase::kWindow;
  const int64_t found = ScanSendTimes(text, [&](int64_t send_ns) {
    if (in_window) chunk_delay_.Record(now_ns - send_ns);
  });
  if (found == 0) return;
  if (call.chunks == 0 && Counts(call)) first_token_.Record(now_ns - call.scheduled_ns);
  call.chunks += found;
  if (!in_window) return;
  chunks_ += found;
  ++messages_;
}

void Measurement::CallEnded(const CallRecord& call, std::string_view error, int64_t now_ns) {
  if (!error.empty()) {
    if (!Counts(call)) {
      ++errors_outside_window_;
      return;
    }
    auto it = errors_.find(error);
    if (it == errors_.end()) it = errors_.emplace(std::string(error), 0).first;
    ++it->second;
    return;
  }
  if (Counts(call)) {
    ++completed_;
    latency_.Record(now_ns - call.scheduled_ns);
  }
  if (!options_.stream) return;
  ++streams_complete_;
  const int64_t expected = options_.chunks_per_stream();
  if (expected == 0) return;
  chunks_expected_ += expected;
  chunks_lost_ += std::max<int64_t>(0, expected - call.chunks);
  chunks_surplus_ += std::max<int64_t>(0, call.chunks - expected);
}

void Measurement::CallUnfinished(const CallRecord& call) {
  // A closed loop always has calls under way when the window closes; only an open loop owes an
  // answer for each.
  if (!options_.open_loop() || Counts(call)) ++unfinished_;
}

}  // namespace pingti::bench
