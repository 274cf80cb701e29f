#include "server/routing/health.h"

#include <memory>
#include <optional>

#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace pingti::routing {
namespace {

using model::FailureClass;

using fakes::kNow;

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() {
    routing_.refused_key_for = absl::Minutes(7);
    routing_.lost_provider_for = absl::Hours(3);
    routing_.rate_limited_for_max = absl::Minutes(5);
  }

  // One attempt from begin to end.
  HealthChange Fail(FailureClass why, std::optional<absl::Duration> retry_after = std::nullopt) {
    model::Failure failure = model::LocalFailure(why, "");
    failure.retry_after = retry_after;
    const bool probe = NoteStart(place_, now_);
    const HealthChange change = NoteFailure(place_, probe, failure, routing_, now_);
    NoteEnd(place_);
    return change;
  }
  HealthChange Succeed(absl::Duration latency = absl::Seconds(1), bool stream = true) {
    const bool probe = NoteStart(place_, now_);
    const HealthChange change = NoteSuccess(place_, probe, stream, latency, now_);
    NoteEnd(place_);
    return change;
  }
  void OpenBreaker() {
    for (int i = 0; i < 5; ++i) Fail(FailureClass::kServerError);
    ASSERT_TRUE(target_.breaker.open());
  }

  config::Routing routing_;
  ProviderHealth provider_;
  KeyHealth key_;
  TargetHealth target_{BreakerOptions{}};
  const Place place_{&provider_, &key_, &target_};
  base::Instant now_ = kNow;
};

TEST(RestTest, IsOverAtFirst) {
  EXPECT_TRUE(Rest().over(base::Instant()));
  EXPECT_TRUE(Rest().over(kNow));
}

TEST(RestTest, IsOverAtItsEnd) {
  Rest rest;
  rest.Prolong(kNow + absl::Seconds(1), FailureClass::kBadKey);
  EXPECT_EQ(rest.cause, FailureClass::kBadKey);
  EXPECT_FALSE(rest.over(kNow));
  EXPECT_TRUE(rest.over(kNow + absl::Seconds(1)));
}

TEST(RestTest, IsNeverShortened) {
  Rest rest;
  rest.Prolong(kNow + absl::Seconds(10), FailureClass::kBadKey);
  rest.Prolong(kNow + absl::Seconds(1), FailureClass::kRateLimited);
  EXPECT_EQ(rest.until, kNow + absl::Seconds(10));
  EXPECT_EQ(rest.cause, FailureClass::kBadKey);
}

// A thousandth of a second is always there.
TEST_F(HealthTest, LoadGrowsWithLatencyAndWhatIsUnderWay) {
  target_.latency_seconds = 2;
  EXPECT_DOUBLE_EQ(target_.Load(now_), 2.001);
  target_.in_flight = 3;
  EXPECT_DOUBLE_EQ(target_.Load(now_), 8.004);
}

TEST_F(HealthTest, WhatNobodyHasTriedHasALoadToo) {
  const double one = target_.Load(now_);
  EXPECT_GT(one, 0);
  target_.in_flight = 1;
  EXPECT_GT(target_.Load(now_), one);
}

TEST_F(HealthTest, EachFailureInARowIsASecondOfLoad) {
  target_.latency_seconds = 0.5;
  Fail(FailureClass::kOverloaded);
  Fail(FailureClass::kOverloaded);
  EXPECT_DOUBLE_EQ(target_.Load(now_), 2.501);
  Succeed(absl::Milliseconds(500));
  EXPECT_DOUBLE_EQ(target_.Load(now_), 0.501);
}

TEST_F(HealthTest, LoadIsForgottenWhereNothingIsTried) {
  Fail(FailureClass::kOverloaded);
  Fail(FailureClass::kOverloaded);
  EXPECT_DOUBLE_EQ(target_.Load(now_), 2.001);
  now_ = now_ + kLoadRememberedFor / 2;
  EXPECT_DOUBLE_EQ(target_.Load(now_), 1.001);
  now_ = now_ + kLoadRememberedFor;
  EXPECT_DOUBLE_EQ(target_.Load(now_), 0.001);
}

TEST_F(HealthTest, WhoLooksAgainBringsTheLoadBackForTheOthers) {
  Fail(FailureClass::kOverloaded);
  now_ = now_ + kLoadRememberedFor;
  NoteStart(place_, now_);
  EXPECT_DOUBLE_EQ(target_.Load(now_), 2 * 1.001);
}

TEST_F(HealthTest, ALateResultIsRememberedFromThenOn) {
  const bool probe = NoteStart(place_, now_);
  now_ = now_ + kLoadRememberedFor;
  NoteSuccess(place_, probe, /*stream=*/false, kLoadRememberedFor, now_);
  NoteEnd(place_);
  EXPECT_DOUBLE_EQ(target_.Load(now_), 10.001);
}

TEST_F(HealthTest, AttemptsAreCountedWhileTheyAreUnderWay) {
  EXPECT_FALSE(NoteStart(place_, now_));
  EXPECT_FALSE(NoteStart(place_, now_));
  EXPECT_EQ(target_.in_flight, 2);
  NoteEnd(place_);
  EXPECT_EQ(target_.in_flight, 1);
}

TEST_F(HealthTest, TheFirstLatencyCountsWhole) {
  Succeed(absl::Seconds(3));
  EXPECT_DOUBLE_EQ(target_.latency_seconds, 3);
}

TEST_F(HealthTest, LaterLatenciesCountAFifth) {
  Succeed(absl::Seconds(1));
  Succeed(absl::Seconds(6));
  EXPECT_DOUBLE_EQ(target_.latency_seconds, 2);
}

TEST_F(HealthTest, OnlyStreamsHaveAFirstToken) {
  for (int i = 0; i < 40; ++i) Succeed(absl::Seconds(1), false);
  EXPECT_EQ(target_.first_token.Quantile(0.5, now_), std::nullopt);
  for (int i = 0; i < 20; ++i) Succeed(absl::Seconds(2), true);
  EXPECT_EQ(target_.first_token.Quantile(0.5, now_), absl::Seconds(2));
}

TEST_F(HealthTest, FailuresThatCountOpenTheBreaker) {
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(Fail(FailureClass::kConnect).breaker_opened);
  EXPECT_TRUE(Fail(FailureClass::kStalled).breaker_opened);
  EXPECT_TRUE(target_.breaker.open());
}

TEST_F(HealthTest, FailuresThatDoNotCountNeverOpenTheBreaker) {
  for (int c = 0; c < model::kFailureClassCount; ++c) {
    const auto why = static_cast<FailureClass>(c);
    if (VerdictOf(why).counts) continue;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(Fail(why).breaker_opened);
  }
  EXPECT_FALSE(target_.breaker.open());
}

TEST_F(HealthTest, AProbeThatSucceedsClosesTheBreaker) {
  OpenBreaker();
  now_ = now_ + absl::Seconds(30);
  EXPECT_TRUE(Succeed().breaker_closed);
  EXPECT_FALSE(target_.breaker.open());
  EXPECT_FALSE(Succeed().breaker_closed);
}

TEST_F(HealthTest, AProbeThatFailsOpensNothingNew) {
  OpenBreaker();
  now_ = now_ + absl::Seconds(30);
  EXPECT_FALSE(Fail(FailureClass::kServerError).breaker_opened);
  EXPECT_TRUE(target_.breaker.open());
  EXPECT_FALSE(target_.breaker.Allows(now_));
}

TEST_F(HealthTest, AProbeThatIsRefusedAsBusyMayBeMadeAgain) {
  OpenBreaker();
  now_ = now_ + absl::Seconds(30);
  Fail(FailureClass::kOverloaded);
  EXPECT_TRUE(target_.breaker.open());
  EXPECT_TRUE(target_.breaker.Allows(now_));
}

TEST_F(HealthTest, AProbeWhoseCallerLeavesMayBeMadeAgain) {
  OpenBreaker();
  now_ = now_ + absl::Seconds(30);
  const bool probe = NoteStart(place_, now_);
  EXPECT_TRUE(probe);
  EXPECT_FALSE(target_.breaker.Allows(now_));
  NoteAbandoned(place_, probe);
  NoteEnd(place_);
  EXPECT_TRUE(target_.breaker.Allows(now_));
  EXPECT_EQ(target_.failures_in_a_row, 5);
}

// Half of what begins well and ends badly is a failure.
TEST_F(HealthTest, StallingAfterTheContentBeganOpensTheBreaker) {
  int answers = 0;
  for (; !target_.breaker.open() && answers < 100; ++answers) {
    const bool probe = NoteStart(place_, now_);
    NoteSuccess(place_, probe, true, absl::Seconds(1), now_);
    NoteFailure(place_, false, model::LocalFailure(FailureClass::kStalled, ""), routing_, now_);
    NoteEnd(place_);
  }
  EXPECT_EQ(answers, 10);
}

TEST_F(HealthTest, ARefusedKeyRestsForItsConfiguredTime) {
  EXPECT_TRUE(Fail(FailureClass::kBadKey).key_benched);
  EXPECT_EQ(key_.bench.until, now_ + absl::Minutes(7));
  EXPECT_EQ(key_.bench.cause, FailureClass::kBadKey);
  EXPECT_TRUE(provider_.out.over(now_));
}

TEST_F(HealthTest, AnEmptyAccountRestsItsKey) {
  EXPECT_TRUE(Fail(FailureClass::kOutOfCredit).key_benched);
  EXPECT_EQ(key_.bench.until, now_ + absl::Minutes(7));
}

TEST_F(HealthTest, AKeyThatRestsIsNotBenchedAgain) {
  EXPECT_TRUE(Fail(FailureClass::kBadKey).key_benched);
  EXPECT_FALSE(Fail(FailureClass::kBadKey).key_benched);
  now_ = now_ + absl::Minutes(7);
  EXPECT_TRUE(Fail(FailureClass::kBadKey).key_benched);
}

TEST_F(HealthTest, ARateLimitedKeyRestsForAsLongAsItIsTold) {
  EXPECT_TRUE(Fail(FailureClass::kRateLimited, absl::Seconds(42)).key_benched);
  EXPECT_EQ(key_.bench.until, now_ + absl::Seconds(42));
  EXPECT_EQ(key_.bench.cause, FailureClass::kRateLimited);
}

TEST_F(HealthTest, ARateLimitedKeyRestsNoLongerThanTheMaximum) {
  Fail(FailureClass::kRateLimited, absl::Seconds(274'579));
  EXPECT_EQ(key_.bench.until, now_ + absl::Minutes(5));
}

TEST_F(HealthTest, ARateLimitWithoutATimeRestsForASecond) {
  Fail(FailureClass::kRateLimited);
  EXPECT_EQ(key_.bench.until, now_ + absl::Seconds(1));
}

TEST_F(HealthTest, AKeyThatMayComeBackAtOnceDoesNotRest) {
  EXPECT_FALSE(Fail(FailureClass::kRateLimited, absl::ZeroDuration()).key_benched);
  EXPECT_TRUE(key_.bench.over(now_));
}

TEST_F(HealthTest, ARateLimitDoesNotShortenTheRestOfARefusedKey) {
  Fail(FailureClass::kBadKey);
  Fail(FailureClass::kRateLimited, absl::Seconds(1));
  EXPECT_EQ(key_.bench.until, now_ + absl::Minutes(7));
  EXPECT_EQ(key_.bench.cause, FailureClass::kBadKey);
}

TEST_F(HealthTest, ARegionBlockTakesTheProviderOut) {
  const HealthChange change = Fail(FailureClass::kRegionBlocked);
  EXPECT_TRUE(change.provider_out);
  EXPECT_FALSE(change.key_benched);
  EXPECT_EQ(provider_.out.until, now_ + absl::Hours(3));
  EXPECT_EQ(provider_.out.cause, FailureClass::kRegionBlocked);
  EXPECT_FALSE(Fail(FailureClass::kRegionBlocked).provider_out);
}

TEST_F(HealthTest, TheThirdUnknownHostInARowTakesTheProviderOut) {
  EXPECT_FALSE(Fail(FailureClass::kHostUnknown).provider_out);
  EXPECT_FALSE(Fail(FailureClass::kHostUnknown).provider_out);
  EXPECT_TRUE(provider_.out.over(now_));
  EXPECT_TRUE(Fail(FailureClass::kHostUnknown).provider_out);
  EXPECT_EQ(provider_.out.until, now_ + absl::Hours(3));
  EXPECT_EQ(provider_.out.cause, FailureClass::kHostUnknown);
}

TEST_F(HealthTest, AnyAnswerShowsThatTheHostIsKnown) {
  Fail(FailureClass::kHostUnknown);
  Fail(FailureClass::kHostUnknown);
  Succeed();
  Fail(FailureClass::kHostUnknown);
  Fail(FailureClass::kHostUnknown);
  Fail(FailureClass::kServerError);
  Fail(FailureClass::kHostUnknown);
  Fail(FailureClass::kHostUnknown);
  EXPECT_TRUE(provider_.out.over(now_));
}

TEST_F(HealthTest, OtherFailuresBenchNothing) {
  for (int c = 0; c < model::kFailureClassCount; ++c) {
    const auto why = static_cast<FailureClass>(c);
    if (VerdictOf(why).bench != Bench::kNothing) continue;
    Fail(why, absl::Hours(1));
    EXPECT_TRUE(key_.bench.over(now_)) << model::FailureClassName(why);
    EXPECT_TRUE(provider_.out.over(now_)) << model::FailureClassName(why);
  }
}

TEST(HealthBookTest, TheSameNamesAreTheSameObject) {
  HealthBook book;
  EXPECT_EQ(book.Provider("yi"), book.Provider("yi"));
  EXPECT_EQ(book.Key("yi", "main"), book.Key("yi", "main"));
  EXPECT_EQ(book.Target("yi", "main", "m", {}), book.Target("yi", "main", "m", {}));
}

TEST(HealthBookTest, EachNameHasItsOwnHealth) {
  HealthBook book;
  EXPECT_NE(book.Provider("yi"), book.Provider("openai"));
  EXPECT_NE(book.Key("yi", "main"), book.Key("openai", "main"));
  EXPECT_NE(book.Key("yi", "main"), book.Key("yi", "spare"));
  EXPECT_NE(book.Target("yi", "main", "m", {}), book.Target("yi", "spare", "m", {}));
  EXPECT_NE(book.Target("yi", "main", "m", {}), book.Target("yi", "main", "n", {}));
}

TEST(HealthBookTest, PruneForgetsWhatNobodyHolds) {
  HealthBook book;
  const auto held = book.Key("yi", "main");
  held->bench.until = kNow;
  book.Key("yi", "spare")->bench.until = kNow;
  book.Provider("yi")->hosts_unknown = 2;
  book.Target("yi", "main", "m", {})->in_flight = 2;
  book.Prune();
  EXPECT_EQ(book.Key("yi", "main"), held);
  EXPECT_EQ(book.Key("yi", "spare")->bench.until, base::Instant());
  EXPECT_EQ(book.Provider("yi")->hosts_unknown, 0);
  EXPECT_EQ(book.Target("yi", "main", "m", {})->in_flight, 0);
}

TEST(HealthBookTest, ATargetHasTheOptionsOfItsFirstUse) {
  HealthBook book;
  const auto target = book.Target("yi", "main", "m", {.failures_in_a_row = 1});
  EXPECT_TRUE(target->breaker.OnFailure(target->breaker.OnStart(), kNow));
}

TEST(BreakerOptionsTest, ComeFromTheConfiguration) {
  config::Routing routing;
  routing.breaker_failures = 3;
  routing.breaker_open_for = absl::Seconds(4);
  routing.breaker_open_for_max = absl::Seconds(5);
  const BreakerOptions options = BreakerOptionsOf(routing);
  EXPECT_EQ(options.failures_in_a_row, 3);
  EXPECT_EQ(options.open_for, absl::Seconds(4));
  EXPECT_EQ(options.open_for_max, absl::Seconds(5));
  EXPECT_EQ(options.failure_share, 0.5);
  EXPECT_EQ(options.attempts_min, 12);
}

TEST(BreakerOptionsTest, TheMaximumIsNeverBelowTheFirstTime) {
  config::Routing routing;
  routing.breaker_open_for = absl::Minutes(10);
  routing.breaker_open_for_max = absl::Minutes(5);
  EXPECT_EQ(BreakerOptionsOf(routing).open_for_max, absl::Minutes(10));
}

}  // namespace
}  // namespace pingti::routing
