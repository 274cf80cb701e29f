#include "server/base/event_loop.h"

#include <event2/event.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::base {
namespace {

// Notes its number when it runs.
class Note final : public LoopTask {
 public:
  Note(int number, std::vector<int>* seen) : number_(number), seen_(seen) {}

 protected:
  void Run() override { seen_->push_back(number_); }

 private:
  const int number_;
  std::vector<int>* const seen_;
};

TEST(EventLoopTest, RunsPostedWorkOfManyThreadsInTheirOrder) {
  constexpr int kThreads = 8;
  constexpr int kEach = 5'000;
  EventLoop loop;
  std::vector<std::vector<int>> seen(kThreads);
  std::vector<std::unique_ptr<Note>> notes;
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < kEach; ++i) notes.push_back(std::make_unique<Note>(i, &seen[t]));
  }
  std::thread runner([&] { loop.Run(); });
  std::vector<std::thread> posters;
  for (int t = 0; t < kThreads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) loop.Post(notes[t * kEach + i].get());
    });
  }
  for (std::thread& poster : posters) poster.join();
  loop.Stop();
  runner.join();
  for (int t = 0; t < kThreads; ++t) {
    ASSERT_EQ(seen[t].size(), static_cast<size_t>(kEach));
    for (int i = 0; i < kEach; ++i) ASSERT_EQ(seen[t][i], i) << "thread " << t;
  }
}

// Turns of the loop that one wake-up takes: one for each time the eventfd became readable.
int ReadyTurns(EventLoop& loop) {
  int turns = 0;
  while (event_base_loop(loop.base(), EVLOOP_NONBLOCK) == 0 &&
         event_base_get_num_events(loop.base(), EVENT_BASE_COUNT_ACTIVE) > 0) {
    ++turns;
  }
  return turns;
}

// Reads the eventfd's count: how often the loop was woken by a system call.
uint64_t WakeCount(EventLoop& loop) {
  uint64_t count = 0;
  event_base_foreach_event(
      loop.base(),
      [](const event_base*, const event* found, void* out) {
        if (event_get_fd(found) >= 0) {
          [[maybe_unused]] const ssize_t n = read(event_get_fd(found), out, sizeof(uint64_t));
        }
        return 0;
      },
      &count);
  return count;
}

TEST(EventLoopTest, WakesTheLoopOnlyWhenItsQueueWasEmpty) {
  std::vector<int> seen;
  Note first(1, &seen);
  Note second(2, &seen);
  Note third(3, &seen);
  Note fourth(4, &seen);
  EventLoop loop;
  loop.Post(&first);
  loop.Post(&second);
  loop.Post(&third);
  EXPECT_EQ(WakeCount(loop), 1u);
  // The count is read now, so the loop is not woken by these any more; the next post finds them
  // queued and must not wake it either.
  loop.Post(&fourth);
  EXPECT_EQ(WakeCount(loop), 0u);
  EXPECT_EQ(ReadyTurns(loop), 0);
  EXPECT_TRUE(seen.empty());
}

TEST(EventLoopTest, WakesAgainAfterTheQueueWasRun) {
  std::vector<int> seen;
  Note first(1, &seen);
  Note second(2, &seen);
  EventLoop loop;
  loop.Post(&first);
  event_base_loop(loop.base(), EVLOOP_NONBLOCK);
  EXPECT_EQ(seen, std::vector<int>({1}));
  loop.Post(&second);
  EXPECT_EQ(WakeCount(loop), 1u);
}

TEST(EventLoopTest, ATaskMayPostItselfAgain) {
  class Again final : public LoopTask {
   public:
    explicit Again(EventLoop* loop) : loop_(loop) {}
    int runs = 0;

   protected:
    void Run() override {
      if (++runs < 3) loop_->Post(this);
    }

   private:
    EventLoop* const loop_;
  };
  EventLoop loop;
  Again again(&loop);
  loop.Post(&again);
  for (int turn = 0; turn < 5; ++turn) event_base_loop(loop.base(), EVLOOP_NONBLOCK);
  EXPECT_EQ(again.runs, 3);
}

TEST(EventLoopTest, StopRunsWhatWasPostedBefore) {
  EventLoop loop;
  std::vector<int> seen;
  Note before(1, &seen);
  loop.Post(&before);
  loop.PostFunction([&] { seen.push_back(2); });
  loop.Stop();
  loop.Run();
  EXPECT_EQ(seen, std::vector<int>({1, 2}));
}

TEST(EventLoopTest, DestructionRunsWhatIsStillPosted) {
  int runs = 0;
  {
    EventLoop loop;
    loop.PostFunction([&] { ++runs; });
  }
  EXPECT_EQ(runs, 1);
}

TEST(TimerTest, FiresOnce) {
  EventLoop loop;
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  timer.Arm(absl::ZeroDuration());
  event_base_loop(loop.base(), EVLOOP_ONCE);
  EXPECT_EQ(fired, 1);
  event_base_loop(loop.base(), EVLOOP_NONBLOCK);
  EXPECT_EQ(fired, 1);
}

TEST(TimerTest, ArmingAgainMovesIt) {
  EventLoop loop;
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  timer.Arm(absl::ZeroDuration());
  timer.Arm(absl::Hours(1));
  event_base_loop(loop.base(), EVLOOP_NONBLOCK);
  EXPECT_EQ(fired, 0);
  timer.Arm(absl::Milliseconds(1));
  event_base_loop(loop.base(), EVLOOP_ONCE);
  EXPECT_EQ(fired, 1);
}

TEST(TimerTest, ATimeInThePastFiresAtOnce) {
  EventLoop loop;
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  timer.Arm(-absl::Seconds(5));
  event_base_loop(loop.base(), EVLOOP_ONCE);
  EXPECT_EQ(fired, 1);
}

TEST(TimerTest, CancelledOrDestroyedNeverFires) {
  EventLoop loop;
  int fired = 0;
  Timer cancelled(loop, [&] { ++fired; });
  cancelled.Arm(absl::ZeroDuration());
  cancelled.Cancel();
  {
    Timer destroyed(loop, [&] { ++fired; });
    destroyed.Arm(absl::ZeroDuration());
  }
  event_base_loop(loop.base(), EVLOOP_NONBLOCK);
  EXPECT_EQ(fired, 0);
}

TEST(TimerTest, FiresInTheOrderOfTime) {
  EventLoop loop;
  std::vector<int> order;
  Timer late(loop, [&] { order.push_back(2); });
  Timer early(loop, [&] { order.push_back(1); });
  late.Arm(absl::Milliseconds(300));  // libevent's clock is coarse
  early.Arm(absl::Milliseconds(1));
  while (order.size() < 2) event_base_loop(loop.base(), EVLOOP_ONCE);
  EXPECT_EQ(order, std::vector<int>({1, 2}));
}

}  // namespace
}  // namespace pingti::base
