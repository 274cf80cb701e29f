#include "server/exchange/attempt_timers.h"

#include <string>

#include "gtest/gtest.h"

namespace pingti::exchange {
namespace {

const base::Instant kStart = base::Instant::FromNanos(1'000'000'000'000);
base::Instant At(int seconds) { return kStart + absl::Seconds(seconds); }

class AttemptTimersTest : public ::testing::Test {
 protected:
  AttemptTimersTest() {
    timeouts_.first_token = absl::Seconds(10);
    timeouts_.silence = absl::Seconds(20);
    timeouts_.content_gap = absl::Seconds(30);
    timeouts_.total = absl::Seconds(100);
  }
  // The class of the failure at `now`; nothing just before Next().
  static std::string Fate(const AttemptTimers& timers, base::Instant now) {
    const auto failure = timers.Check(now);
    return failure ? std::string(model::FailureClassName(failure->failure_class)) : "";
  }
  // Next() is exactly when Check() begins to say `fate`.
  static void ExpectNext(const AttemptTimers& timers, base::Instant when, const std::string& fate) {
    EXPECT_EQ(timers.Next(), when);
    EXPECT_EQ(Fate(timers, when + -absl::Nanoseconds(1)), "");
    EXPECT_EQ(Fate(timers, when), fate);
  }

  config::Timeouts timeouts_;
};

TEST_F(AttemptTimersTest, FirstTheFirstTokenIsAwaited) {
  AttemptTimers timers(timeouts_, kStart, true);
  ExpectNext(timers, At(10), "first_token_timeout");
  timers.OnBytes(At(9));  // bytes alone are no content
  ExpectNext(timers, At(10), "first_token_timeout");
}

TEST_F(AttemptTimersTest, ThenSilenceAndGapAreWatched) {
  AttemptTimers timers(timeouts_, kStart, true);
  timers.OnBytes(At(5));
  timers.OnContent(At(5));
  ExpectNext(timers, At(25), "stalled");
  timers.OnBytes(At(20));  // a keep-alive
  ExpectNext(timers, At(35), "stalled");
  timers.OnBytes(At(30));
  timers.OnContent(At(30));
  ExpectNext(timers, At(50), "stalled");
}

TEST_F(AttemptTimersTest, TheTotalCountsAlways) {
  AttemptTimers timers(timeouts_, kStart, true);
  timers.OnBytes(At(95));
  timers.OnContent(At(95));
  ExpectNext(timers, At(100), "total_timeout");
}

TEST_F(AttemptTimersTest, TheTotalWinsWhereBothAreOver) {
  AttemptTimers timers(timeouts_, kStart, true);
  EXPECT_EQ(Fate(timers, At(100)), "total_timeout");
}

TEST_F(AttemptTimersTest, AnAnswerInOnePieceHasTheTotalOnly) {
  AttemptTimers timers(timeouts_, kStart, false);
  ExpectNext(timers, At(100), "total_timeout");
}

TEST_F(AttemptTimersTest, WhileHeldOnlyTheTotalCounts) {
  AttemptTimers timers(timeouts_, kStart, true);
  timers.OnBytes(At(5));
  timers.OnContent(At(5));
  timers.Hold();
  ExpectNext(timers, At(100), "total_timeout");
}

TEST_F(AttemptTimersTest, AfterwardsTheyBeginAnew) {
  AttemptTimers timers(timeouts_, kStart, true);
  timers.OnBytes(At(5));
  timers.OnContent(At(5));
  timers.Hold();
  timers.Release(At(60));
  ExpectNext(timers, At(80), "stalled");
}

TEST_F(AttemptTimersTest, ReleasingWhatWasNotHeldChangesNothing) {
  AttemptTimers timers(timeouts_, kStart, true);
  timers.OnBytes(At(5));
  timers.OnContent(At(5));
  timers.Release(At(20));
  ExpectNext(timers, At(25), "stalled");
}

TEST_F(AttemptTimersTest, HugeTimesNeverExpire) {
  timeouts_.total = absl::InfiniteDuration();
  timeouts_.first_token = absl::InfiniteDuration();
  AttemptTimers timers(timeouts_, kStart, true);
  EXPECT_EQ(timers.Next(), base::Instant::InfiniteFuture());
  EXPECT_EQ(Fate(timers, At(1'000'000)), "");
}

}  // namespace
}  // namespace pingti::exchange
