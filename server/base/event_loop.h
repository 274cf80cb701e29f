// One thread's event loop: libevent, a queue of work posted by other threads, and timers.
//
// Everything on a loop runs on the thread that called Run(), and nothing there may block. Other
// threads talk to it by Post() and Stop() only.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "absl/time/time.h"

struct event;
struct event_base;

namespace pingti::base {

// Work for a loop. The poster owns it and keeps it alive until Run() is called; one that is posted
// may not be posted again before. Intrusive, so that posting allocates nothing; the queue is
// bounded by the number of LoopTasks.
class LoopTask {
 public:
  virtual ~LoopTask() = default;

 protected:
  // Runs on the loop thread. May delete this.
  virtual void Run() = 0;

 private:
  friend class EventLoop;
  LoopTask* next_ = nullptr;
};

class EventLoop {
 public:
  // `CHECK`s that the system grants an epoll descriptor and an eventfd.
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs until Stop(). Work that is posted before the loop stops is run; later work is not.
  void Run();

  // Any thread. Ends Run() after the work that is already posted.
  void Stop();

  // Any thread. Runs `task` soon, in the order of posting per thread. Wakes the loop by a system
  // call only when its queue was empty.
  void Post(LoopTask* task);

  // Any thread. For seldom work: allocates.
  void PostFunction(std::function<void()> function);

  event_base* base() { return base_; }

 private:
  static void OnWake(int fd, short what, void* self);
  void RunPosted();

  event_base* base_;
  event* wake_event_;
  int wake_fd_;
  std::atomic<LoopTask*> posted_{nullptr};  // newest first
};

// Calls back once, on the loop thread, when its time is over. Belongs to that thread.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> on_expired);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // (Re)starts it. On an idle loop it fires within some milliseconds of its time, before or after:
  // an owner that must not act early looks at its Clock and arms it again.
  void Arm(absl::Duration delay);
  void Cancel();

 private:
  std::function<void()> on_expired_;
  event* event_;
};

}  // namespace pingti::base
