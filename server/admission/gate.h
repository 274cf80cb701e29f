// The overload gate of one worker: a bound on calls in flight. Belongs to the loop thread.
#pragma once

#include "absl/time/time.h"
#include "server/model/failure.h"

namespace pingti::admission {

class Gate {
 public:
  explicit Gate(int calls_max) : calls_max_(calls_max) {}

  // False: the worker is full, answer with OverloadedError(). True must be followed by one Leave().
  bool Enter() {
    if (calls_ >= calls_max_) return false;
    ++calls_;
    return true;
  }
  void Leave() { --calls_; }
  int calls() const { return calls_; }

 private:
  const int calls_max_;
  int calls_ = 0;
};

inline model::CallError OverloadedError() {
  model::CallError error;
  error.reason = model::ErrorReason::kOverloaded;
  error.message = "the server has too many calls in flight";
  error.retry_delay = absl::Seconds(1);
  return error;
}

}  // namespace pingti::admission
