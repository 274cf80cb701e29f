// Where a call's answer goes: the seam between the life of a call and the edge that it came in by.
//
// An edge implements one per call. Thread-safety: none; called on the worker's loop thread only.
// The order of calls is AddHeader*, then either FinishAnswer, or (SendStarted SendDelta*)?
// FinishStream, or Fail in place of anything that is still to come. Exactly one of FinishAnswer,
// FinishStream and Fail is called, and nothing after it; the sink may then destroy itself and the
// call once the call's coroutine has ended.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/exchange/call_cost.h"
#include "server/model/answer.h"
#include "server/model/failure.h"
#include "server/model/usage.h"
#include "server/providers/dialect.h"

namespace pingti::exchange {

// Same meaning as pingti.v1.ServedBy.
struct ServedBy {
  std::string_view provider;
  std::string_view upstream_model;
  std::string reported_model;
  int attempts = 0;
  std::vector<providers::Adaptation> adaptations;
  std::string upstream_response_id;
};

// Same meaning as pingti.v1.Timings.
struct Timings {
  absl::Duration total;
  absl::Duration first_token = absl::InfiniteDuration();  // infinite: none came
  absl::Duration queued;
  absl::Duration upstream;
};

// What goes with the end of a complete answer.
struct Completed {
  std::string_view request_id;
  std::string_view model;
  model::Usage usage;
  CallCost cost;
  ServedBy served_by;
  Timings timings;
};

class ResponseSink {
 public:
  virtual ~ResponseSink() = default;

  // Initial metadata (gRPC) or a header (HTTP); `name` in lower case.
  virtual void AddHeader(std::string_view name, std::string_view value) = 0;

  virtual void SendStarted(std::string_view request_id, std::string_view model,
                           const ServedBy& served_by) = 0;
  virtual void SendDelta(model::ContentDelta delta) = 0;

  // More content waits for the reader than the configured bound: send no more before the call's
  // Signal was notified and this is false.
  virtual bool full() const = 0;

  virtual void FinishAnswer(Completed completed, model::Answer answer) = 0;
  virtual void FinishStream(Completed completed, std::vector<model::ChoiceEnd> ends) = 0;
  virtual void Fail(const model::CallError& error, std::string_view request_id) = 0;

  // For the access record.
  virtual int64_t chunks_sent() const = 0;
  virtual int64_t bytes_sent() const = 0;
};

}  // namespace pingti::exchange
