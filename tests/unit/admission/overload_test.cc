#include "server/admission/overload.h"

#include "gtest/gtest.h"

namespace pingti::admission {
namespace {

using Controller = OverloadController;

constexpr absl::Duration kLate = absl::Milliseconds(101);
constexpr absl::Duration kInTime = absl::Milliseconds(100);

OverloadOptions Options() {
  OverloadOptions options;
  options.calls_max = 1'000;
  return options;
}

// The limit after `steps` that all see the same.
int After(int steps, Controller& controller, const Controller::Sample& sample) {
  for (int i = 0; i < steps; ++i) controller.Update(sample);
  return controller.limit();
}

TEST(LoopDelayTest, IsTheShortestSinceItWasTaken) {
  LoopDelay delay;
  delay.Note(absl::Milliseconds(3));
  delay.Note(absl::Milliseconds(1));
  delay.Note(absl::Milliseconds(2));
  EXPECT_EQ(delay.Take(), absl::Milliseconds(1));
  EXPECT_EQ(delay.Take(), absl::InfiniteDuration());
}

TEST(OverloadControllerTest, DoesNothingWhileCallsAreInTime) {
  Controller controller(Options());
  EXPECT_EQ(After(100, controller, {900, kInTime, 849}), 1'000);
  EXPECT_FALSE(controller.lowered());
}

TEST(OverloadControllerTest, ABurstIsNoOverload) {
  Controller controller(Options());
  After(Controller::kLateSteps - 1, controller, {900, kLate});
  After(1, controller, {900, kInTime});
  EXPECT_EQ(After(Controller::kLateSteps - 1, controller, {900, kLate}), 1'000);
}

TEST(OverloadControllerTest, LowersTheLimitWhereEvenTheLuckiestWaitLong) {
  Controller controller(Options());
  EXPECT_EQ(After(Controller::kLateSteps, controller, {500, kLate}), 350);
  EXPECT_TRUE(controller.lowered());
  EXPECT_EQ(After(Controller::kLateSteps, controller, {350, kLate}), 245);
}

TEST(OverloadControllerTest, DelaysLeaveSomeCalls) {
  Controller controller(Options());
  EXPECT_EQ(After(100 * Controller::kLateSteps, controller, {500, kLate}), Controller::kLimitMin);
}

TEST(OverloadControllerTest, AStepInWhichNobodyCameIsNotLate) {
  Controller controller(Options());
  After(Controller::kLateSteps - 1, controller, {500, kLate});
  EXPECT_EQ(After(1, controller, {500}), 1'000);
}

TEST(OverloadControllerTest, RaisesItAgainUpToTheConfiguredBound) {
  Controller controller(Options());
  ASSERT_EQ(After(Controller::kLateSteps, controller, {500, kLate}), 350);
  EXPECT_EQ(After(1, controller, {350, kInTime}), 367);
  EXPECT_EQ(After(100, controller, {350, kInTime}), 1'000);
  EXPECT_FALSE(controller.lowered());
}

TEST(OverloadControllerTest, MemoryAboveTheLowWatermarkLowersItAtOnceAndEverySecond) {
  Controller controller(Options());
  EXPECT_EQ(After(1, controller, {500, kInTime, 850}), 350);
  EXPECT_EQ(After(Controller::kLateSteps - 1, controller, {350, kInTime, 850}), 350);
  EXPECT_EQ(After(1, controller, {350, kInTime, 850}), 245);
}

TEST(OverloadControllerTest, NobodyIsAdmittedAboveTheHighWatermark) {
  Controller controller(Options());
  EXPECT_EQ(After(1, controller, {500, kInTime, 950}), 0);
  EXPECT_EQ(After(1, controller, {400, kInTime, 900}), 0) << "still above the low one";
  EXPECT_EQ(After(1, controller, {0, absl::InfiniteDuration(), 849}), Controller::kLimitMin);
}

TEST(OverloadControllerTest, BothCanBeSwitchedOff) {
  OverloadOptions options = Options();
  options.delay_max = absl::ZeroDuration();
  options.memory_low = options.memory_high = 0;
  Controller controller(options);
  EXPECT_EQ(After(100, controller, {500, absl::Hours(1), 1'000}), 1'000);
}

}  // namespace
}  // namespace pingti::admission
