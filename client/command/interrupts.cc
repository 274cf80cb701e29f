#include "client/command/interrupts.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace pingti::command {
namespace {

constexpr char kInterrupted = 'i';
constexpr char kQuit = 'q';

// The pipe of the handler. It is made once and never closed: a handler that has read its number may
// still be about to write.
struct SignalPipe {
  int fds[2] = {-1, -1};
  SignalPipe() {
    if (::pipe2(fds, O_CLOEXEC) != 0) return;
    // A full pipe must not block a signal handler; one byte in it is as good as many.
    ::fcntl(fds[1], F_SETFL, O_NONBLOCK);
  }
};

const SignalPipe& ThePipe() {
  static const SignalPipe* const pipe = new SignalPipe();
  return *pipe;
}

std::atomic<int> signal_fd{-1};
std::atomic<bool> in_use{false};

static_assert(std::atomic<int>::is_always_lock_free, "the signal handler reads it");

void WriteByte(int fd, char byte) {
  while (::write(fd, &byte, 1) < 0 && errno == EINTR) {
  }
}

extern "C" void OnSigint(int) {
  const int saved = errno;
  const int fd = signal_fd.load(std::memory_order_relaxed);
  if (fd >= 0) WriteByte(fd, kInterrupted);
  errno = saved;
}

}  // namespace

Interrupts::Interrupts(std::function<void()> leave) : leave_(std::move(leave)) {
  if (ThePipe().fds[0] < 0 || in_use.exchange(true)) return;
  if (::pipe2(idle_pipe_, O_CLOEXEC | O_NONBLOCK) != 0) {
    in_use = false;
    return;
  }
  installed_ = true;
  watcher_ = std::thread([this] { Watch(); });
  signal_fd = ThePipe().fds[1];
  struct sigaction action = {};
  action.sa_handler = OnSigint;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &former_);
}

Interrupts::~Interrupts() {
  if (!installed_) return;
  ::sigaction(SIGINT, &former_, nullptr);
  signal_fd = -1;
  // The watcher reads, so a full pipe (of interrupts) empties.
  while (true) {
    const ssize_t count = ::write(ThePipe().fds[1], &kQuit, 1);
    if (count == 1 || (errno != EINTR && errno != EAGAIN)) break;
    std::this_thread::yield();
  }
  watcher_.join();
  ::close(idle_pipe_[0]);
  ::close(idle_pipe_[1]);
  in_use = false;
}

void Interrupts::Watch() {
  while (true) {
    char byte = 0;
    const ssize_t count = ::read(ThePipe().fds[0], &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count != 1 || byte == kQuit) return;
    OnInterrupt();
  }
}

void Interrupts::OnInterrupt() {
  std::stop_source source(std::nostopstate);
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (answer_ == nullptr) {
      WriteByte(idle_pipe_[1], kInterrupted);
      return;
    }
    source = answer_->source_;
  }
  // Outside of the lock: it runs the callbacks of the call.
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): it was assigned to, nothing was moved from it
  if (!source.request_stop()) leave_();
}

bool Interrupts::TakeIdle() {
  bool any = false;
  char bytes[64];
  while (true) {
    const ssize_t count = ::read(idle_pipe_[0], bytes, sizeof(bytes));
    if (count > 0) any = true;
    if (count > 0 || (count < 0 && errno == EINTR)) continue;
    return any;
  }
}

Interrupts::Answer::Answer(Interrupts& interrupts) : interrupts_(interrupts) {
  const std::lock_guard<std::mutex> lock(interrupts_.mu_);
  interrupts_.answer_ = this;
}

Interrupts::Answer::~Answer() {
  const std::lock_guard<std::mutex> lock(interrupts_.mu_);
  interrupts_.answer_ = nullptr;
}

}  // namespace pingti::command
