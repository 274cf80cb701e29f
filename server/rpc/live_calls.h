// Counts the calls that were accepted and still exist.
//
// A completion queue must not be shut down while something may still start an operation on it:
// gRPC ends the process then. gRPC's own Shutdown() returns once it has cancelled every call, which
// is before their owners have heard of it.
//
// Thread-safety: all of it.
#pragma once

#include <atomic>
#include <memory>

namespace pingti::rpc {

class LiveCalls {
 public:
  struct Leave {
    void operator()(LiveCalls* calls) const {
      if (calls->count_.fetch_sub(1, std::memory_order_acq_rel) == 1) calls->count_.notify_all();
    }
  };
  // Held by a call from its acceptance to its end.
  using Token = std::unique_ptr<LiveCalls, Leave>;

  Token Enter() {
    count_.fetch_add(1, std::memory_order_relaxed);
    return Token(this);
  }

  // Blocks until no call exists. Calls end by themselves once they were cancelled.
  void WaitForNone() const {
    for (int count = count_.load(std::memory_order_acquire); count != 0;
         count = count_.load(std::memory_order_acquire)) {
      count_.wait(count, std::memory_order_acquire);
    }
  }

 private:
  std::atomic<int> count_{0};
};

}  // namespace pingti::rpc
