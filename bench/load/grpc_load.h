// Drives pingti.v1.Completion over several channels: one completion queue, one thread that handles
// the answers.
//
// In an open loop a second thread sleeps until each call's scheduled time and starts it; gRPC's own
// timers are rounded to milliseconds. A call belongs to that thread until it is started and to the
// queue's thread from then on.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/load/measurement.h"
#include "bench/load/options.h"
#include "pingti/v1/completion_service.grpc.pb.h"

namespace pingti::bench {

class GrpcLoad {
 public:
  explicit GrpcLoad(const Options& options);
  ~GrpcLoad();
  GrpcLoad(const GrpcLoad&) = delete;
  GrpcLoad& operator=(const GrpcLoad&) = delete;

  // Runs the whole load and returns its JSON. Where the target cannot be reached: a message in
  // `error`, empty result.
  std::string Run(std::string* error);

 private:
  class Call;
  class UnaryCall;
  class StreamCall;

  bool Connect(std::string* error);
  void HandleAnswers();
  // Waits for one event until `deadline` and handles it.
  void HandleAnswer(gpr_timespec deadline);
  void RunSchedule();  // the body of the open loop's thread
  void StartClosedLoop(int64_t now_ns);
  // Of the thread that starts calls.
  std::unique_ptr<Call> NewCall(int64_t scheduled_ns);
  const std::string& DrawAuthorization();
  // Hands the call over to the completion queue.
  void Start(std::unique_ptr<Call> call);

  const Options& options_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<v1::Completion::Stub>> stubs_;
  v1::GenerateCompletionRequest unary_request_;
  v1::StreamCompletionRequest stream_request_;
  std::vector<std::string> authorizations_;  // one for each key; empty: none is sent
  std::minstd_rand random_;                  // of the thread that starts calls
  std::unique_ptr<Measurement> measurement_;
  int64_t started_ns_ = 0;
  gpr_timespec deadline_{};  // of every call
  bool over_ = false;        // what still runs counts as unfinished
  int64_t now_ns_ = 0;       // when the event that is being handled came
  size_t next_stub_ = 0;     // of the thread that starts calls
  int started_calls_ = 0;    // closed loop: slots of the ramp that have begun
  std::atomic<int> in_flight_{0};
  std::atomic<int64_t> not_sent_{0};
};

}  // namespace pingti::bench
