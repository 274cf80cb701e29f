#include "server/base/signal.h"

#include <string>

#include "gtest/gtest.h"
#include "server/base/task.h"

namespace pingti::base {
namespace {

// Waits over and over and counts.
Task<> CountWakes(Signal* signal, int times, int* wakes) {
  for (int i = 0; i < times; ++i) {
    co_await signal->Wait();
    ++*wakes;
  }
}

TEST(SignalTest, WakesTheWaiterInsideOfNotify) {
  Signal signal;
  int wakes = 0;
  Detach(CountWakes(&signal, 2, &wakes));
  EXPECT_EQ(wakes, 0);
  signal.Notify();
  EXPECT_EQ(wakes, 1);
  signal.Notify();
  EXPECT_EQ(wakes, 2);
}

TEST(SignalTest, RemembersANotificationThatCameBeforeTheWait) {
  Signal signal;
  signal.Notify();
  int wakes = 0;
  Detach(CountWakes(&signal, 1, &wakes));
  EXPECT_EQ(wakes, 1);
}

TEST(SignalTest, SeveralNotificationsWithoutAWaitAreOne) {
  Signal signal;
  signal.Notify();
  signal.Notify();
  signal.Notify();
  int wakes = 0;
  Detach(CountWakes(&signal, 2, &wakes));
  EXPECT_EQ(wakes, 1);
  signal.Notify();
  EXPECT_EQ(wakes, 2);
}

TEST(SignalTest, WaiterMayNotifyAgainBeforeItWaits) {
  Signal signal;
  int rounds = 0;
  const auto run = [&]() -> Task<> {
    co_await signal.Wait();
    ++rounds;
    signal.Notify();  // nobody waits now: the next wait returns at once
    co_await signal.Wait();
    ++rounds;
  };
  Detach(run());
  signal.Notify();
  EXPECT_EQ(rounds, 2);
}

TEST(SignalDeathTest, HasOneWaiter) {
  Signal signal;
  int wakes = 0;
  Detach(CountWakes(&signal, 1, &wakes));
  EXPECT_DEATH(Detach(CountWakes(&signal, 1, &wakes)), "one waiter");
  signal.Notify();
}

}  // namespace
}  // namespace pingti::base
