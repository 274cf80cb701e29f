#include "tests/simulation/virtual_loop.h"

#include <algorithm>
#include <optional>

// What the headers of base/ only name: libevent's own are not linked with.
struct event_base {
  pingti::simulation::VirtualLoop loop;
};

struct event {
  pingti::simulation::VirtualLoop& loop;
  std::optional<pingti::simulation::VirtualLoop::Key> armed;
};

namespace pingti::simulation {

VirtualLoop& VirtualLoop::Of(base::EventLoop& loop) { return loop.base()->loop; }

VirtualLoop::Key VirtualLoop::At(base::Instant when, std::function<void()> action) {
  const Key key{std::max(when, now()), asked_++};
  queue_.emplace(key, std::move(action));
  return key;
}

base::Instant VirtualLoop::TimerDue(absl::Duration delay) {
  constexpr absl::Duration kEarlyMax = absl::Milliseconds(1);
  delay = std::max(delay, absl::ZeroDuration());
  if (lateness_->Chance(10)) return now() + delay + -std::min(kEarlyMax, delay / 4);
  return now() + delay +
         absl::Microseconds(lateness_->Below(absl::ToInt64Microseconds(kTimerLateMax)));
}

bool VirtualLoop::RunNext() {
  const auto next = queue_.begin();
  if (next == queue_.end()) return false;
  const base::Instant when = next->first.first;
  const std::function<void()> action = std::move(next->second);
  queue_.erase(next);
  clock_->Advance(when - now());
  action();
  return true;
}

}  // namespace pingti::simulation

namespace pingti::base {

EventLoop::EventLoop() : base_(new event_base), wake_event_(nullptr), wake_fd_(-1) {}
EventLoop::~EventLoop() { delete base_; }

void EventLoop::Run() {
  while (base_->loop.RunNext()) {
  }
}
void EventLoop::Stop() {}

void EventLoop::Post(LoopTask* task) {
  base_->loop.At(base_->loop.now(), [task] { task->Run(); });
}

void EventLoop::PostFunction(std::function<void()> function) {
  base_->loop.At(base_->loop.now(), std::move(function));
}

Timer::Timer(EventLoop& loop, std::function<void()> on_expired)
    : on_expired_(std::move(on_expired)), event_(new event{loop.base()->loop, {}}) {}

Timer::~Timer() {
  Cancel();
  delete event_;
}

void Timer::Arm(absl::Duration delay) {
  Cancel();
  event_->armed = event_->loop.At(event_->loop.TimerDue(delay), [this] {
    event_->armed.reset();
    on_expired_();
  });
}

void Timer::Cancel() {
  if (event_->armed) event_->loop.Drop(*event_->armed);
  event_->armed.reset();
}

}  // namespace pingti::base
