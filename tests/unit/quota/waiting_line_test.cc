#include "server/quota/waiting_line.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/task.h"

namespace pingti::quota {
namespace {

// Runs what has been posted.
void RunPosted(base::EventLoop& loop) {
  loop.Stop();
  loop.Run();
}

// A call that waits. Counts its notifications.
class Caller {
 public:
  explicit Caller(base::EventLoop& loop, std::string flow = "acme", int64_t tokens = 1'000)
      : loop_(loop), flow_(std::move(flow)), tokens_(tokens) {
    base::Detach(Watch());
  }
  ~Caller() {
    ended_ = true;
    signal_.Notify();
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  bool Join(WaitingLine& line) { return line.Join(&place, flow_, tokens_, loop_, signal_); }

  const std::string& flow() const { return flow_; }
  int64_t tokens() const { return tokens_; }
  int notified() const { return notified_; }

  WaitingLine::Place place;

 private:
  base::Task<void> Watch() {
    while (true) {
      co_await signal_.Wait();
      if (ended_) co_return;
      ++notified_;
    }
  }

  base::EventLoop& loop_;
  const std::string flow_;
  const int64_t tokens_;
  base::Signal signal_;
  int notified_ = 0;
  bool ended_ = false;
};

class WaitingLineTest : public testing::Test {
 protected:
  using Callers = std::deque<std::unique_ptr<Caller>>;

  static Caller& Add(WaitingLine& line, Callers* callers, base::EventLoop& loop,
                     const std::string& flow, int64_t tokens) {
    callers->push_back(std::make_unique<Caller>(loop, flow, tokens));
    EXPECT_TRUE(callers->back()->Join(line));
    return *callers->back();
  }

  // The one that has the turn; fails unless there is exactly one.
  static size_t Holder(const Callers& callers) {
    std::optional<size_t> holder;
    for (size_t i = 0; i < callers.size(); ++i) {
      if (!callers[i]->place.has_turn()) continue;
      EXPECT_FALSE(holder.has_value()) << "two have the turn";
      holder = i;
    }
    EXPECT_TRUE(holder.has_value()) << "nobody has the turn";
    return holder.value_or(0);
  }

  // Serves the holder to its end and takes it out.
  static std::unique_ptr<Caller> ServeOne(WaitingLine& line, Callers* callers) {
    const size_t holder = Holder(*callers);
    std::unique_ptr<Caller> served = std::move((*callers)[holder]);
    callers->erase(callers->begin() + static_cast<std::ptrdiff_t>(holder));
    line.Leave(&served->place);
    return served;
  }

  base::EventLoop loop_;
};

TEST_F(WaitingLineTest, TheFirstHasTheTurnAtOnce) {
  WaitingLine line(10);
  Caller first(loop_);
  EXPECT_FALSE(first.place.has_turn());
  EXPECT_EQ(first.place.position(), 0);
  ASSERT_TRUE(first.Join(line));
  EXPECT_TRUE(first.place.has_turn());
  EXPECT_EQ(first.place.position(), 1);
  EXPECT_EQ(first.place.tokens_ahead(), 0);
  EXPECT_EQ(line.waiting(), 1);
  EXPECT_EQ(line.tokens_waiting(), 1'000);
  RunPosted(loop_);
  EXPECT_EQ(first.notified(), 0);
}

TEST_F(WaitingLineTest, ServesAFlowInItsOrder) {
  WaitingLine line(100);
  Callers callers;
  std::vector<const Caller*> order;
  for (int i = 0; i < 50; ++i) {
    Caller& caller = Add(line, &callers, loop_, "acme", 1 + i * 7'919 % 9'000);
    EXPECT_EQ(caller.place.position(), i + 1);
    order.push_back(&caller);
  }
  for (const Caller* expected : order) {
    const auto served = ServeOne(line, &callers);
    ASSERT_EQ(served.get(), expected);
  }
  EXPECT_EQ(line.waiting(), 0);
  EXPECT_EQ(line.tokens_waiting(), 0);
}

TEST_F(WaitingLineTest, NotifiesTheNextOnItsLoopOnce) {
  WaitingLine line(10);
  Caller first(loop_);
  Caller second(loop_);
  Caller third(loop_);
  for (Caller* caller : {&first, &second, &third}) ASSERT_TRUE(caller->Join(line));
  line.Leave(&first.place);
  EXPECT_TRUE(second.place.has_turn());
  EXPECT_EQ(second.notified(), 0);  // not inside Leave()
  RunPosted(loop_);
  EXPECT_EQ(first.notified(), 0);
  EXPECT_EQ(second.notified(), 1);
  EXPECT_EQ(third.notified(), 0);
  EXPECT_FALSE(third.place.has_turn());
  EXPECT_EQ(third.place.position(), 2);
}

TEST_F(WaitingLineTest, WhoGivesUpIsPassedOver) {
  WaitingLine line(10);
  Caller first(loop_);
  Caller second(loop_);
  Caller third(loop_, "duck");
  Caller fourth(loop_, "duck");
  for (Caller* caller : {&first, &second, &third, &fourth}) ASSERT_TRUE(caller->Join(line));
  line.Leave(&second.place);
  line.Leave(&third.place);
  EXPECT_EQ(fourth.place.position(), 2);
  EXPECT_EQ(fourth.place.tokens_ahead(), 1'000);
  line.Leave(&first.place);
  EXPECT_TRUE(fourth.place.has_turn());
  RunPosted(loop_);
  EXPECT_EQ(second.notified(), 0);
  EXPECT_EQ(third.notified(), 0);
  EXPECT_EQ(fourth.notified(), 1);
}

TEST_F(WaitingLineTest, AHolderThatEndsBeforeItIsNotifiedPassesTheTurnOn) {
  WaitingLine line(10);
  Caller first(loop_);
  auto second = std::make_unique<Caller>(loop_);
  Caller third(loop_);
  for (Caller* caller : {&first, second.get(), &third}) ASSERT_TRUE(caller->Join(line));
  line.Leave(&first.place);
  second.reset();  // its notification is still under way
  EXPECT_TRUE(third.place.has_turn());
  RunPosted(loop_);
  EXPECT_EQ(third.notified(), 1);
}

// What a call does that only wanted its turn: leaves inside its notification.
TEST_F(WaitingLineTest, AHolderMayLeaveInsideItsNotification) {
  WaitingLine line(10);
  auto wait = [](WaitingLine& line, base::EventLoop& loop, int* turns) -> base::Task<void> {
    WaitingLine::Place place;
    base::Signal signal;
    EXPECT_TRUE(line.Join(&place, "acme", 1, loop, signal));
    while (!place.has_turn()) co_await signal.Wait();
    ++*turns;
  };
  Caller first(loop_);
  ASSERT_TRUE(first.Join(line));
  int turns = 0;
  for (int i = 0; i < 5; ++i) base::Detach(wait(line, loop_, &turns));
  EXPECT_EQ(turns, 0);
  line.Leave(&first.place);
  for (int i = 0; i < 5; ++i) RunPosted(loop_);
  EXPECT_EQ(turns, 5);
  EXPECT_EQ(line.waiting(), 0);
}

TEST_F(WaitingLineTest, APlaceCanJoinAgain) {
  WaitingLine line(10);
  Caller first(loop_);
  Caller second(loop_);
  ASSERT_TRUE(first.Join(line));
  ASSERT_TRUE(second.Join(line));
  line.Leave(&first.place);
  line.Leave(&first.place);  // nothing
  ASSERT_TRUE(first.Join(line));
  EXPECT_TRUE(second.place.has_turn());
  EXPECT_EQ(first.place.position(), 2);
  line.Leave(&second.place);
  EXPECT_TRUE(first.place.has_turn());
}

TEST_F(WaitingLineTest, HasRoomForSoMany) {
  WaitingLine closed(0);
  Caller nobody(loop_);
  EXPECT_FALSE(nobody.Join(closed));
  EXPECT_FALSE(nobody.place.in_line());

  WaitingLine line(3);
  Callers callers;
  for (int i = 0; i < 3; ++i) Add(line, &callers, loop_, "acme", 1);
  Caller late(loop_);
  EXPECT_FALSE(late.Join(line));
  EXPECT_EQ(line.waiting(), 3);
  ServeOne(line, &callers);
  EXPECT_TRUE(late.Join(line));
}

TEST_F(WaitingLineTest, AFloodLeavesRoomForOthers) {
  WaitingLine line(100, WaitingLine::Room::kShared);
  Callers callers;
  const auto join_all = [&](const std::string& flow) {
    int joined = 0;
    for (int i = 0; i < 1'000; ++i) {
      auto caller = std::make_unique<Caller>(loop_, flow);
      if (!caller->Join(line)) continue;
      ++joined;
      callers.push_back(std::move(caller));
    }
    return joined;
  };
  EXPECT_EQ(join_all("flood"), 51);  // one with the turn, and half of the rest
  EXPECT_EQ(join_all("second"), 25);
  EXPECT_EQ(join_all("third"), 12);
  for (int i = 0; i < 12; ++i) {
    Caller& quiet = Add(line, &callers, loop_, "quiet" + std::to_string(i), 1);
    EXPECT_TRUE(quiet.place.in_line());
  }
  EXPECT_EQ(line.waiting(), 100);
}

// One provider key that serves so many tokens at a time; `now` counts tokens.
struct Service {
  int64_t now = 0;
  std::map<std::string, int64_t> tokens;  // by flow

  void Serve(const Caller& caller) {
    now += caller.tokens();
    tokens[caller.flow()] += caller.tokens();
  }
};

// A tenant keeps `flood` calls of 1,000 tokens waiting. Another sends one call of 2,000 after the
// other. First in, first out would make each of those wait for 300,000 tokens.
TEST_F(WaitingLineTest, AFloodMakesNobodyElseWaitPastItsShare) {
  for (const int floods : {1, 5}) {
    WaitingLine line(5'000, WaitingLine::Room::kShared);
    Callers callers;
    Service service;
    for (int i = 0; i < 300; ++i) {
      for (int f = 0; f < floods; ++f) {
        Add(line, &callers, loop_, "flood" + std::to_string(f), 1'000);
      }
    }
    int64_t worst = 0;
    int64_t sum = 0;
    constexpr int kQuietCalls = 100;
    for (int i = 0; i < kQuietCalls; ++i) {
      const int64_t joined = service.now;
      const Caller& quiet = Add(line, &callers, loop_, "quiet", 2'000);
      const int64_t promised = quiet.place.tokens_ahead();
      while (!quiet.place.has_turn()) {
        const auto served = ServeOne(line, &callers);
        service.Serve(*served);
        Add(line, &callers, loop_, served->flow(), 1'000);  // the flood goes on
      }
      const int64_t wait = service.now - joined;
      EXPECT_EQ(wait, promised);
      worst = std::max(worst, wait);
      sum += wait;
      service.Serve(*ServeOne(line, &callers));
      // It thinks for a while.
      for (int k = 0; k < i % 7; ++k) {
        const auto served = ServeOne(line, &callers);
        service.Serve(*served);
        Add(line, &callers, loop_, served->flow(), 1'000);
      }
    }
    // The one that has the turn, and one visit to each flood.
    EXPECT_LE(worst, 1'000 + floods * kQuantumTokens) << floods;
    EXPECT_GT(sum, 0) << floods;
    RecordProperty("worst_wait_tokens_" + std::to_string(floods), static_cast<int>(worst));
    RecordProperty("mean_wait_tokens_" + std::to_string(floods),
                   static_cast<int>(sum / kQuietCalls));
  }
}

TEST_F(WaitingLineTest, SharesByTokensNotByCalls) {
  const std::map<std::string, int64_t> sizes = {
      {"small", 200}, {"middle", 3'000}, {"large", 30'000}};
  WaitingLine line(1'000, WaitingLine::Room::kShared);
  Callers callers;
  Service service;
  Add(line, &callers, loop_, "first", 1);  // has the turn while the others come
  for (const auto& [flow, tokens] : sizes) {
    for (int i = 0; i < 30; ++i) Add(line, &callers, loop_, flow, tokens);
  }
  ServeOne(line, &callers);
  int64_t apart = 0;
  while (service.now < 3'000'000) {
    const auto served = ServeOne(line, &callers);
    service.Serve(*served);
    Add(line, &callers, loop_, served->flow(), served->tokens());
    for (const auto& [flow, tokens] : service.tokens) {
      for (const auto& [other, other_tokens] : service.tokens) {
        apart = std::max(apart, tokens - other_tokens);
      }
    }
  }
  EXPECT_LE(apart, 30'000 + kQuantumTokens);
  for (const auto& [flow, tokens] : service.tokens) {
    EXPECT_NEAR(static_cast<double>(tokens), 1'000'000, 30'000 + kQuantumTokens) << flow;
  }
}

TEST_F(WaitingLineTest, AHugeCallIsServed) {
  WaitingLine line(1'000);
  Callers callers;
  Add(line, &callers, loop_, "first", 1);
  const Caller& huge = Add(line, &callers, loop_, "huge", 2'000'000);
  int64_t others = 0;
  for (int i = 0; i < 600; ++i) Add(line, &callers, loop_, "other", 4'000);
  while (!huge.place.has_turn()) others += ServeOne(line, &callers)->tokens();
  // 500 visits each, and `huge` is before `other` in the ring.
  EXPECT_EQ(others, 1 + 499 * 4'000);
}

// Every place knows its position and the tokens before it exactly, while nobody comes or gives up;
// and so does the question before joining.
TEST_F(WaitingLineTest, PositionsComeTrue) {
  std::mt19937 random(7);
  const auto pick = [&random](int below) { return static_cast<int>(random() % below); };
  for (int round = 0; round < 200; ++round) {
    WaitingLine line(1'000);
    Callers callers;
    const int flows = 1 + pick(6);
    const int tokens_max = 1 + pick(20'000);
    const int actions = 5 + pick(60);
    for (int i = 0; i < actions; ++i) {
      const int action = pick(4);
      if (action > 0 || callers.empty()) {
        const std::string flow(1, static_cast<char>('a' + pick(flows)));
        const int64_t tokens = 1 + pick(tokens_max);
        const WaitingLine::Ahead ahead = line.AheadOfNew(flow, tokens);
        const Caller& caller = Add(line, &callers, loop_, flow, tokens);
        ASSERT_EQ(caller.place.position(), ahead.calls + 1);
        ASSERT_EQ(caller.place.tokens_ahead(), ahead.tokens);
      } else if (pick(3) > 0) {
        ServeOne(line, &callers);
      } else {
        const int gone = pick(static_cast<int>(callers.size()));
        callers.erase(callers.begin() + gone);
      }
    }
    std::map<const Caller*, std::pair<int, int64_t>> promised;
    for (const auto& caller : callers) {
      promised[caller.get()] = {caller->place.position(), caller->place.tokens_ahead()};
    }
    int position = 0;
    int64_t tokens = 0;
    while (!callers.empty()) {
      const auto served = ServeOne(line, &callers);
      const std::pair<int, int64_t> expected{++position, tokens};
      ASSERT_EQ(promised[served.get()], expected) << "round " << round;
      tokens += served->tokens();
    }
    RunPosted(loop_);
  }
}

}  // namespace
}  // namespace pingti::quota
