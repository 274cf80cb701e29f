#include "server/admission/gate.h"

#include "gtest/gtest.h"

namespace pingti::admission {
namespace {

TEST(GateTest, LetsInUpToItsBound) {
  Gate gate(2);
  EXPECT_TRUE(gate.Enter());
  EXPECT_TRUE(gate.Enter());
  EXPECT_FALSE(gate.Enter());
  EXPECT_EQ(gate.calls(), 2);
}

TEST(GateTest, LetsInAgainAfterOneHasLeft) {
  Gate gate(1);
  ASSERT_TRUE(gate.Enter());
  ASSERT_FALSE(gate.Enter());
  gate.Leave();
  EXPECT_EQ(gate.calls(), 0);
  EXPECT_TRUE(gate.Enter());
}

// `calls` of `tenant` come; how many of them are admitted.
int Come(int calls, Gate& gate, TenantLoad& tenant) {
  int admitted = 0;
  for (int i = 0; i < calls; ++i) {
    EXPECT_TRUE(gate.Enter());
    if (gate.Admit(tenant)) {
      ++admitted;
    } else {
      gate.Leave();
    }
  }
  return admitted;
}

TEST(GateTest, ATenantAloneHasTheWholeLimit) {
  Gate gate(100);
  gate.set_limit(10);
  TenantLoad tenant;
  EXPECT_EQ(Come(12, gate, tenant), 10);
  EXPECT_EQ(gate.calls(), 10);
}

TEST(GateTest, TheLargestTenantIsRefusedFirst) {
  Gate gate(100);
  TenantLoad large, small;
  EXPECT_EQ(Come(50, gate, large), 50);
  gate.set_limit(20);
  EXPECT_EQ(gate.excess(), 30);
  EXPECT_EQ(Come(1, gate, large), 0);
  EXPECT_EQ(Come(15, gate, small), 10) << "its share of the limit";
}

TEST(GateTest, WhoHasFewCallsIsServedBesideManyTenants) {
  Gate gate(100);
  gate.set_limit(2);
  TenantLoad first, second, third;
  EXPECT_EQ(Come(5, gate, first), 2);
  EXPECT_EQ(Come(5, gate, second), 1);
  EXPECT_EQ(Come(5, gate, third), 1);
}

TEST(GateTest, WhatIsReleasedMakesRoom) {
  Gate gate(100);
  gate.set_limit(1);
  TenantLoad tenant;
  ASSERT_EQ(Come(2, gate, tenant), 1);
  gate.Release(tenant);
  gate.Leave();
  EXPECT_EQ(tenant.calls, 0);
  EXPECT_EQ(Come(2, gate, tenant), 1);
}

TEST(GateTest, ALimitOfNoneAdmitsNobody) {
  Gate gate(100);
  gate.set_limit(0);
  TenantLoad tenant;
  EXPECT_EQ(Come(1, gate, tenant), 0);
}

TEST(TenantLoadsTest, KeepWhatIsHeld) {
  TenantLoads loads;
  const auto held = loads.Find("held");
  loads.Find("forgotten")->calls = 4;
  held->calls = 3;
  loads.Prune();
  EXPECT_EQ(loads.Find("held"), held);
  EXPECT_EQ(loads.Find("forgotten")->calls, 0);
}

TEST(OverloadedErrorTest, SaysWhenToComeBack) {
  const model::CallError error = OverloadedError();
  EXPECT_EQ(error.reason, model::ErrorReason::kOverloaded);
  EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(error.retry_delay, absl::Seconds(1));
}

}  // namespace
}  // namespace pingti::admission
