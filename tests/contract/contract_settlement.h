// How calls end in a store: settling, growing, slots, shadow limits, losses.
// A part of quota_store_contract.h.
#pragma once

#include <utility>

#include "gtest/gtest.h"
#include "tests/contract/contract_fixture.h"

namespace pingti::quota {

TEST_P(QuotaStoreContract, SettlingGivesBackWhatWasNotUsed) {
  const auto tenant = MakeSet("class:a", PerMinute(10, 1'000));
  const auto key = MakeSet("key:a", PerMinute({}, 500));
  Reservation held = Hold(DemandOf(400, *tenant, key.get()));
  held.Settle(Used(100, 50), true, harness_->Now());
  EXPECT_EQ(Tokens(*tenant), 850);
  EXPECT_EQ(Tokens(*key), 350);
  EXPECT_EQ(Requests(*tenant), 9);
}

TEST_P(QuotaStoreContract, SettlingTakesMoreAlsoIntoDebt) {
  const auto set = MakeSet("a", PerMinute({}, 60));
  Reservation held = Hold(*set, 40);
  held.Settle(Used(50, 40), true, harness_->Now());
  EXPECT_EQ(Tokens(*set), -30);
  EXPECT_EQ(Refuse(*set, 0).wait, absl::Seconds(30));
  EXPECT_EQ(Refuse(*set, 1).wait, absl::Seconds(31));
  Advance(absl::Seconds(31) - kMicrosecond);
  EXPECT_FALSE(Admits(*set, 1));
  Advance(kMicrosecond);
  EXPECT_TRUE(Admits(*set, 1));
}

TEST_P(QuotaStoreContract, OnlyTheFirstSettlementCounts) {
  const auto set = MakeSet("a", PerMinute(10, 1'000));
  Reservation held = Hold(*set, 400);
  held.Settle(Used(100, 0), true, harness_->Now());
  held.Settle(Used(0, 0), false, harness_->Now());
  held.Grow(900, harness_->Now());
  EXPECT_EQ(Tokens(*set), 900);
  EXPECT_EQ(Requests(*set), 9);
}

TEST_P(QuotaStoreContract, ALowerBoundNeverGivesBack) {
  const auto set = MakeSet("a", PerMinute({}, 1'000));
  Reservation less = Hold(*set, 400);
  less.Settle(Used(10, 5, true), true, harness_->Now());
  EXPECT_EQ(Tokens(*set), 600);
  Reservation more = Hold(*set, 100);
  more.Settle(Used(100, 50, true), true, harness_->Now());
  EXPECT_EQ(Tokens(*set), 450);
}

TEST_P(QuotaStoreContract, ACallThatNeverReachedTheProviderBurnsNothing) {
  config::ClassLimits limits = PerMinute(10, 1'000);
  limits.requests_per_day = 20;
  limits.tokens_per_day = 2'000;
  const auto set = MakeSet("a", limits);
  Reservation held = Hold(*set, 400);
  held.Settle(model::Usage(), false, harness_->Now());
  EXPECT_EQ(Tokens(*set), 1'000);
  EXPECT_EQ(Requests(*set), 10);
  EXPECT_EQ(Left(*set, Dimension::kRequestsPerDay), 20);
  EXPECT_EQ(Left(*set, Dimension::kTokensPerDay), 2'000);
}

TEST_P(QuotaStoreContract, GivingBackNeverGoesPastFull) {
  const auto set = MakeSet("a", PerMinute(10, 1'000));
  Reservation held = Hold(*set, 900);
  Advance(absl::Minutes(2));
  held.Settle(model::Usage(), false, harness_->Now());
  EXPECT_EQ(Tokens(*set), 1'000);
  EXPECT_EQ(Requests(*set), 10);
  EXPECT_TRUE(Admits(*set, 1'000));
  EXPECT_FALSE(Admits(*set, 1));
}

TEST_P(QuotaStoreContract, GrowingTakesTheDifferenceNow) {
  const auto set = MakeSet("a", PerMinute(10, 1'000));
  Reservation held = Hold(*set, 400);
  held.Grow(300, harness_->Now());
  EXPECT_EQ(Tokens(*set), 600);
  held.Grow(500, harness_->Now());
  EXPECT_EQ(Tokens(*set), 500);
  held.Grow(1'200, harness_->Now());
  EXPECT_EQ(Tokens(*set), -200);
  held.Settle(Used(1'000, 250), true, harness_->Now());
  EXPECT_EQ(Tokens(*set), -250);
  EXPECT_EQ(Requests(*set), 9);
}

TEST_P(QuotaStoreContract, DroppingCountsAsAllUsedAndIsCounted) {
  config::ClassLimits limits = PerMinute(10, 1'000);
  limits.calls_at_once = 1;
  const auto set = MakeSet("a", limits);
  {
    const Reservation held = Hold(*set, 400);
    EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), 0);
  }
  EXPECT_EQ(dropped_.value(), 1);
  EXPECT_EQ(Tokens(*set), 600);
  EXPECT_EQ(Requests(*set), 9);
  EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), 1);
}

TEST_P(QuotaStoreContract, CallsAtOnceComeBackWhenCallsEnd) {
  config::ClassLimits limits;
  limits.calls_at_once = 2;
  const auto set = MakeSet("a", limits);
  Reservation first = Hold(*set, 10);
  Reservation second = Hold(*set, 10);
  const Refusal refusal = Refuse(*set, 10);
  EXPECT_EQ(refusal.dimension, Dimension::kCallsAtOnce);
  EXPECT_EQ(refusal.state.limit, 2);
  EXPECT_EQ(refusal.state.remaining, 0);
  EXPECT_GT(refusal.wait, absl::ZeroDuration());
  EXPECT_LT(refusal.wait, absl::Minutes(1));
  second.Grow(500, harness_->Now());
  EXPECT_FALSE(Admits(*set, 10));  // growth is not an end
  first.Settle(Used(5, 5), true, harness_->Now());
  EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), 1);
  Reservation third = Hold(*set, 10);
  EXPECT_FALSE(Admits(*set, 10));
  second.Settle(Used(5, 5), false, harness_->Now());
  third.Settle(Used(5, 5), true, harness_->Now());
  EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), 2);
}

TEST_P(QuotaStoreContract, AShadowLimitIsCountedButNeverRefuses) {
  const auto set = MakeSet("a", PerMinute(config::Limit(2, 0, true), 1'000));
  EXPECT_EQ(Reserve(*set, 10).shadow_refusals, 0);
  EXPECT_EQ(Reserve(*set, 10).shadow_refusals, 0);
  const ReserveReply third = Reserve(*set, 10);
  EXPECT_TRUE(Granted(third));
  EXPECT_EQ(third.shadow_refusals, ShadowBit(Dimension::kRequestsPerMinute));
  // What it would have refused took nothing from it: the next one fits when it would have.
  EXPECT_EQ(Requests(*set), 0);
  EXPECT_EQ(Tokens(*set), 970);
  Advance(absl::Seconds(30));
  EXPECT_EQ(Reserve(*set, 10).shadow_refusals, 0);
  EXPECT_EQ(Reserve(*set, 10).shadow_refusals, ShadowBit(Dimension::kRequestsPerMinute));
}

TEST_P(QuotaStoreContract, WhatAShadowLimitDidNotTakeIsNotGivenBackToIt) {
  const auto set = MakeSet("a", PerMinute(100, config::Limit(1'000, 0, true)));
  Reservation fits = Hold(*set, 800);
  Reservation would_not = Hold(*set, 700);
  EXPECT_EQ(Tokens(*set), 200);
  would_not.Settle(Used(1, 1), true, harness_->Now());
  EXPECT_EQ(Tokens(*set), 200);
  fits.Settle(Used(100, 0), true, harness_->Now());
  EXPECT_EQ(Tokens(*set), 900);
}

TEST_P(QuotaStoreContract, AShadowLimitThatTookIsGivenBackWhereOneOfAnotherScopeDidNot) {
  const auto tenant = MakeSet("class:a", PerMinute(100, config::Limit(1'000, 0, true)));
  const auto key = MakeSet("key:a", PerMinute({}, config::Limit(500, 0, true)));
  const Demand demand = DemandOf(600, *tenant, key.get());
  const ReserveReply reply = harness_->Reserve(demand);
  ASSERT_TRUE(Granted(reply));
  const uint8_t tokens = ShadowBit(Dimension::kTokensPerMinute);
  EXPECT_EQ(reply.shadow_by_scope, (ShadowByScope{0, tokens}));
  EXPECT_EQ(reply.shadow_refusals, tokens);
  EXPECT_EQ(Tokens(*tenant), 400);
  EXPECT_EQ(Tokens(*key), 500);
  Reservation held(harness_->store(), demand, reply, clock_, dropped_);
  held.Grow(700, harness_->Now());
  EXPECT_EQ(Tokens(*tenant), 300);
  EXPECT_EQ(Tokens(*key), 500);
  held.Settle(Used(100, 0), true, harness_->Now());
  EXPECT_EQ(Tokens(*tenant), 900);
  EXPECT_EQ(Tokens(*key), 500);
}

TEST_P(QuotaStoreContract, ShadowLimitsOfBothScopesAreKeptApart) {
  const config::Limit one_request(1, 0, true);
  const auto tenant = MakeSet("class:a", PerMinute(one_request, config::Limit(1'000, 0, true)));
  const auto key = MakeSet("key:a", PerMinute(config::Limit(9, 0, true), 5'000));
  ASSERT_TRUE(Admits(*tenant, 600));
  Reservation held = Hold(DemandOf(700, *tenant, key.get()));
  EXPECT_EQ(Requests(*tenant), 0);
  EXPECT_EQ(Tokens(*tenant), 400);
  EXPECT_EQ(Requests(*key), 8);
  EXPECT_EQ(Tokens(*key), 4'300);
  held.Settle(model::Usage(), false, harness_->Now());
  EXPECT_EQ(Requests(*tenant), 0);
  EXPECT_EQ(Tokens(*tenant), 400);
  EXPECT_EQ(Requests(*key), 9);
  EXPECT_EQ(Tokens(*key), 5'000);
}

TEST_P(QuotaStoreContract, CallsAtOnceInShadowModeAreStillCounted) {
  config::ClassLimits limits;
  limits.calls_at_once = config::Limit(1, 0, true);
  const auto set = MakeSet("a", limits);
  Reservation first = Hold(*set, 1);
  const Demand demand = DemandOf(1, *set);
  const ReserveReply reply = harness_->Reserve(demand);
  ASSERT_TRUE(Granted(reply));
  EXPECT_EQ(reply.shadow_refusals, ShadowBit(Dimension::kCallsAtOnce));
  Reservation second(harness_->store(), demand, reply, clock_, dropped_);
  EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), -1);
  first.Settle(Used(1, 0), true, harness_->Now());
  second.Settle(Used(1, 0), true, harness_->Now());
  EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), 1);
}

TEST_P(QuotaStoreContract, WhatIsLostComesBackFullAndSettlesNothingWrong) {
  config::ClassLimits limits = PerMinute(10, 1'000);
  limits.calls_at_once = 2;
  auto set = MakeSet("a", limits);
  const ReserveReply reply = Reserve(*set, 400);
  ASSERT_TRUE(Granted(reply));
  set = harness_->Lose(std::move(set));
  EXPECT_EQ(Tokens(*set), 1'000);
  EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), 2);
  // The end of a call of before: neither past full nor more calls at once.
  Change end;
  end.id = reply.id;
  end.demand = DemandOf(400, *set);
  end.tokens = -300;
  end.give_request_back = true;
  end.free_slot = true;
  harness_->store().Apply(end, harness_->Now());
  EXPECT_EQ(Tokens(*set), 1'000);
  EXPECT_EQ(Requests(*set), 10);
  EXPECT_EQ(Left(*set, Dimension::kCallsAtOnce), 2);
  end.tokens = 300;
  end.give_request_back = false;
  harness_->store().Apply(end, harness_->Now());
  EXPECT_EQ(Tokens(*set), 700);
}

}  // namespace pingti::quota
