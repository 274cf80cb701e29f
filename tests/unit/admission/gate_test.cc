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

TEST(OverloadedErrorTest, SaysWhenToComeBack) {
  const model::CallError error = OverloadedError();
  EXPECT_EQ(error.reason, model::ErrorReason::kOverloaded);
  EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(error.retry_delay, absl::Seconds(1));
}

}  // namespace
}  // namespace pingti::admission
