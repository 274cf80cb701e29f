// How much a store admits: bounds, scopes, closed limits, callers at the same time.
// A part of quota_store_contract.h.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/contract/contract_fixture.h"

namespace pingti::quota {

TEST_P(QuotaStoreContract, StartsFull) {
  const auto set = MakeSet("a", PerMinute(3, 100));
  const ScopeStates states = harness_->Read(*set).states[0];
  ASSERT_TRUE(states[0] && states[1]);
  EXPECT_EQ(states[0]->limit, 3);
  EXPECT_EQ(states[0]->remaining, 3);
  EXPECT_EQ(states[1]->limit, 100);
  EXPECT_EQ(states[1]->capacity, 100);
  EXPECT_EQ(states[1]->remaining, 100);
  EXPECT_EQ(states[1]->full_in, absl::ZeroDuration());
  EXPECT_FALSE(states[2] || states[3] || states[4]);
}

TEST_P(QuotaStoreContract, GivesTheLimitAndNotOneMore) {
  const auto set = MakeSet("a", PerMinute({}, 100));
  EXPECT_TRUE(Admits(*set, 0));
  EXPECT_TRUE(Admits(*set, 99));
  EXPECT_TRUE(Admits(*set, 1));
  EXPECT_EQ(Tokens(*set), 0);
  EXPECT_FALSE(Admits(*set, 1));
  EXPECT_TRUE(Admits(*set, 0));
  EXPECT_EQ(Tokens(*set), 0);
}

TEST_P(QuotaStoreContract, MoreThanTheWholeBucketNeverFits) {
  const auto set = MakeSet("a", PerMinute(3, 100));
  const Refusal refusal = Refuse(*set, 101);
  EXPECT_EQ(refusal.wait, absl::InfiniteDuration());
  EXPECT_EQ(refusal.dimension, Dimension::kTokensPerMinute);
  EXPECT_EQ(refusal.requested, 101);
  EXPECT_EQ(refusal.state.limit, 100);
  EXPECT_EQ(Refuse(*set, 10'000'000'000'000).wait, absl::InfiniteDuration());
  EXPECT_EQ(Requests(*set), 3);
  EXPECT_TRUE(Admits(*set, 100));
}

TEST_P(QuotaStoreContract, HoldsNoMoreThanItsBurst) {
  const auto set = MakeSet("a", PerMinute({}, config::Limit(600, 50)));
  EXPECT_EQ(Refuse(*set, 51).wait, absl::InfiniteDuration());
  Advance(absl::Minutes(5));
  EXPECT_TRUE(Admits(*set, 50));
  const Refusal refusal = Refuse(*set, 50);
  EXPECT_EQ(refusal.wait, absl::Seconds(5));  // 10 a second
  EXPECT_EQ(refusal.state.limit, 600);
  EXPECT_EQ(refusal.state.capacity, 50);
  Advance(absl::Seconds(5));
  EXPECT_TRUE(Admits(*set, 50));
}

TEST_P(QuotaStoreContract, ARefusalByOneScopeTakesNothingFromTheOther) {
  const auto tenant = MakeSet("class:a", PerMinute(10, 1'000));
  for (const auto& [name, key_limits] :
       {std::pair("key:requests", PerMinute(1, 1'000)), std::pair("key:tokens", PerMinute(10, 5)),
        std::pair("key:none", PerMinute(0, {}))}) {
    const auto key = MakeSet(name, key_limits);
    if (!key->closed()) {
      ASSERT_TRUE(Granted(harness_->Reserve(DemandOf(5, *key))));
    }
    const int64_t requests = Requests(*key);
    const int64_t tokens = Tokens(*key);
    const ReserveReply reply = harness_->Reserve(DemandOf(5, *tenant, key.get()));
    ASSERT_FALSE(Granted(reply)) << name;
    EXPECT_EQ(reply.refusal->scope, key.get());
    EXPECT_EQ(Requests(*tenant), 10) << name;
    EXPECT_EQ(Tokens(*tenant), 1'000) << name;
    EXPECT_EQ(Requests(*key), requests) << name;
    EXPECT_EQ(Tokens(*key), tokens) << name;
  }
  const auto roomy = MakeSet("key:roomy", PerMinute(10, 5'000));
  EXPECT_EQ(Refuse(DemandOf(2'000, *tenant, roomy.get())).scope, tenant.get());
  EXPECT_EQ(Tokens(*roomy), 5'000);
}

TEST_P(QuotaStoreContract, ARefusalByAnyDimensionTakesNothingFromTheOthers) {
  for (int refusing = 0; refusing < kDimensionCount; ++refusing) {
    config::ClassLimits limits;
    std::optional<config::Limit>* const all[] = {
        &limits.requests_per_minute, &limits.tokens_per_minute, &limits.requests_per_day,
        &limits.tokens_per_day, &limits.calls_at_once};
    for (int i = 0; i < kDimensionCount; ++i) {
      *all[i] = CountsTokens(static_cast<Dimension>(i)) ? 1'000 : 100;
    }
    *all[refusing] = CountsTokens(static_cast<Dimension>(refusing)) ? 7 : 1;
    const auto set = MakeSet("dimension" + std::to_string(refusing), limits);
    ASSERT_TRUE(Admits(*set, 7));
    const ScopeStates before = harness_->Read(*set).states[0];
    EXPECT_EQ(static_cast<int>(Refuse(*set, 7).dimension), refusing);
    const ScopeStates after = harness_->Read(*set).states[0];
    for (int i = 0; i < kDimensionCount; ++i) {
      ASSERT_TRUE(after[i]);
      EXPECT_EQ(after[i]->remaining, before[i]->remaining) << refusing << " " << i;
    }
  }
}

TEST_P(QuotaStoreContract, TakesFromAllScopesAndDimensions) {
  config::ClassLimits limits = PerMinute(10, 1'000);
  limits.requests_per_day = 100;
  limits.tokens_per_day = 10'000;
  limits.calls_at_once = 4;
  const auto tenant = MakeSet("class:a", limits);
  const auto key = MakeSet("key:a", PerMinute(5, 500));
  const Demand demand = DemandOf(70, *tenant, key.get());
  const ReserveReply reply = harness_->Reserve(demand);
  ASSERT_TRUE(Granted(reply));
  const int64_t left[] = {9, 930, 99, 9'930, 3};
  for (int i = 0; i < kDimensionCount; ++i) {
    EXPECT_EQ(Left(*tenant, static_cast<Dimension>(i)), left[i]) << i;
    ASSERT_TRUE(reply.first_scope[i]);
    EXPECT_EQ(reply.first_scope[i]->remaining, left[i]) << i;
  }
  EXPECT_EQ(Requests(*key), 4);
  EXPECT_EQ(Tokens(*key), 430);
}

TEST_P(QuotaStoreContract, OfFiftyCallersExactlyTwentyGetFiveOfAHundred) {
  const auto set = MakeSet("a", PerMinute({}, 100));
  constexpr int kCallers = 50;
  std::array<ReserveReply, kCallers> replies;
  std::array<base::Signal, kCallers> signals;
  for (int i = 0; i < kCallers; ++i) {
    harness_->store().Reserve(DemandOf(5, *set), harness_->Now(), &replies[i], &signals[i]);
  }
  harness_->Pump([&] {
    for (const ReserveReply& reply : replies) {
      if (reply.state == ReserveReply::State::kPending) return false;
    }
    return true;
  });
  int granted = 0;
  std::set<uint64_t> ids;
  for (const ReserveReply& reply : replies) {
    if (!Granted(reply)) continue;
    ++granted;
    ids.insert(reply.id);
  }
  EXPECT_EQ(granted, 20);
  EXPECT_EQ(ids.size(), 20u);
  EXPECT_EQ(Tokens(*set), 0);
}

TEST_P(QuotaStoreContract, NamesTheLongestWaitOverAllScopes) {
  const auto tenant = MakeSet("class:a", PerMinute(2, 1'000));
  const auto key = MakeSet("key:a", PerMinute(60, 600));
  ASSERT_TRUE(Granted(harness_->Reserve(DemandOf(600, *tenant, key.get()))));
  ASSERT_TRUE(Granted(harness_->Reserve(DemandOf(0, *tenant, key.get()))));
  // The tenant's request comes back in 30 s, 300 tokens of the key in 30 s, 500 in 50 s.
  Refusal refusal = Refuse(DemandOf(100, *tenant, key.get()));
  EXPECT_EQ(refusal.wait, absl::Seconds(30));
  EXPECT_EQ(refusal.scope, tenant.get());
  EXPECT_EQ(refusal.dimension, Dimension::kRequestsPerMinute);
  EXPECT_EQ(refusal.requested, 1);
  refusal = Refuse(DemandOf(500, *tenant, key.get()));
  EXPECT_EQ(refusal.wait, absl::Seconds(50));
  EXPECT_EQ(refusal.scope, key.get());
  EXPECT_EQ(refusal.dimension, Dimension::kTokensPerMinute);
  EXPECT_EQ(refusal.requested, 500);
  EXPECT_EQ(refusal.state.limit, 600);
  EXPECT_EQ(refusal.state.remaining, 0);
  EXPECT_FALSE(refusal.store_down);
}

TEST_P(QuotaStoreContract, AClosedScopeAdmitsNothing) {
  const auto open = MakeSet("class:open", PerMinute(10, 1'000));
  const auto no_tokens = MakeSet("class:zero", PerMinute(10, 0));
  BucketSet::Options options;
  options.suspended = true;
  const auto suspended = MakeSet("class:suspended", PerMinute(10, 1'000), options);
  for (BucketSet* closed : {no_tokens.get(), suspended.get()}) {
    ASSERT_TRUE(closed->closed());
    EXPECT_EQ(Refuse(*closed, 0).wait, absl::InfiniteDuration());
    const Refusal refusal = Refuse(DemandOf(1, *open, closed));
    EXPECT_EQ(refusal.scope, closed);
    EXPECT_EQ(refusal.wait, absl::InfiniteDuration());
  }
  EXPECT_EQ(Requests(*open), 10);
}

TEST_P(QuotaStoreContract, ALimitThatIsAbsentIsNotEnforced) {
  const auto set = MakeSet("a", PerMinute({}, 10));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Admits(*set, 0));
  const auto free = MakeSet("b", config::ClassLimits());
  EXPECT_TRUE(Admits(*free, 1'000'000'000'000));
}

TEST_P(QuotaStoreContract, TheStatesOfARefusalAreThoseOfTheFirstScope) {
  const auto tenant = MakeSet("class:a", PerMinute(10, 1'000));
  const auto key = MakeSet("key:a", PerMinute({}, 50));
  const ReserveReply reply = harness_->Reserve(DemandOf(60, *tenant, key.get()));
  ASSERT_FALSE(Granted(reply));
  ASSERT_TRUE(reply.first_scope[0] && reply.first_scope[1]);
  EXPECT_EQ(reply.first_scope[0]->remaining, 10);
  EXPECT_EQ(reply.first_scope[1]->remaining, 1'000);
  EXPECT_FALSE(reply.first_scope[2]);
}

TEST_P(QuotaStoreContract, ReadsTwoScopesAtOnce) {
  const auto tenant = MakeSet("class:a", PerMinute(10, 1'000));
  const auto key = MakeSet("key:a", PerMinute({}, 50));
  ASSERT_TRUE(Granted(harness_->Reserve(DemandOf(20, *tenant, key.get()))));
  ReadReply reply;
  base::Signal signal;
  BucketSet* const sets[] = {tenant.get(), key.get()};
  harness_->store().Read(sets, harness_->Now(), &reply, &signal);
  harness_->Pump([&] { return reply.ready; });
  ASSERT_TRUE(reply.states[0][1] && reply.states[1][1]);
  EXPECT_EQ(reply.states[0][1]->remaining, 980);
  EXPECT_EQ(reply.states[1][1]->remaining, 30);
}

}  // namespace pingti::quota
