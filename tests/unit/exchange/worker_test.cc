#include "server/exchange/worker.h"

#include "gtest/gtest.h"
#include "server/exchange/call.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder

class WorkerTest : public CallFixture {};

TEST_F(WorkerTest, SeriesAreResolvedOncePerTenantAndRoute) {
  const routing::Route& gpt = *worker().runtime().routes().Find("gpt-4o");
  const routing::Route& yi = *worker().runtime().routes().Find("yi-large");
  const Series& series = worker().view()->series(0, gpt);
  EXPECT_EQ(&worker().view()->series(0, gpt), &series);
  EXPECT_NE(series.first().unary, series.first().stream);
  EXPECT_NE(worker().view()->series(0, yi).first().unary, series.first().unary);
  // Both are served by the same target.
  EXPECT_EQ(worker().view()->series(0, yi).first().attempts, series.first().attempts);
}

TEST_F(WorkerTest, ACallKeepsTheConfigurationThatItBeganWith) {
  Running& running = StartStreaming();
  EXPECT_EQ(requests_left(), kRequestLimit - 1);
  const std::weak_ptr<View> old = worker().view();
  const telemetry::CallStats* const stats = series().first().stream;
  config_.tenants.insert(config_.tenants.begin(), config::Tenant())->name = "other";
  config_.tenants[0].tier = "Tier1";
  config_.tiers[0].classes["gpt-4o"].requests_per_minute = 2 * kRequestLimit;
  auto made = Runtime::Make(std::make_shared<const config::Config>(config_), &worker().runtime(),
                            clock_.MonotonicNow());
  ASSERT_TRUE(made.ok());
  worker().SetRuntime(*std::move(made));
  // The tenant's number is another one now; its counters and what it has used up are the same.
  ASSERT_FALSE(old.expired());
  const routing::Route& route = *worker().runtime().routes().Find("gpt-4o");
  EXPECT_EQ(worker().view()->series(1, route).first().stream, stats);
  quota::BucketSet& set = *worker().runtime().quotas().Find(1, "gpt-4o");
  EXPECT_EQ(set.Read(quota::Dimension::kRequestsPerMinute, clock_.MonotonicNow())->remaining,
            2 * kRequestLimit - 1);

  exchange().Body(UsageChunk(8, 5) + kStop + kDone);
  exchange().End();
  EXPECT_EQ(ReasonOf(running), "OK");
  EXPECT_EQ(stats->calls[0].value(), 1);
  EXPECT_EQ(set.Read(quota::Dimension::kTokensPerMinute, clock_.MonotonicNow())->remaining,
            kTokenLimit - 13);
}

TEST_F(WorkerTest, RefusedSeriesAreResolvedOncePerTenantAndMethod) {
  telemetry::CallStats& refused = worker().refused_series("acme", telemetry::Method::kUnary);
  EXPECT_EQ(&worker().refused_series("acme", telemetry::Method::kUnary), &refused);
  EXPECT_NE(&worker().refused_series("", telemetry::Method::kUnary), &refused);
  EXPECT_NE(&worker().refused_series("acme", telemetry::Method::kStream), &refused);
}

TEST_F(WorkerTest, KnowsItsCallsInAnyOrderOfTheirEnds) {
  Running* running[5];
  for (Running*& one : running) one = &StartUnary();
  EXPECT_EQ(worker().stats().calls_in_flight.value(), 5);
  for (const int index : {2, 0, 4}) running[index]->call->Stop(StopCause::kCallerCancelled);
  EXPECT_EQ(worker().stats().calls_in_flight.value(), 2);
  worker().StopAll();
  EXPECT_EQ(worker().stats().calls_in_flight.value(), 0);
  for (const int index : {1, 3}) EXPECT_EQ(ReasonOf(*running[index]), "DRAINING");
}

TEST_F(WorkerTest, StoppingAnEmptyWorkerIsFine) {
  worker().StopAll();
  worker().StopAll();
  EXPECT_TRUE(worker().stopping());
}

}  // namespace
}  // namespace pingti::exchange
