// What a failed attempt means for the caller: one table from failure class to error.
//
// Pure. (What is tried next will stand in the same table when a route has more than one target.)
#pragma once

#include <cstdint>
#include <string>

#include "server/model/failure.h"
#include "server/model/usage.h"

namespace pingti::routing {

struct FailedAttempt {
  model::Failure failure;
  std::string provider;
  int attempts = 1;
  // Content had reached the caller before it failed.
  bool after_content = false;
  model::Usage usage;  // so far
  // What was asked for, and of whom.
  std::string model;             // name in the catalogue
  int64_t context_tokens = 0;    // of the model; 0: unknown
  int64_t requested_tokens = 0;  // estimate of the prompt, and the output that may follow it
};

// The caller's error. Nothing of the provider's own text is in it.
model::CallError ErrorForCaller(const FailedAttempt& attempt);

}  // namespace pingti::routing
