// Callers of every kind, for a server whose providers are in trouble: unary calls and streams with
// deadlines, some cancelled on the way, some read slowly. Each caller draws its calls from a seed
// of its own, so a run can be had again.
//
// Each call has an id of its own, which is also its `user`: providers and access records name it.
//
// Thread-safety: any thread may wait and ask; one thread drives all calls.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/error.h"
#include "tests/integration/programs.h"

namespace pingti::integration {

struct ChaosCall {
  std::string id;
  bool stream = false;
  bool slow = false;       // read with pauses: the caller itself ends late
  bool cancelled = false;  // by the caller
  Millis deadline = Millis(0);
  int64_t answer_bytes = 0;  // of a whole answer
  Millis took = Millis(0);
  int64_t first_content_ns = 0;  // CLOCK_MONOTONIC; 0: none came
  int starts = 0;                // messages that say who serves
  int after_end = 0;             // messages that came after the last one
  bool finished = false;         // all of the answer is there
  std::string provider;          // that serves, as the server says
  std::string text;
  client::Error error;
};

struct ChaosCrowdOptions {
  std::string model;
  std::string key;
  uint64_t seed = 0;
  int callers = 0;
  std::string name = "c";  // ids begin with it
  bool calm = false;       // short unary calls with time enough, none cancelled
};

class ChaosCrowd {
 public:
  // Connects; Start() begins.
  ChaosCrowd(const Server& server, const ChaosCrowdOptions& options);
  ~ChaosCrowd();  // as Stop()
  ChaosCrowd(const ChaosCrowd&) = delete;
  ChaosCrowd& operator=(const ChaosCrowd&) = delete;

  void Start();
  // Waits until so many calls have ended since the start, or the time is over.
  void WaitForCalls(size_t count, Millis timeout);
  size_t ended() const;
  // Begins no more calls, lets those that run end, and gives the connections back. False: some did
  // not end in time, which is said on standard error.
  [[nodiscard]] bool Stop(Millis timeout = WaitMax());
  // REQUIRES: it was stopped.
  const std::vector<ChaosCall>& calls() const { return calls_; }

 private:
  class Caller;

  void Run();
  bool IsStopping() const;

  std::vector<std::unique_ptr<Caller>> callers_;
  std::unique_ptr<grpc::CompletionQueue> queue_;
  std::thread thread_;
  mutable std::mutex mu_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool all_ended_ = false;
  std::vector<ChaosCall> calls_;
};

}  // namespace pingti::integration
