#include "server/quota/reservation.h"

#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace pingti::quota {
namespace {

// A store that keeps what it is told.
class RecordingStore final : public QuotaStore {
 public:
  void Reserve(const Demand& /*demand*/, base::Instant /*now*/, ReserveReply* /*reply*/,
               base::Signal* /*signal*/) override {}
  void Apply(const Change& change, base::Instant now) override {
    changes.push_back(change);
    last = now;
  }
  void Read(std::span<BucketSet* const> /*scopes*/, base::Instant /*now*/, ReadReply* /*reply*/,
            base::Signal* /*signal*/) override {}
  void Correct(BucketSet& /*scope*/, Dimension /*dimension*/, int64_t /*remaining*/,
               absl::Duration /*not_before*/, base::Instant /*now*/) override {}

  std::vector<Change> changes;
  base::Instant last;
};

model::Usage Used(int64_t input, int64_t output, bool lower_bound = false) {
  model::Usage usage;
  usage.input_tokens = input;
  usage.output_tokens = output;
  usage.source = model::UsageSource::kMeasured;
  usage.lower_bound = lower_bound;
  return usage;
}

class ReservationTest : public ::testing::Test {
 protected:
  Reservation Hold(int64_t tokens) {
    demand_.scopes[0] = &set_;
    demand_.scope_count = 1;
    demand_.tokens = tokens;
    ReserveReply reply;
    reply.state = ReserveReply::State::kGranted;
    reply.id = ++id_;
    reply.granted_by = GrantedBy::kLocalShare;
    reply.shadow_by_scope = {2, 4};
    return Reservation(store_, demand_, reply, clock_, dropped_);
  }
  base::Instant now() const { return clock_.MonotonicNow(); }

  BucketSet set_{"tenant:acme/class:gpt-4o", config::ClassLimits()};
  RecordingStore store_;
  fakes::FakeClock clock_;
  telemetry::Counter dropped_;
  Demand demand_;
  uint64_t id_ = 0;
};

TEST_F(ReservationTest, AnEmptyOneHoldsNothing) {
  Reservation reservation;
  EXPECT_FALSE(reservation.open());
  reservation.Grow(5, now());
  reservation.Settle(Used(1, 1), true, now());
  EXPECT_TRUE(store_.changes.empty());
}

TEST_F(ReservationTest, TheEndSaysWhatWasGrantedByWhomAndAsWhat) {
  Reservation reservation = Hold(400);
  EXPECT_TRUE(reservation.open());
  EXPECT_EQ(reservation.tokens(), 400);
  reservation.Settle(Used(100, 50), true, now());
  EXPECT_FALSE(reservation.open());
  ASSERT_EQ(store_.changes.size(), 1u);
  const Change& end = store_.changes[0];
  EXPECT_EQ(end.id, 1u);
  EXPECT_EQ(end.demand.scope_count, 1);
  EXPECT_EQ(end.demand.scopes[0], &set_);
  EXPECT_EQ(end.granted_by, GrantedBy::kLocalShare);
  EXPECT_EQ(end.shadow_by_scope, (ShadowByScope{2, 4}));
  EXPECT_EQ(end.tokens, -250);
  EXPECT_FALSE(end.give_request_back);
  EXPECT_TRUE(end.free_slot);
}

TEST_F(ReservationTest, SettlingTakesMore) {
  Hold(400).Settle(Used(1'000, 500), true, now());
  ASSERT_EQ(store_.changes.size(), 1u);
  EXPECT_EQ(store_.changes[0].tokens, 1'100);
}

TEST_F(ReservationTest, ACallThatNeverReachedTheProviderGivesTheRequestBack) {
  Hold(400).Settle(model::Usage(), false, now());
  ASSERT_EQ(store_.changes.size(), 1u);
  EXPECT_EQ(store_.changes[0].tokens, -400);
  EXPECT_TRUE(store_.changes[0].give_request_back);
}

TEST_F(ReservationTest, ALowerBoundNeverGivesBack) {
  Hold(400).Settle(Used(10, 5, true), true, now());
  Hold(400).Settle(Used(400, 50, true), true, now());
  ASSERT_EQ(store_.changes.size(), 2u);
  EXPECT_EQ(store_.changes[0].tokens, 0);
  EXPECT_TRUE(store_.changes[0].free_slot);
  EXPECT_EQ(store_.changes[1].tokens, 50);
}

TEST_F(ReservationTest, OnlyTheFirstSettlementCounts) {
  Reservation reservation = Hold(400);
  reservation.Settle(Used(100, 0), true, now());
  reservation.Settle(Used(0, 0), false, now());
  reservation.Grow(900, now());
  EXPECT_EQ(store_.changes.size(), 1u);
}

TEST_F(ReservationTest, GrowingTakesTheDifferenceAndTheEndKnowsOfIt) {
  Reservation reservation = Hold(400);
  reservation.Grow(300, now());
  EXPECT_TRUE(store_.changes.empty());
  reservation.Grow(500, now());
  reservation.Grow(1'200, now());
  EXPECT_EQ(reservation.tokens(), 1'200);
  ASSERT_EQ(store_.changes.size(), 2u);
  EXPECT_EQ(store_.changes[0].tokens, 100);
  EXPECT_EQ(store_.changes[1].tokens, 700);
  EXPECT_FALSE(store_.changes[1].free_slot);
  reservation.Settle(Used(1'000, 250), true, now());
  EXPECT_EQ(store_.changes[2].tokens, 50);
  EXPECT_TRUE(store_.changes[2].free_slot);
}

TEST_F(ReservationTest, DroppingAnOpenOneIsCountedAndEndsItAsAllUsed) {
  clock_.Advance(absl::Seconds(3));
  {
    const Reservation reservation = Hold(400);
  }
  EXPECT_EQ(dropped_.value(), 1);
  ASSERT_EQ(store_.changes.size(), 1u);
  EXPECT_EQ(store_.changes[0].tokens, 0);
  EXPECT_FALSE(store_.changes[0].give_request_back);
  EXPECT_TRUE(store_.changes[0].free_slot);
  EXPECT_EQ(store_.last, now());
}

TEST_F(ReservationTest, MovedFromHoldsNothing) {
  Reservation from = Hold(400);
  {
    Reservation to = std::move(from);
    from.Settle(Used(0, 0), false, now());  // NOLINT(bugprone-use-after-move): that is the test
    EXPECT_FALSE(from.open());
    EXPECT_TRUE(store_.changes.empty());
    EXPECT_TRUE(to.open());
    to.Settle(Used(0, 0), false, now());
  }
  EXPECT_EQ(store_.changes.size(), 1u);
  EXPECT_EQ(dropped_.value(), 0);
}

TEST_F(ReservationTest, AssigningDropsWhatWasHeld) {
  Reservation reservation = Hold(400);
  reservation = Hold(70);
  EXPECT_EQ(dropped_.value(), 1);
  ASSERT_EQ(store_.changes.size(), 1u);
  EXPECT_EQ(store_.changes[0].id, 1u);
  EXPECT_EQ(reservation.tokens(), 70);
  reservation.Settle(Used(70, 0), true, now());
  EXPECT_EQ(store_.changes[1].id, 2u);
  EXPECT_EQ(dropped_.value(), 1);
}

}  // namespace
}  // namespace pingti::quota
