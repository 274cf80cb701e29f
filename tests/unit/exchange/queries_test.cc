#include "server/exchange/queries.h"

#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/exchange/call_fixture.h"

namespace pingti::exchange {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the fixture of this folder
using ::testing::ElementsAre;

class QueriesTest : public CallFixture {
 protected:
  QueriesTest() { config_.tiers[0].other_classes.requests_per_minute = 3; }
  tenancy::Identity who() {
    return std::get<tenancy::Identity>(Identify(view(), kAuthorization, absl::UnixEpoch()));
  }
  std::vector<BucketReport> Quotas(const std::string& model) {
    return std::get<std::vector<BucketReport>>(Read(model));
  }
  QuotaReports Read(const std::string& model) {
    std::optional<QuotaReports> reports;
    base::Detach(ReadInto(model, &reports));
    EXPECT_TRUE(reports) << "the memory store answers at once";
    return *std::move(reports);
  }
  base::Task<void> ReadInto(const std::string& model, std::optional<QuotaReports>* reports) {
    const tenancy::Identity me = who();
    *reports = co_await ReadQuotas(worker(), view(), me, model);
  }
  View& view() { return *worker().view(); }
  template <typename T>
  static std::string ReasonOf(const std::variant<T, model::CallError>& result) {
    const auto* error = std::get_if<model::CallError>(&result);
    return error ? std::string(model::ErrorReasonName(error->reason)) : "OK";
  }
};

TEST_F(QueriesTest, AKeyIsNeeded) {
  EXPECT_EQ(who().tenant, 0u);
  EXPECT_EQ(ReasonOf(Identify(view(), "", absl::UnixEpoch())), "KEY_MISSING");
  EXPECT_EQ(ReasonOf(Identify(view(), "Bearer nope", absl::UnixEpoch())), "KEY_INVALID");
}

TEST_F(QueriesTest, CountsWhatACallWouldReserve) {
  const auto counted = CountTokens(view(), who(), Ask().request);
  const TokenCount& count = std::get<TokenCount>(counted);
  EXPECT_EQ(count.estimate.input_tokens, kInputTokens);
  EXPECT_EQ(count.estimate.output_tokens, 100);
  EXPECT_EQ(count.estimate.reserved_tokens, kReserved);
  EXPECT_EQ(count.route->first().upstream_model, "yi-large");
}

TEST_F(QueriesTest, CountingTakesNothing) {
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(ReasonOf(CountTokens(view(), who(), Ask().request)), "OK");
  EXPECT_EQ(tokens_left(), kTokenLimit);
  EXPECT_EQ(requests_left(), kRequestLimit);
  EXPECT_TRUE(transport_.exchanges().empty());
}

TEST_F(QueriesTest, CountingChecksTheRequest) {
  model::CompletionRequest bad = Ask().request;
  bad.messages.clear();
  EXPECT_EQ(ReasonOf(CountTokens(view(), who(), bad)), "FIELD_INVALID");
  model::CompletionRequest unknown = Ask().request;
  unknown.model = "gpt-5";
  EXPECT_EQ(ReasonOf(CountTokens(view(), who(), unknown)), "MODEL_UNKNOWN");
}

TEST_F(QueriesTest, ShowsTheBucketsOfAModel) {
  StartUnary();
  const std::vector<BucketReport> reports = Quotas("gpt-4o");
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].name, "tenant:acme/class:gpt-4o/requests_per_minute");
  EXPECT_EQ(reports[0].model_class, "gpt-4o");
  EXPECT_EQ(reports[0].state.remaining, kRequestLimit - 1);
  EXPECT_EQ(reports[1].name, "tenant:acme/class:gpt-4o/tokens_per_minute");
  EXPECT_EQ(reports[1].state.limit, kTokenLimit);
  EXPECT_EQ(reports[1].state.remaining, kTokenLimit - kReserved);
  EXPECT_EQ(reports[1].state.full_in, absl::Milliseconds(642));
  EXPECT_EQ(reports[1].full_at, clock_.Now() + absl::Milliseconds(642));
}

TEST_F(QueriesTest, ShowsAllBucketsWithoutAModel) {
  const std::vector<BucketReport> reports = Quotas("");
  std::vector<std::string> names;
  for (const BucketReport& report : reports) names.push_back(report.name);
  EXPECT_THAT(names, ElementsAre("tenant:acme/class:gpt-4o/requests_per_minute",
                                 "tenant:acme/class:gpt-4o/tokens_per_minute",
                                 "tenant:acme/class:yi-large/requests_per_minute"));
}

TEST_F(QueriesTest, RefusesModelsThatAreUnknownOrNotAllowed) {
  config_.tenants[0].models = {"gpt-4o", "ghost"};
  EXPECT_EQ(ReasonOf(Read("ghost")), "MODEL_UNKNOWN");
  EXPECT_EQ(ReasonOf(Read("yi-large")), "MODEL_NOT_ALLOWED");
}

TEST_F(QueriesTest, ListsTheModelsThatTheTenantMayUse) {
  const auto names = [&] {
    std::vector<std::string> all;
    for (const routing::Route* route : UsableModels(view(), who())) all.push_back(route->name);
    return all;
  };
  EXPECT_THAT(names(), ElementsAre("gpt-4o", "yi-large"));
}

TEST_F(QueriesTest, ListsNoModelThatTheTenantMayNotUse) {
  config_.tenants[0].models = {"gpt-4o"};
  const auto usable = UsableModels(view(), who());
  ASSERT_EQ(usable.size(), 1u);
  EXPECT_EQ(usable[0]->name, "gpt-4o");
}

TEST_F(QueriesTest, ListsNoModelThatTheTierCloses) {
  config_.tiers[0].other_classes.requests_per_minute = 0;
  const auto usable = UsableModels(view(), who());
  ASSERT_EQ(usable.size(), 1u);
  EXPECT_EQ(usable[0]->name, "gpt-4o");
}

TEST_F(QueriesTest, CountingObeysThePreferredProvider) {
  model::CompletionRequest request = Ask().request;
  request.routing.preferred_provider = "yi";
  EXPECT_EQ(ReasonOf(CountTokens(view(), who(), request)), "OK");
  request.routing.preferred_provider = "openai";
  EXPECT_EQ(ReasonOf(CountTokens(view(), who(), request)), "FIELD_INVALID");
}

TEST_F(QueriesTest, ShowsTheLimitsOfTheKeyToo) {
  config_.tenants[0].keys[0].limits.calls_at_once = 7;
  StartUnary();
  const std::vector<BucketReport> reports = Quotas("gpt-4o");
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[2].name, "tenant:acme/key:acme/calls_at_once");
  EXPECT_EQ(reports[2].model_class, "");
  EXPECT_EQ(reports[2].state.limit, 7);
  EXPECT_EQ(reports[2].state.remaining, 6);
}

TEST_F(QueriesTest, AQueryIsCounted) {
  const tenancy::KeyOwner me{false, who().tenant, who().key_id};
  RecordQuery(worker(), view(), telemetry::Method::kCountTokens, "id", &me, nullptr,
              clock_.MonotonicNow(), "peer");
  const model::CallError error = worker().runtime().routes().Unknown("gpt-5");
  RecordQuery(worker(), view(), telemetry::Method::kGetQuota, "id", nullptr, &error,
              clock_.MonotonicNow(), "peer");
  EXPECT_EQ(worker()
                .refused_series("acme", telemetry::Method::kCountTokens)
                .calls[telemetry::kResultOk]
                .value(),
            1);
  EXPECT_EQ(worker()
                .refused_series("", telemetry::Method::kGetQuota)
                .calls[telemetry::ResultOf(model::ErrorReason::kModelUnknown)]
                .value(),
            1);
}

}  // namespace
}  // namespace pingti::exchange
