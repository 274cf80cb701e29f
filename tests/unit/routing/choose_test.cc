#include "server/routing/choose.h"

#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_random.h"

namespace pingti::routing {
namespace {

using model::FailureClass;
using ::testing::ElementsAre;
using ::testing::Pair;

using fakes::kNow;

// Targets that are made one by one, each with its own provider and keys.
class ChooseTest : public ::testing::Test {
 protected:
  struct Keys {
    std::deque<KeyHealth> health;
    std::deque<TargetHealth> targets;
    std::vector<KeyOption> options;
  };

  // With a key of each of the weights.
  TargetOption& Add(int priority, int weight = 100, const std::vector<int>& key_weights = {1}) {
    Keys& keys = keys_.emplace_back();
    for (const int key_weight : key_weights) {
      keys.options.push_back(
          {&keys.health.emplace_back(), &keys.targets.emplace_back(BreakerOptions{}), key_weight});
    }
    targets_.push_back({.priority = priority,
                        .weight = weight,
                        .provider = &providers_.emplace_back(),
                        .keys = keys.options});
    return targets_.back();
  }
  TargetHealth& target(size_t t, size_t k = 0) { return keys_[t].targets[k]; }
  Rest& bench(size_t t, size_t k = 0) { return keys_[t].health[k].bench; }
  Rest& out(size_t t) { return providers_[t].out; }

  // It lets nothing pass for 30 s.
  void OpenBreaker(size_t t, size_t k = 0) {
    Breaker& breaker = target(t, k).breaker;
    for (int i = 0; i < 5; ++i) breaker.OnFailure(breaker.OnStart(), now_);
    ASSERT_TRUE(breaker.open());
  }

  std::optional<Choice> ChooseWith(std::vector<uint64_t> bits) {
    fakes::FakeRandom random(std::move(bits));
    return Choose(targets_, now_, random);
  }
  std::optional<Choice> ChooseAny() { return Choose(targets_, now_, random_); }
  // -1: none.
  int ChosenTarget() {
    const auto choice = ChooseAny();
    return choice ? static_cast<int>(choice->target) : -1;
  }
  int ChosenKey() {
    const auto choice = ChooseAny();
    return choice ? static_cast<int>(choice->key) : -1;
  }
  // How often each comes in so many draws.
  std::map<int, int> CountTargets(int draws) {
    std::map<int, int> counts;
    for (int i = 0; i < draws; ++i) ++counts[ChosenTarget()];
    return counts;
  }
  std::map<int, int> CountKeys(int draws) {
    std::map<int, int> counts;
    for (int i = 0; i < draws; ++i) ++counts[ChosenKey()];
    return counts;
  }
  std::optional<Obstacle> Obstructs() { return FirstObstacle(targets_, now_); }

  fakes::FakeRandom random_;  // 1, 2, 3, ...
  std::deque<ProviderHealth> providers_;
  std::deque<Keys> keys_;
  std::vector<TargetOption> targets_;
  base::Instant now_ = kNow;
};

TEST_F(ChooseTest, NothingOfNothing) { EXPECT_FALSE(ChooseAny()); }

TEST_F(ChooseTest, TheOnlyTargetNeedsNoChance) {
  Add(0);
  const auto choice = ChooseAny();
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->target, 0u);
  EXPECT_EQ(choice->key, 0u);
  EXPECT_EQ(random_.drawn(), 0u);
}

TEST_F(ChooseTest, TheLowestPriorityComesFirst) {
  Add(2, 1'000);
  Add(1, 1);
  Add(3, 1'000);
  target(1).latency_seconds = 100;
  EXPECT_EQ(ChosenTarget(), 1);
  EXPECT_EQ(random_.drawn(), 0u);
}

TEST_F(ChooseTest, PrioritiesMayBeNegative) {
  Add(0);
  Add(-1'000);
  EXPECT_EQ(ChosenTarget(), 1);
}

TEST_F(ChooseTest, TheNextPriorityServesWhereTheFirstIsNotUsable) {
  Add(0).excluded = true;
  Add(1);
  Add(2);
  EXPECT_EQ(ChosenTarget(), 1);
}

// The second draw is without the first, so with equal load the first one decides.
TEST_F(ChooseTest, WithEqualLoadWeightsDecide) {
  Add(0, 3);
  Add(0, 1);
  EXPECT_EQ(ChooseWith({0, 0})->target, 0u);
  EXPECT_EQ(ChooseWith({2, 0})->target, 0u);
  EXPECT_EQ(ChooseWith({3, 0})->target, 1u);
  EXPECT_EQ(ChooseWith({4, 0})->target, 0u);
}

TEST_F(ChooseTest, OfTwoTheOneWithLessLoadIsTaken) {
  Add(0, 1'000);
  Add(0, 1);
  target(0).latency_seconds = 2;
  target(1).latency_seconds = 1;
  EXPECT_THAT(CountTargets(100), ElementsAre(Pair(1, 100)));
}

TEST_F(ChooseTest, WhatIsUnderWayIsLoad) {
  Add(0);
  Add(0);
  target(0).latency_seconds = target(1).latency_seconds = 1;
  target(0).in_flight = 1;
  EXPECT_EQ(ChosenTarget(), 1);
  target(1).in_flight = 2;
  EXPECT_EQ(ChosenTarget(), 0);
}

TEST_F(ChooseTest, FailuresInARowAreLoad) {
  Add(0);
  Add(0);
  target(0).latency_seconds = target(1).latency_seconds = 1;
  target(1).failures_in_a_row = 1;
  EXPECT_THAT(CountTargets(100), ElementsAre(Pair(0, 100)));
}

TEST_F(ChooseTest, TheLoadOfAThirdIsNotLookedAt) {
  Add(0, 1);
  Add(0, 1);
  Add(0, 1);
  target(0).latency_seconds = 3;
  target(1).latency_seconds = 2;
  target(2).latency_seconds = 1;
  EXPECT_EQ(ChooseWith({0, 0})->target, 1u);  // of 0 and 1
  EXPECT_EQ(ChooseWith({0, 1})->target, 2u);  // of 0 and 2
  EXPECT_EQ(ChooseWith({2, 1})->target, 2u);  // of 2 and 1
}

TEST_F(ChooseTest, TheSlowestOfThreeIsNeverTaken) {
  Add(0);
  Add(0);
  Add(0);
  target(0).latency_seconds = target(1).latency_seconds = 1;
  target(2).latency_seconds = 5;
  EXPECT_EQ(CountTargets(1'000)[2], 0);
}

TEST_F(ChooseTest, TheSlowestOfThreeIsTriedAgainAfterAWhile) {
  Add(0);
  Add(0);
  Add(0);
  for (size_t t = 0; t < 3; ++t) {
    target(t).latency_seconds = t == 2 ? 5 : 1;
    target(t).Remember(now_);
  }
  now_ = now_ + kLoadRememberedFor;
  for (const size_t t : {0, 1}) target(t).Remember(now_);
  EXPECT_GT(CountTargets(1'000)[2], 0);
  target(2).Remember(now_);  // one has gone
  EXPECT_EQ(CountTargets(1'000)[2], 0);
}

TEST_F(ChooseTest, TheLoadOfATargetIsThatOfItsLeastLoadedUsableKey) {
  Add(0, 100, {1, 1});
  Add(0);
  target(0, 0).latency_seconds = 1;
  target(0, 1).latency_seconds = 9;
  target(1).latency_seconds = 2;
  EXPECT_EQ(ChosenTarget(), 0);
  targets_[0].excluded_keys = 1;
  EXPECT_EQ(ChosenTarget(), 1);
}

TEST_F(ChooseTest, KeysAreDrawnByTheirWeights) {
  Add(0, 100, {1, 2, 5});
  EXPECT_THAT(CountKeys(800), ElementsAre(Pair(0, 100), Pair(1, 200), Pair(2, 500)));
}

TEST_F(ChooseTest, AnExcludedKeyIsNotDrawn) {
  Add(0, 100, {1, 2, 5}).excluded_keys = 0b100;
  EXPECT_THAT(CountKeys(300), ElementsAre(Pair(0, 100), Pair(1, 200)));
}

TEST_F(ChooseTest, ATargetWithoutAKeyLeftIsNotUsable) {
  Add(0, 100, {1, 1}).excluded_keys = 0b11;
  Add(1);
  EXPECT_EQ(ChosenTarget(), 1);
}

TEST_F(ChooseTest, AnExcludedTargetIsNotUsable) {
  Add(0).excluded = true;
  EXPECT_FALSE(ChooseAny());
}

TEST_F(ChooseTest, AKeyThatRestsIsNotUsable) {
  Add(0, 100, {1, 1});
  bench(0, 0).Prolong(now_ + absl::Seconds(5), FailureClass::kRateLimited);
  EXPECT_THAT(CountKeys(100), ElementsAre(Pair(1, 100)));
  bench(0, 1).Prolong(now_ + absl::Seconds(5), FailureClass::kRateLimited);
  EXPECT_FALSE(ChooseAny());
  now_ = now_ + absl::Seconds(5);
  EXPECT_TRUE(ChooseAny());
}

TEST_F(ChooseTest, AProviderThatIsOutIsNotUsable) {
  Add(0, 100, {1, 1});
  Add(1);
  out(0).Prolong(now_ + absl::Hours(1), FailureClass::kRegionBlocked);
  EXPECT_EQ(ChosenTarget(), 1);
  now_ = now_ + absl::Hours(1);
  EXPECT_EQ(ChosenTarget(), 0);
}

TEST_F(ChooseTest, ATargetWithAnOpenBreakerIsNotUsable) {
  Add(0);
  Add(1);
  OpenBreaker(0);
  EXPECT_EQ(ChosenTarget(), 1);
}

TEST_F(ChooseTest, AnOpenBreakerIsOfOneKey) {
  Add(0, 100, {1, 1});
  OpenBreaker(0, 0);
  EXPECT_THAT(CountKeys(100), ElementsAre(Pair(1, 100)));
}

TEST_F(ChooseTest, AProbeMayGoWhenABreakersTimeIsOver) {
  Add(0);
  Add(1);
  OpenBreaker(0);
  now_ = now_ + absl::Seconds(30);
  EXPECT_EQ(ChosenTarget(), 0);
}

TEST_F(ChooseTest, OnlyOneProbeGoes) {
  Add(0);
  Add(1);
  OpenBreaker(0);
  now_ = now_ + absl::Seconds(30);
  ASSERT_TRUE(target(0).breaker.OnStart());
  EXPECT_EQ(ChosenTarget(), 1);
}

TEST_F(ChooseTest, AsManyTargetsAndKeysAsTheConfigurationAllows) {
  const std::vector<int> weights(config::kProviderKeysMax, 1'000);
  for (size_t t = 0; t < config::kAliasTargetsMax; ++t) Add(0, 1'000, weights);
  const uint64_t last_target = 15'999;
  const auto choice = ChooseWith({last_target, 0, last_target});
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->target, config::kAliasTargetsMax - 1);
  EXPECT_EQ(choice->key, config::kProviderKeysMax - 1);
}

TEST_F(ChooseTest, NothingObstructsWhatIsUsable) {
  Add(0);
  EXPECT_FALSE(Obstructs());
}

TEST_F(ChooseTest, NothingObstructsWhatIsExcluded) {
  Add(0).excluded = true;
  bench(0).Prolong(now_ + absl::Seconds(1), FailureClass::kBadKey);
  Add(0).excluded_keys = 1;
  OpenBreaker(1);
  EXPECT_FALSE(Obstructs());
}

TEST_F(ChooseTest, ARestingKeyObstructs) {
  Add(0);
  bench(0).Prolong(now_ + absl::Seconds(9), FailureClass::kBadKey);
  const auto obstacle = Obstructs();
  ASSERT_TRUE(obstacle);
  EXPECT_EQ(obstacle->target, 0u);
  EXPECT_EQ(obstacle->cause, FailureClass::kBadKey);
  EXPECT_FALSE(obstacle->breaker);
  EXPECT_EQ(obstacle->until, now_ + absl::Seconds(9));
}

TEST_F(ChooseTest, AProviderThatIsOutObstructs) {
  Add(0);
  out(0).Prolong(now_ + absl::Hours(1), FailureClass::kHostUnknown);
  const auto obstacle = Obstructs();
  ASSERT_TRUE(obstacle);
  EXPECT_EQ(obstacle->cause, FailureClass::kHostUnknown);
  EXPECT_EQ(obstacle->until, now_ + absl::Hours(1));
}

TEST_F(ChooseTest, AnOpenBreakerObstructs) {
  Add(0);
  OpenBreaker(0);
  const auto obstacle = Obstructs();
  ASSERT_TRUE(obstacle);
  EXPECT_TRUE(obstacle->breaker);
  EXPECT_EQ(obstacle->until, now_ + absl::Seconds(30));
}

TEST_F(ChooseTest, AProbeUnderWayIsNoObstacle) {
  Add(0);
  OpenBreaker(0);
  now_ = now_ + absl::Seconds(30);
  ASSERT_TRUE(target(0).breaker.OnStart());
  now_ = now_ + absl::Seconds(1);
  EXPECT_FALSE(ChooseAny());
  EXPECT_FALSE(Obstructs());
}

TEST_F(ChooseTest, TheObstacleThatIsOverFirstIsTold) {
  Add(0);
  Add(1);
  Add(2);
  out(0).Prolong(now_ + absl::Hours(1), FailureClass::kRegionBlocked);
  bench(1).Prolong(now_ + absl::Seconds(3), FailureClass::kRateLimited);
  OpenBreaker(2);
  const auto obstacle = Obstructs();
  ASSERT_TRUE(obstacle);
  EXPECT_EQ(obstacle->target, 1u);
  EXPECT_EQ(obstacle->cause, FailureClass::kRateLimited);
}

TEST_F(ChooseTest, AKeyWaitsForTheLastOfItsObstacles) {
  Add(0);
  bench(0).Prolong(now_ + absl::Seconds(3), FailureClass::kRateLimited);
  OpenBreaker(0);
  auto obstacle = Obstructs();
  ASSERT_TRUE(obstacle);
  EXPECT_TRUE(obstacle->breaker);
  out(0).Prolong(now_ + absl::Minutes(1), FailureClass::kHostUnknown);
  obstacle = Obstructs();
  ASSERT_TRUE(obstacle);
  EXPECT_FALSE(obstacle->breaker);
  EXPECT_EQ(obstacle->cause, FailureClass::kHostUnknown);
  EXPECT_EQ(obstacle->until, now_ + absl::Minutes(1));
}

TEST_F(ChooseTest, AmongKeysTheOneThatIsBackFirstIsTold) {
  Add(0, 100, {1, 1});
  bench(0, 0).Prolong(now_ + absl::Minutes(10), FailureClass::kBadKey);
  bench(0, 1).Prolong(now_ + absl::Seconds(2), FailureClass::kRateLimited);
  ASSERT_TRUE(Obstructs());
  EXPECT_EQ(Obstructs()->cause, FailureClass::kRateLimited);
  targets_[0].excluded_keys = 0b10;
  EXPECT_EQ(Obstructs()->cause, FailureClass::kBadKey);
}

TEST_F(ChooseTest, ARestThatIsOverObstructsNothing) {
  Add(0);
  out(0).Prolong(now_ + absl::Seconds(1), FailureClass::kHostUnknown);
  bench(0).Prolong(now_ + absl::Seconds(1), FailureClass::kBadKey);
  now_ = now_ + absl::Seconds(1);
  EXPECT_FALSE(Obstructs());
}

}  // namespace
}  // namespace pingti::routing
