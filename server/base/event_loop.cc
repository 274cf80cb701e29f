#include "server/base/event_loop.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "server/base/check.h"

namespace pingti::base {
namespace {

class FunctionTask final : public LoopTask {
 public:
  explicit FunctionTask(std::function<void()> function) : function_(std::move(function)) {}

 protected:
  void Run() override {
    function_();
    delete this;
  }

 private:
  std::function<void()> function_;
};

LoopTask* Reverse(LoopTask* newest, LoopTask* LoopTask::* next) {
  LoopTask* oldest = nullptr;
  while (newest != nullptr) {
    LoopTask* older = newest->*next;
    newest->*next = oldest;
    oldest = newest;
    newest = older;
  }
  return oldest;
}

}  // namespace

EventLoop::EventLoop() {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  PINGTI_CHECK(base_ != nullptr, "no event base: out of descriptors?");
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  PINGTI_CHECK(wake_fd_ >= 0, "no eventfd: out of descriptors?");
  wake_event_ = event_new(base_, wake_fd_, EV_READ | EV_PERSIST, &EventLoop::OnWake, this);
  event_add(wake_event_, nullptr);
}

EventLoop::~EventLoop() {
  RunPosted();
  event_free(wake_event_);
  event_base_free(base_);
  close(wake_fd_);
}

void EventLoop::Run() { event_base_dispatch(base_); }

void EventLoop::Stop() {
  PostFunction([this] { event_base_loopbreak(base_); });
}

void EventLoop::Post(LoopTask* task) {
  LoopTask* newest = posted_.load(std::memory_order_relaxed);
  do {
    task->next_ = newest;
  } while (!posted_.compare_exchange_weak(newest, task, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
  if (newest == nullptr) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
  }
}

void EventLoop::PostFunction(std::function<void()> function) {
  Post(new FunctionTask(std::move(function)));
}

void EventLoop::OnWake(int fd, short /*what*/, void* self) {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(fd, &count, sizeof count);
  static_cast<EventLoop*>(self)->RunPosted();
}

void EventLoop::RunPosted() {
  LoopTask* task = Reverse(posted_.exchange(nullptr, std::memory_order_acq_rel), &LoopTask::next_);
  while (task != nullptr) {
    LoopTask* next = task->next_;  // Run() may delete or post the task again.
    task->Run();
    task = next;
  }
}

Timer::Timer(EventLoop& loop, std::function<void()> on_expired)
    : on_expired_(std::move(on_expired)),
      event_(evtimer_new(
          loop.base(), [](int, short, void* self) { static_cast<Timer*>(self)->on_expired_(); },
          this)) {}

Timer::~Timer() { event_free(event_); }

void Timer::Arm(absl::Duration delay) {
  // libevent's cached time may be some milliseconds old; a timer that fires early is re-armed by
  // its owner.
  const timeval time = absl::ToTimeval(delay < absl::ZeroDuration() ? absl::ZeroDuration() : delay);
  event_add(event_, &time);
}

void Timer::Cancel() { event_del(event_); }

}  // namespace pingti::base
