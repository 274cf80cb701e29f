// The waiting line under calls of several loops at once: meant for ThreadSanitizer, true for all.
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/task.h"
#include "server/quota/waiting_line.h"

namespace pingti::quota {
namespace {

constexpr int kLoops = 4;
constexpr int kCallsPerLoop = 40;
constexpr int kRounds = 150;

struct Shared {
  explicit Shared(int waiting_max) : line(waiting_max, WaitingLine::Room::kShared) {}

  WaitingLine line;
  std::vector<std::unique_ptr<base::EventLoop>> loops;
  std::atomic<int> holders = 0;
  std::atomic<int> running = kLoops * kCallsPerLoop;
  std::atomic<int64_t> turns = 0;
  std::atomic<int64_t> given_up = 0;
  std::atomic<int64_t> refused = 0;
  std::atomic<int64_t> faults = 0;
};

// Joins kRounds times; waits for its turn and holds it for a while, or gives up.
class Call {
 public:
  Call(Shared* shared, base::EventLoop* loop, unsigned seed)
      : shared_(*shared),
        loop_(*loop),
        random_(seed),
        flow_(1, static_cast<char>('a' + seed % 5)) {}

  base::Task<void> Live() {
    thread_ = std::this_thread::get_id();
    for (int round = 0; round < kRounds; ++round) {
      WaitingLine::Place place;
      base::Signal signal;
      gives_up_ = false;
      if (!shared_.line.Join(&place, flow_, 1 + random_() % 9'000, loop_, signal)) {
        ++shared_.refused;
        Wake(&signal, /*give_up=*/false);
        co_await signal.Wait();
        signal_ = nullptr;
        continue;
      }
      if (random_() % 4 == 0) Wake(&signal, /*give_up=*/true);
      while (!place.has_turn() && !gives_up_) {
        co_await signal.Wait();
        if (std::this_thread::get_id() != thread_) ++shared_.faults;
      }
      if (place.has_turn()) {
        if (shared_.holders.fetch_add(1) != 0) ++shared_.faults;
        if (place.position() != 1) ++shared_.faults;
        if (signal_ == nullptr && random_() % 2 == 0) {
          Wake(&signal, /*give_up=*/false);
          while (signal_ != nullptr) co_await signal.Wait();
          if (!place.has_turn()) ++shared_.faults;
        }
        shared_.holders.fetch_sub(1);
        ++shared_.turns;
      } else {
        ++shared_.given_up;
      }
      signal_ = nullptr;
    }
    if (shared_.running.fetch_sub(1) == 1) {
      for (const auto& loop : shared_.loops) loop->Stop();
    }
  }

 private:
  // A turn of the loop later; forgotten if the round is over by then.
  void Wake(base::Signal* signal, bool give_up) {
    signal_ = signal;
    loop_.PostFunction([this, wake = ++wakes_, give_up] {
      if (signal_ == nullptr || wake != wakes_) return;
      gives_up_ = give_up;
      std::exchange(signal_, nullptr)->Notify();
    });
  }

  Shared& shared_;
  base::EventLoop& loop_;
  std::minstd_rand random_;
  const std::string flow_;
  std::thread::id thread_;
  base::Signal* signal_ = nullptr;  // that is to be woken
  int wakes_ = 0;
  bool gives_up_ = false;
};

void RunAll(Shared* shared) {
  std::vector<std::unique_ptr<Call>> calls;
  for (int l = 0; l < kLoops; ++l) shared->loops.push_back(std::make_unique<base::EventLoop>());
  for (int i = 0; i < kLoops * kCallsPerLoop; ++i) {
    base::EventLoop* loop = shared->loops[i % kLoops].get();
    Call* call = calls.emplace_back(std::make_unique<Call>(shared, loop, i + 1)).get();
    loop->PostFunction([call] { base::Detach(call->Live()); });
  }
  std::vector<std::thread> threads;
  threads.reserve(kLoops);
  for (const auto& loop : shared->loops) threads.emplace_back([&loop] { loop->Run(); });
  for (std::thread& thread : threads) thread.join();
  shared->loops.clear();  // with what was posted last
}

TEST(WaitingLineThreadsTest, NobodyIsLostAndNobodySharesTheTurn) {
  Shared shared(10'000);
  RunAll(&shared);
  EXPECT_EQ(shared.faults, 0);
  EXPECT_EQ(shared.refused, 0);
  EXPECT_EQ(shared.turns + shared.given_up, int64_t{kLoops} * kCallsPerLoop * kRounds);
  EXPECT_GT(shared.turns, 100);
  EXPECT_GT(shared.given_up, 100);
  EXPECT_EQ(shared.line.waiting(), 0);
  EXPECT_EQ(shared.line.tokens_waiting(), 0);
}

TEST(WaitingLineThreadsTest, AFullLineRefusesAndGoesOn) {
  Shared shared(12);
  RunAll(&shared);
  EXPECT_EQ(shared.faults, 0);
  EXPECT_GT(shared.refused, 100);
  EXPECT_EQ(shared.turns + shared.given_up + shared.refused,
            int64_t{kLoops} * kCallsPerLoop * kRounds);
  EXPECT_GT(shared.turns, 100);
  EXPECT_EQ(shared.line.waiting(), 0);
}

}  // namespace
}  // namespace pingti::quota
