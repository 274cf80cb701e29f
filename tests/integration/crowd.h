// Hundreds of callers at once, on one thread, with gRPC's asynchronous API: each calls, has its
// answer or refusal written down, and calls again. A thread for each would tell more about this
// machine's scheduler than about the servers.
//
// Thread-safety: Add() and Start() by the one who made it; the rest from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/error.h"
#include "tests/integration/programs.h"

namespace pingti::integration {

using TimePoint = std::chrono::steady_clock::time_point;

struct CallerOptions {
  int replica = 0;  // for the reader of the results
  std::string tenant;
  std::shared_ptr<grpc::Channel> channel;
  std::string key;
  v1::CompletionSpec spec;
  Millis pause = Millis(0);    // from an answer or refusal to the next call
  bool until_refused = false;  // its first call that is not answered is its last one
};

// How a call ended.
struct CallResult {
  int replica = 0;
  std::string tenant;
  TimePoint began, ended;
  client::Error error;                 // ok(): it was answered
  std::chrono::nanoseconds queued{0};  // of an answer: what the server says it waited for quota

  bool ok() const { return error.ok(); }
  // What the decision about its quota took, at most.
  std::chrono::microseconds decision_time() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(ok() ? queued : ended - began);
  }
};

class Crowd {
 public:
  using Test = std::function<bool(const CallResult&)>;

  Crowd();
  ~Crowd();  // as Stop()
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  void Add(CallerOptions options);
  // All callers call, before the first answer is looked at.
  void Start();
  // Waits until every caller has ended by itself; false: the time is over.
  bool WaitUntilAllEnded(Millis timeout);
  // Lets the calls in flight end, makes no more, and gives the connections back.
  void Stop();

  // How many calls that have ended are so.
  int Count(const Test& test) const;
  std::vector<CallResult> Results() const;

 private:
  class Caller;

  void Run();

  std::vector<std::unique_ptr<Caller>> callers_;
  std::unique_ptr<grpc::CompletionQueue> queue_;
  std::thread thread_;
  mutable std::mutex mu_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool all_ended_ = false;
  std::vector<CallResult> results_;
};

}  // namespace pingti::integration
