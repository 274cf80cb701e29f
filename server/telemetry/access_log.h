// Carries access records from the workers to standard error without ever blocking a loop.
//
// Each worker has a ring of kRingBytes that it alone fills; one writer thread empties all rings
// every kFlushInterval. So a call costs its JSON and a copy: no lock, no system call, no wake-up.
// Where the reader of standard error is too slow, records are dropped and counted
// (pingti_access_records_lost_total), never waited for.
//
// Thread-safety: Write(i, ...) is for worker i's loop thread only. The Registry outlives it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/telemetry/access_record.h"
#include "server/telemetry/byte_ring.h"
#include "server/telemetry/registry.h"

namespace pingti::telemetry {

class AccessLog {
 public:
  static constexpr size_t kRingBytes = 1 << 20;
  static constexpr absl::Duration kFlushInterval = absl::Milliseconds(50);
  // How long the end of the process waits for a reader of standard error that does not read.
  static constexpr absl::Duration kFinalFlushMax = absl::Seconds(2);

  // Writes to the file descriptor `fd`, which it does not close and whose flags it does not change;
  // it must be blocking or non-blocking, a file, a pipe, a socket or a terminal. Starts its thread.
  explicit AccessLog(Registry& registry, int fd = 2);
  // Writes what is still there, at most for kFinalFlushMax. No Write() may come any more.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void Write(int worker, const AccessRecord& record);

 private:
  struct Lane {
    explicit Lane(WorkerStats& worker_stats) : stats(worker_stats) {}
    WorkerStats& stats;
    std::string line;  // reused
    ByteRing ring{kRingBytes};
  };

  void Run();
  // Sleeps for kFlushInterval or until the end; true at the end.
  bool WaitOrStop();
  bool stopping();
  // Empties a ring; while the descriptor takes nothing, until `stop_waiting` says so.
  void Drain(Lane& lane, const std::function<bool()>& stop_waiting);

  Registry& registry_;
  const int fd_;
  std::vector<std::unique_ptr<Lane>> lanes_;

  base::Mutex mu_;
  std::condition_variable wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread writer_;  // last: it uses the others
};

}  // namespace pingti::telemetry
