// What has to happen at each fault of an upstream: tables, a row for each fault and the two ways to
// call. tests/upstream/fault_catalogue.txt says which entries of the catalogue are here.
//
// Constant values.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "tests/integration/world.h"

namespace pingti::integration {

// What a call must lead to. An empty cause: the answer is complete.
struct Want {
  const char* cause = "";
  const char* reason = "ANSWER_INCOMPLETE";
  bool content = false;  // a part of the answer reaches the caller of a stream
  grpc::StatusCode code = grpc::StatusCode::UNAVAILABLE;
  v1::FinishReason finish = v1::FINISH_REASON_STOP;  // of a complete answer
  // Of a complete answer. Null: what the provider says without a fault, and nothing where it
  // finishes otherwise than with STOP.
  const char* text = nullptr;
  // Its tool calls, a line `index id name arguments` for each.
  const char* calls = "";
  // When RetryInfo says to come back; below 0: anything. `by_date`: up to two seconds less, since
  // the provider has said it as a date.
  Millis wait = Millis(-1);
  bool by_date = false;
};

struct FaultCase {
  const char* fault;
  Want stream;
  Want unary;
  const char* knobs = "";  // beside the fault
};

// Faults that the simulated provider commits over HTTP/1.1, and over HTTP/2.
std::span<const FaultCase> Http1Faults();
std::vector<FaultCase> Http2Faults();

// A fault of the way to a provider, which has a provider and a model of that name.
struct NetworkFault {
  const char* fault;
  const char* base_url;  // $PORT$, $TLS_PORT$ and $SILENT_PORT$ are filled in
  Want want;
  const char* fields = "";  // more of the provider's configuration; $CA$ is filled in
  bool takes_long = false;  // it is the connect timeout, which is short, that ends it
};

std::span<const NetworkFault> NetworkFaults();

// Whether a table has this fault.
bool HasFault(std::string_view name);

// Whether a table has a fault of this entry of the catalogue: `12b` is one of 12, but not of 1.
bool HasFaultOf(int entry);

}  // namespace pingti::integration
