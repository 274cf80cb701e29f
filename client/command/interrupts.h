// Ctrl-C as an event that a program can act on.
//
// A signal handler may do next to nothing, and a call that waits for the server cannot look at a
// flag. So the handler writes one byte into a pipe, and a thread that reads the pipe does the rest:
// it stops the answer that runs (any thread may do that), or, when none runs, makes idle_fd()
// readable for the one who waits for input. A second Ctrl-C while an answer is being stopped calls
// `leave`: something hangs, and the person wants out.
//
// Thread-safety: one Interrupts at a time in a process (checked: a second one is inert); Answer and
// idle_fd() belong to the main thread; what both threads touch is guarded by `mu_`.
// Ownership: restores the former handler of SIGINT when it is destroyed.
#pragma once

#include <signal.h>

#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace pingti::command {

class Interrupts {
 public:
  // `leave` runs on the watching thread and is not expected to return in a program.
  explicit Interrupts(std::function<void()> leave);
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // While it lives, Ctrl-C means "stop this answer". One at a time.
  class Answer {
   public:
    explicit Answer(Interrupts& interrupts);
    ~Answer();
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    std::stop_token token() const { return source_.get_token(); }

   private:
    friend class Interrupts;
    Interrupts& interrupts_;
    std::stop_source source_;
  };

  // Readable (poll it) after a Ctrl-C while no Answer lived, until TakeIdle().
  int idle_fd() const { return idle_pipe_[0]; }

  // Forgets those. True: there was one.
  bool TakeIdle();

 private:
  void Watch();
  void OnInterrupt();

  const std::function<void()> leave_;
  bool installed_ = false;
  struct sigaction former_ = {};
  int idle_pipe_[2] = {-1, -1};
  std::mutex mu_;
  Answer* answer_ = nullptr;  // Guarded by mu_.
  std::thread watcher_;
};

}  // namespace pingti::command
