// What the simulated provider counts and remembers: totals, and its most recent requests.
//
// One Ledger per loop thread; the loop writes, any loop reads for /sim/stats and /sim/requests.
// Thread-safe: counters are relaxed atomics with one writer (and Reset), the ring has a lock that
// is nearly never contended.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/mutex.h"
#include "tests/upstream/reply.h"

namespace pingti::upstream {

// Requests that a loop remembers, and how much of each one's body.
inline constexpr size_t kRecentRequestsMax = 512;
inline constexpr size_t kRecordedBodyBytesMax = 64 * 1024;
inline constexpr size_t kRecordedTextBytesMax = 256;

enum class Ended {
  kInFlight,
  kCompleted,
  kClientClosed,  // the peer closed or reset the connection before the end
  kFault,         // ended as a fault wanted it
};

std::string_view EndedName(Ended ended);

struct RequestRecord {
  uint64_t id = 0;
  std::string key_tail;  // last 4 characters of the API key
  std::string model;
  std::string user;
  std::string fault;
  std::string body;  // raw, the first kRecordedBodyBytesMax bytes
  uint64_t prompt_hash = 0;
  bool stream = false;
  Protocol protocol = Protocol::kHttp1;
  int status = 0;
  Ended ended = Ended::kInFlight;
  int64_t arrival_ns = 0;     // the request was there whole
  int64_t end_ns = 0;         // the last byte was handed to the kernel, or the exchange aborted
  int64_t disconnect_ns = 0;  // the peer's disconnect was noticed; 0: it was not
  int64_t chunks_sent = 0;
};

// How an exchange ended, for Ledger::End.
struct Outcome {
  Ended ended = Ended::kCompleted;
  bool stream = false;
  int64_t now_ns = 0;
  int64_t disconnect_ns = 0;
  int64_t completion_tokens = 0;
};

struct Totals {
  int64_t requests = 0, in_flight = 0, connections_open = 0, connections_accepted = 0;
  int64_t streams_started = 0, streams_finished = 0, streams_aborted = 0;
  int64_t prompt_tokens = 0, completion_tokens = 0, chunks_sent = 0, disconnects = 0;
  std::array<int64_t, 600> by_status = {};
};

class Ledger {
 public:
  using Counter = std::atomic<int64_t>;

  // Returns the ticket with which the exchange is ended.
  uint64_t Begin(RequestRecord record);
  // The same for the fast path, without a temporary record.
  uint64_t BeginCanned(uint64_t id, std::string_view key_tail, std::string_view body, bool stream,
                       Protocol protocol, int64_t now_ns);
  // Counts the exchange's answer: status, and tokens of the prompt.
  void Count(int status, bool stream, int64_t prompt_tokens);
  void CountChunks(int64_t chunks) { Add(chunks_sent_, chunks); }
  void End(uint64_t ticket, int64_t chunks_sent, const Outcome& outcome);

  void ConnectionOpened();
  void ConnectionClosed() { Add(connections_open_, -1); }

  void AddTo(Totals* totals) const;
  void AppendRecent(std::vector<RequestRecord>* records) const;
  // Totals go to zero and the ring is emptied; what is open or in flight stays counted.
  void Reset();

 private:
  static void Add(Counter& counter, int64_t by) {
    counter.fetch_add(by, std::memory_order_relaxed);
  }
  RequestRecord& NextSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Counter requests_ = 0, in_flight_ = 0, connections_open_ = 0, connections_accepted_ = 0;
  Counter streams_started_ = 0, streams_finished_ = 0, streams_aborted_ = 0;
  Counter prompt_tokens_ = 0, completion_tokens_ = 0, chunks_sent_ = 0, disconnects_ = 0;
  std::array<Counter, 600> by_status_ = {};

  mutable base::Mutex mu_;
  std::vector<RequestRecord> ring_ ABSL_GUARDED_BY(mu_);
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 0;   // ticket of the next exchange
  uint64_t first_ ABSL_GUARDED_BY(mu_) = 0;  // oldest ticket since the last Reset
};

}  // namespace pingti::upstream
