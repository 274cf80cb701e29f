// What a failed attempt means: for the call, for the target's health, and for the caller. One table
// (failure_table.cc) from failure class to all three; docs/resilience.md shows it.
//
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/model/failure.h"
#include "server/model/usage.h"

namespace pingti::routing {

// What is tried next, as long as nothing of an answer has reached the caller and the call has
// attempts and time left.
enum class Next {
  kGiveUp,      // another attempt would fail the same way
  kNextKey,     // the same target with another of our keys there; where there is none, kNextTarget
  kNextTarget,  // another target only
  kSameTarget,  // another target; where there is none, the same one again after a pause
};
// Word of the access record: `give_up`, `next_key`, `next_target`, `same_target`.
std::string_view NextName(Next next);

// What is not used for a while afterwards.
enum class Bench {
  kNothing,
  kKeyAsAsked,          // the key, for as long as the provider says
  kKey,                 // the key, for routing.refused_key_for
  kProvider,            // all of the provider, for routing.lost_provider_for
  kProviderIfRepeated,  // the same, after kHostUnknownMax failures in a row (health.h)
};

struct Verdict {
  Next next = Next::kGiveUp;
  Bench bench = Bench::kNothing;
  // It is the target's own fault: its breaker is told. "Busy" is none.
  bool counts = false;
};
Verdict VerdictOf(model::FailureClass failure_class);

struct FailedAttempt {
  model::Failure failure;
  std::string provider;
  int attempts = 1;  // of the call, this one included
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
