#include "server/base/task.h"

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/signal.h"

// Sanitizers give frames other places, and an unoptimised build makes no tail calls.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PINGTI_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PINGTI_SANITIZED
#endif
#if defined(__OPTIMIZE__) && !defined(PINGTI_SANITIZED)
#define PINGTI_TAIL_CALLS
#endif

namespace pingti::base {
namespace {

Task<int> Give(int value) { co_return value; }

Task<int> AddUp(int a, int b) {
  const int left = co_await Give(a);
  const int right = co_await Give(b);
  co_return left + right;
}

// Runs `task`, which must not suspend, and gives back its value.
template <typename T>
T RunNow(Task<T> task) {
  std::optional<T> result;
  const auto run = [](Task<T> inner, std::optional<T>* out) -> Task<> {
    T value = co_await std::move(inner);
    out->emplace(std::move(value));
  };
  Detach(run(std::move(task), &result));
  EXPECT_TRUE(result.has_value()) << "the task has not ended";
  return *std::move(result);
}

TEST(TaskTest, GivesItsValueThroughNestedTasks) { EXPECT_EQ(RunNow(AddUp(40, 2)), 42); }

TEST(TaskTest, MovesAValueThatCannotBeCopied) {
  const auto make = []() -> Task<std::unique_ptr<std::string>> {
    auto value = std::make_unique<std::string>("moved");
    co_return value;
  };
  EXPECT_EQ(*RunNow(make()), "moved");
}

TEST(TaskTest, KeepsShortStringsOfItsParametersAndValue) {
  const auto echo = [](std::string text) -> Task<std::string> { co_return text; };
  const auto twice = [&](std::string text) -> Task<std::string> {
    std::string first = co_await echo(text);
    std::string second = co_await echo(std::move(text));
    co_return first + second;
  };
  EXPECT_EQ(RunNow(twice("ab")), "abab");
}

TEST(TaskTest, DoesNotRunBeforeItIsAwaited) {
  bool ran = false;
  const auto note = [&]() -> Task<> {
    ran = true;
    co_return;
  };
  Task<> task = note();
  EXPECT_FALSE(ran);
  Detach(std::move(task));
  EXPECT_TRUE(ran);
}

TEST(TaskTest, GoesOnWhereItWaited) {
  Signal signal;
  std::vector<std::string> seen;
  const auto inner = [&]() -> Task<int> {
    seen.push_back("waits");
    co_await signal.Wait();
    seen.push_back("woke");
    co_return 7;
  };
  const auto outer = [&]() -> Task<> {
    const int value = co_await inner();
    seen.push_back("got " + std::to_string(value));
  };
  Detach(outer());
  EXPECT_EQ(seen, std::vector<std::string>({"waits"}));
  signal.Notify();
  EXPECT_EQ(seen, std::vector<std::string>({"waits", "woke", "got 7"}));
}

[[maybe_unused]] uintptr_t StackPosition() {
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

// Asan gives frames other places, and an unoptimised build makes no tail calls.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(PINGTI_TSAN)
TEST(TaskTest, AwaitsAHundredThousandTasksWithoutGrowingTheStack) {
  uintptr_t lowest = UINTPTR_MAX;
  const auto leaf = [&]() -> Task<int> {
    lowest = std::min(lowest, StackPosition());
    co_return 1;
  };
  uintptr_t first = 0;
  int64_t sum = 0;
  const auto loop = [&]() -> Task<> {
    for (int i = 0; i < 100'000; ++i) {
      const int value = co_await leaf();
      if (first == 0) first = lowest;
      sum += value;
    }
  };
  Detach(loop());
  EXPECT_EQ(sum, 100'000);
  EXPECT_LT(first - lowest, 4096u);
}
#endif

TEST(TaskTest, EndsAHundredThousandNestedTasks) {
  // Each awaits the next: the ends of all of them follow one another without a stack frame each.
  struct Nest {
    static Task<int64_t> Deep(int64_t depth) {
      if (depth == 0) co_return 0;
      const int64_t below = co_await Deep(depth - 1);
      co_return below + 1;
    }
  };
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(PINGTI_TSAN)
  constexpr int64_t kDepth = 100'000;
#else
  constexpr int64_t kDepth = 500;  // no tail calls: a stack frame each
#endif
  EXPECT_EQ(RunNow(Nest::Deep(kDepth)), kDepth);
}

// Counts the objects that are alive.
struct Counted {
  explicit Counted(int* alive) : alive_(alive) { ++*alive_; }
  Counted(const Counted& other) : alive_(other.alive_) { ++*alive_; }
  ~Counted() { --*alive_; }
  int* alive_;
};

TEST(TaskTest, DestroysItsFrameWithIt) {
  int alive = 0;
  const auto hold = [](Counted held) -> Task<> {
    const Counted local = held;
    co_return;
  };
  {
    Task<> never_run = hold(Counted(&alive));
    EXPECT_EQ(alive, 1);  // the parameter, in the frame
  }
  EXPECT_EQ(alive, 0);
}

TEST(TaskTest, DestroysASuspendedFrameWithItsOwner) {
  int alive = 0;
  Signal signal;
  const auto hold = [&]() -> Task<> {
    const Counted local(&alive);
    co_await signal.Wait();
  };
  Detach(hold());
  EXPECT_EQ(alive, 1);
  signal.Notify();
  EXPECT_EQ(alive, 0);
}

TEST(TaskTest, DestroysTheFrameOfAnAwaitedTaskAtTheEndOfItsStatement) {
  int alive = 0;
  int alive_after = -1;
  const auto inner = [&]() -> Task<> {
    const Counted local(&alive);
    co_return;
  };
  const auto outer = [&]() -> Task<> {
    co_await inner();
    alive_after = alive;
  };
  Detach(outer());
  EXPECT_EQ(alive_after, 0);
}

TEST(TaskTest, MoveLeavesNothingBehind) {
  int alive = 0;
  const auto hold = [](Counted) -> Task<> { co_return; };
  Task<> from = hold(Counted(&alive));
  Task<> to = std::move(from);
  EXPECT_EQ(alive, 1);
  to = Task<>();
  EXPECT_EQ(alive, 0);
}

TEST(TaskTest, DetachedTaskOwnsItselfUntilItsEnd) {
  int alive = 0;
  Signal signal;
  {
    const auto hold = [](Counted, Signal* wake) -> Task<> {
      co_await wake->Wait();
      co_await wake->Wait();
    };
    Detach(hold(Counted(&alive), &signal));
  }
  EXPECT_EQ(alive, 1);
  signal.Notify();
  EXPECT_EQ(alive, 1);
  signal.Notify();
  EXPECT_EQ(alive, 0);
}

TEST(TaskDeathTest, AnExceptionThatLeavesEndsTheProcess) {
  const auto thrower = []() -> Task<> {
    throw std::string("oops");
    co_return;
  };
  EXPECT_DEATH(Detach(thrower()), "exception left a coroutine");
}

TEST(TaskDeathTest, AwaitingNothingEndsTheProcess) {
  const auto empty = []() -> Task<> {
    Task<> none;
    co_await std::move(none);
  };
  EXPECT_DEATH(Detach(empty()), "awaited once");
}

}  // namespace
}  // namespace pingti::base
