#include "server/telemetry/access_log.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <string_view>

#include "server/base/clock.h"

namespace pingti::telemetry {
namespace {

// A pipe takes this much whole: lines of other writers never end up inside of ours.
constexpr size_t kChunkBytes = 4096;
constexpr int kPollMilliseconds = 50;

enum class WriteResult { kDone, kFailed, kGaveUp };

// Writes `*chunk` and shortens it by what was written; gives up where `fd` takes nothing and
// stop_waiting() says so.
WriteResult WriteAll(int fd, std::string_view* chunk, const std::function<bool()>& stop_waiting) {
  while (!chunk->empty()) {
    // poll() before write(): a descriptor that blocks must not block us for ever.
    pollfd ready{fd, POLLOUT, 0};
    const int polled = poll(&ready, 1, kPollMilliseconds);
    const ssize_t n = polled > 0 ? write(fd, chunk->data(), chunk->size()) : polled;
    if (n > 0) {
      chunk->remove_prefix(static_cast<size_t>(n));
    } else if (polled == 0 || errno == EINTR || errno == EAGAIN) {
      if (stop_waiting()) return WriteResult::kGaveUp;
    } else {
      return WriteResult::kFailed;
    }
  }
  return WriteResult::kDone;
}

}  // namespace

AccessLog::AccessLog(Registry& registry, int fd) : registry_(registry), fd_(fd) {
  for (int i = 0; i < registry.workers(); ++i) {
    lanes_.push_back(std::make_unique<Lane>(registry.worker(i).worker()));
  }
  writer_ = std::thread([this] { Run(); });
}

AccessLog::~AccessLog() {
  {
    base::MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.notify_one();
  writer_.join();
}

void AccessLog::Write(int worker, const AccessRecord& record) {
  Lane& lane = *lanes_[worker];
  lane.line.clear();
  WriteJson(record, &lane.line);
  if (lane.ring.Push(lane.line)) {
    lane.stats.access_records.Add();
  } else {
    lane.stats.access_records_lost.Add();
  }
}

bool AccessLog::WaitOrStop() {
  base::MutexLock lock(mu_);
  std::unique_lock<std::mutex> native(mu_.native(), std::adopt_lock);
  if (!stopping_) wake_.wait_for(native, absl::ToChronoMilliseconds(kFlushInterval));
  native.release();
  return stopping_;
}

bool AccessLog::stopping() {
  base::MutexLock lock(mu_);
  return stopping_;
}

void AccessLog::Run() {
  // Where the reader of a pipe has gone, write() shall fail and not end the process.
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);

  while (!WaitOrStop()) {
    for (const auto& lane : lanes_) Drain(*lane, [this] { return stopping(); });
  }
  const base::Clock& clock = base::SystemClock();
  const base::Instant give_up = clock.MonotonicNow() + kFinalFlushMax;
  for (const auto& lane : lanes_) Drain(*lane, [&] { return clock.MonotonicNow() > give_up; });
}

void AccessLog::Drain(Lane& lane, const std::function<bool()>& stop_waiting) {
  char chunk[kChunkBytes];
  size_t drained = 0;
  // One ring's worth at most, so that a busy worker does not keep the others waiting.
  while (drained < kRingBytes) {
    const size_t peeked = lane.ring.Peek(chunk, sizeof chunk);
    if (peeked == 0) return;
    std::string_view lines(chunk, peeked);
    // Whole lines, unless one is longer than a chunk.
    if (const size_t end = lines.rfind('\n'); end != std::string_view::npos) {
      lines = lines.substr(0, end + 1);
    }
    const size_t size = lines.size();
    const WriteResult result = WriteAll(fd_, &lines, stop_waiting);
    if (result == WriteResult::kGaveUp) {
      lane.ring.Pop(size - lines.size());
      return;
    }
    if (result == WriteResult::kFailed) {
      registry_.process().access_records_unwritten.Add(
          std::count(lines.begin(), lines.end(), '\n'));
    }
    lane.ring.Pop(size);
    drained += size;
  }
}

}  // namespace pingti::telemetry
