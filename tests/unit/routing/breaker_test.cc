#include "server/routing/breaker.h"

#include "gtest/gtest.h"

namespace pingti::routing {
namespace {

const base::Instant kStart = base::Instant::FromNanos(1'000'000'000'000);

class BreakerTest : public ::testing::Test {
 protected:
  void Advance(absl::Duration by) { now_ = now_ + by; }
  // One attempt from begin to end. True: the breaker says that it is open now because of it.
  bool Fail() { return breaker_.OnFailure(breaker_.OnStart(), now_); }
  void Succeed() { breaker_.OnSuccess(breaker_.OnStart(), now_); }
  // Five failures in a row.
  void Open() {
    for (int i = 0; i < 5; ++i) Fail();
    ASSERT_TRUE(breaker_.open());
  }
  // How long it still lets nothing pass.
  absl::Duration closed_for() const { return breaker_.open_until() - now_; }

  Breaker breaker_;
  base::Instant now_ = kStart;
};

TEST_F(BreakerTest, LetsEverythingPassAtFirst) {
  EXPECT_FALSE(breaker_.open());
  EXPECT_TRUE(breaker_.Allows(now_));
  EXPECT_FALSE(breaker_.OnStart());
}

TEST_F(BreakerTest, OpensAtTheFifthFailureInARow) {
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(Fail());
  EXPECT_TRUE(breaker_.Allows(now_));
  EXPECT_TRUE(Fail());
  EXPECT_TRUE(breaker_.open());
  EXPECT_FALSE(breaker_.Allows(now_));
}

TEST_F(BreakerTest, FailuresInARowMayBeFarApart) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(Fail());
    Advance(absl::Hours(1));
  }
  EXPECT_TRUE(Fail());
}

TEST_F(BreakerTest, ASuccessEndsTheRow) {
  for (int i = 0; i < 4; ++i) Fail();
  Succeed();
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(Fail());
  EXPECT_FALSE(breaker_.open());
}

TEST_F(BreakerTest, AResultThatIsNeitherDoesNotEndTheRow) {
  for (int i = 0; i < 4; ++i) Fail();
  breaker_.OnNeither(breaker_.OnStart());
  EXPECT_TRUE(Fail());
}

TEST_F(BreakerTest, OpensWhereHalfOfTwentyFail) {
  for (int i = 0; i < 9; ++i) {
    Succeed();
    EXPECT_FALSE(Fail());
  }
  Succeed();
  EXPECT_TRUE(Fail());
}

TEST_F(BreakerTest, HalfOfNineteenIsTooFew) {
  Fail();
  for (int i = 0; i < 9; ++i) {
    Succeed();
    EXPECT_FALSE(Fail());
  }
  EXPECT_FALSE(breaker_.open());
}

TEST_F(BreakerTest, LessThanHalfIsHealthy) {
  for (int i = 0; i < 1'000; ++i) {
    Succeed();
    Succeed();
    EXPECT_FALSE(Fail());
  }
}

TEST_F(BreakerTest, TheShareIsOfTheLastTenSeconds) {
  for (int i = 0; i < 9; ++i) {
    Fail();
    Succeed();
  }
  Advance(absl::Seconds(10));
  Succeed();
  EXPECT_FALSE(Fail());
}

TEST_F(BreakerTest, OldSuccessesDoNotHideNewFailures) {
  for (int i = 0; i < 1'000; ++i) Succeed();
  Advance(absl::Seconds(10));
  for (int i = 0; i < 9; ++i) {
    Fail();
    Succeed();
  }
  Succeed();
  EXPECT_TRUE(Fail());
}

TEST_F(BreakerTest, IsOpenFor30Seconds) {
  Open();
  EXPECT_EQ(closed_for(), absl::Seconds(30));
  Advance(absl::Seconds(30) - absl::Nanoseconds(1));
  EXPECT_FALSE(breaker_.Allows(now_));
  Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(breaker_.Allows(now_));
}

TEST_F(BreakerTest, OneProbeMayGo) {
  Open();
  Advance(absl::Seconds(30));
  EXPECT_TRUE(breaker_.OnStart());
  EXPECT_TRUE(breaker_.open());
  EXPECT_FALSE(breaker_.Allows(now_));
  Advance(absl::Hours(1));
  EXPECT_FALSE(breaker_.Allows(now_));
}

TEST_F(BreakerTest, AProbeThatSucceedsClosesIt) {
  Open();
  Advance(absl::Seconds(30));
  Succeed();
  EXPECT_FALSE(breaker_.open());
  EXPECT_TRUE(breaker_.Allows(now_));
  EXPECT_FALSE(breaker_.OnStart());
}

TEST_F(BreakerTest, AProbeThatFailsKeepsItOpen) {
  Open();
  Advance(absl::Seconds(30));
  EXPECT_TRUE(Fail());
  EXPECT_FALSE(breaker_.Allows(now_));
  EXPECT_EQ(closed_for(), absl::Seconds(60));
}

TEST_F(BreakerTest, AProbeThatIsNeitherMayBeMadeAgain) {
  Open();
  Advance(absl::Seconds(30));
  breaker_.OnNeither(breaker_.OnStart());
  EXPECT_TRUE(breaker_.open());
  EXPECT_TRUE(breaker_.Allows(now_));
  EXPECT_TRUE(breaker_.OnStart());
}

TEST_F(BreakerTest, EachFailedProbeMakesItLongerUpToTheMaximum) {
  Open();
  for (const int seconds : {30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300}) {
    EXPECT_EQ(closed_for(), absl::Seconds(seconds));
    Advance(absl::Seconds(seconds));
    ASSERT_TRUE(breaker_.Allows(now_));
    Fail();
  }
}

TEST_F(BreakerTest, SoonAfterAProbeItOpensForLonger) {
  Open();
  Advance(absl::Seconds(30));
  Succeed();
  Advance(absl::Seconds(29));
  Open();
  EXPECT_EQ(closed_for(), absl::Seconds(60));
}

TEST_F(BreakerTest, AfterAHealthyTimeTheCountStartsAnew) {
  Open();
  Advance(absl::Seconds(30));
  Fail();
  Advance(absl::Seconds(60));
  Succeed();
  Advance(absl::Seconds(30));
  Open();
  EXPECT_EQ(closed_for(), absl::Seconds(30));
}

TEST_F(BreakerTest, FailuresFromBeforeItOpenedChangeNothing) {
  const bool straggler = breaker_.OnStart();
  Open();
  Advance(absl::Seconds(20));
  EXPECT_FALSE(breaker_.OnFailure(straggler, now_));
  EXPECT_EQ(closed_for(), absl::Seconds(10));
}

TEST_F(BreakerTest, ASuccessFromBeforeItOpenedDoesNotCloseIt) {
  const bool straggler = breaker_.OnStart();
  Open();
  Advance(absl::Seconds(20));
  breaker_.OnSuccess(straggler, now_);
  EXPECT_TRUE(breaker_.open());
  EXPECT_FALSE(breaker_.Allows(now_));
}

TEST_F(BreakerTest, AResultFromBeforeDoesNotEndTheProbe) {
  const bool straggler = breaker_.OnStart();
  Open();
  Advance(absl::Seconds(30));
  EXPECT_TRUE(breaker_.OnStart());
  breaker_.OnNeither(straggler);
  EXPECT_FALSE(breaker_.Allows(now_));
  EXPECT_FALSE(breaker_.OnFailure(straggler, now_));
  EXPECT_FALSE(breaker_.Allows(now_));
}

TEST_F(BreakerTest, TheTroubleBeforeAProbeIsForgotten) {
  breaker_ = Breaker({.open_for = absl::Seconds(1)});
  for (int i = 0; i < 10; ++i) {
    Succeed();
    Fail();
  }
  ASSERT_TRUE(breaker_.open());
  Advance(absl::Seconds(1));
  Succeed();
  EXPECT_FALSE(Fail());
}

TEST_F(BreakerTest, TheNumbersAreOptions) {
  breaker_ = Breaker({.failures_in_a_row = 2,
                      .failure_share = 0.25,
                      .attempts_min = 4,
                      .open_for = absl::Seconds(1),
                      .open_for_max = absl::Milliseconds(1'500)});
  for (int i = 0; i < 3; ++i) Succeed();
  EXPECT_TRUE(Fail());
  EXPECT_EQ(closed_for(), absl::Seconds(1));
  Advance(absl::Seconds(1));
  Fail();
  EXPECT_EQ(closed_for(), absl::Milliseconds(1'500));
  Advance(absl::Seconds(2));
  Succeed();
  EXPECT_FALSE(Fail());
  EXPECT_TRUE(Fail());
}

}  // namespace
}  // namespace pingti::routing
