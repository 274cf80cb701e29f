// Quotas as the caller sees them: what a refusal says, what GetQuota shows, what a call takes and
// gives back.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/integration/raw_call.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using client::Error;
using grpc::StatusCode;
using testing::HasSubstr;

class QuotaTest : public testing::Test {
 protected:
  // A World of its own for each test: buckets are empty for minutes.
  void TearDown() override { world_.Stop(); }

  // Since the test began: no less than what the buckets have had to refill.
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }

  std::string RequestBytes(const v1::CompletionSpec& spec) {
    v1::GenerateCompletionRequest request;
    *request.mutable_spec() = spec;
    return request.SerializeAsString();
  }

  World world_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

TEST_F(QuotaTest, RequestsPerMinute) {
  const client::Client client = world_.Client("tiny");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.Generate(Ask("Hello")).ok()) << i;
  const int64_t reached = world_.provider().Stat("requests");
  const auto unary = client.Generate(Ask("Hello"));
  const Streamed stream = ReadAll(client.Stream(Ask("Hello")));
  ASSERT_FALSE(unary.ok());
  for (const Error& error : {unary.error(), stream.error}) {
    EXPECT_EQ(error.code, StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(error.reason, "QUOTA_EXCEEDED");
    ASSERT_TRUE(error.retry_delay);
    // One request comes back in 12 s.
    EXPECT_GT(*error.retry_delay, Millis(0));
    EXPECT_LE(*error.retry_delay, Millis(12'000));
    ASSERT_EQ(error.quota_violations.size(), 1u);
    EXPECT_EQ(error.quota_violations[0].subject, "tenant:tiny/class:chat");
    EXPECT_THAT(error.quota_violations[0].description, HasSubstr("requests_per_minute"));
    EXPECT_EQ(error.metadata.at("bucket"), "tenant:tiny/class:chat/requests_per_minute");
    EXPECT_EQ(error.metadata.at("limit"), "5");
    EXPECT_EQ(error.metadata.at("remaining"), "0");
    EXPECT_EQ(error.metadata.at("requested"), "1");
    EXPECT_GT(std::stoll(error.metadata.at("reset_ms")), 12'000);
    EXPECT_FALSE(error.request_id.empty());
  }
  EXPECT_EQ(world_.provider().Stat("requests"), reached);
  // Another tenant is not touched, and neither is another class of models.
  EXPECT_TRUE(world_.Client("acme").Generate(Ask("Hello")).ok());
  EXPECT_TRUE(client.Generate(Ask("Hello", "plain")).ok());
}

TEST_F(QuotaTest, RefusalHasTheHeadersOfTheBuckets) {
  for (int i = 0; i < 6; ++i) {
    RawCall call(world_.server().Channel(), "/pingti.v1.Completion/GenerateCompletion",
                 RequestBytes(Ask("Hello")), {{"authorization", "Bearer " + world_.key("tiny")}});
    const Error error = call.Finish();
    EXPECT_EQ(error.ok(), i < 5) << error.message;
    EXPECT_EQ(call.InitialHeader("x-ratelimit-limit-requests"), "5");
    EXPECT_EQ(call.InitialHeader("x-ratelimit-remaining-requests"),
              std::to_string(i < 5 ? 4 - i : 0));
    EXPECT_EQ(call.InitialHeader("x-ratelimit-limit-tokens"), "6000");
    EXPECT_THAT(call.InitialHeader("x-ratelimit-reset-requests"),
                testing::MatchesRegex("([0-9]+m)?[0-9.]+s|[0-9]+ms"));
    EXPECT_EQ(call.InitialHeader("x-request-id"),
              error.ok() ? call.InitialHeader("x-request-id") : error.request_id);
    EXPECT_NE(call.InitialHeader("x-request-id"), "");
  }
}

TEST_F(QuotaTest, TokensPerMinuteAndTheTimeToWait) {
  // 600 a minute, 10 a second. The reservation of this call is its limit of 500 and its prompt.
  v1::CompletionSpec spec = Ask("Hello [sim:output_tokens=500]");
  spec.mutable_sampling()->set_max_output_tokens(500);
  const client::Client client = world_.Client("exact");
  const auto first = client.Generate(spec);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->usage().output_tokens(), 500);
  const auto second = client.Generate(spec);
  ASSERT_FALSE(second.ok());
  const Error& error = second.error();
  EXPECT_EQ(error.reason, "QUOTA_EXCEEDED");
  EXPECT_EQ(error.metadata.at("bucket"), "tenant:exact/class:chat/tokens_per_minute");
  const int64_t requested = std::stoll(error.metadata.at("requested"));
  const int64_t remaining = std::stoll(error.metadata.at("remaining"));
  EXPECT_GT(requested, 500);
  EXPECT_LT(remaining, 400);  // 90 were left, and more have come since
  // What is missing comes at 10 a second, and `remaining` is rounded down to a whole token.
  ASSERT_TRUE(error.retry_delay);
  EXPECT_NEAR(static_cast<double>(error.retry_delay->count()),
              static_cast<double>(requested - remaining) * 100, 101);
}

TEST_F(QuotaTest, UnusedReservationComesBack) {
  const int64_t before = world_.TokensLeft("drip");
  EXPECT_EQ(before, 600);
  v1::CompletionSpec spec = Ask("Hello [sim:output_tokens=20]");
  spec.mutable_sampling()->set_max_output_tokens(400);
  const auto answer = world_.Client("drip").Generate(spec);
  ASSERT_TRUE(answer.ok());
  const int64_t used = answer->usage().input_tokens() + answer->usage().output_tokens();
  EXPECT_LT(used, 50);
  // 10 tokens a second and one request a second have come back since.
  const int64_t after = world_.TokensLeft("drip");
  EXPECT_GE(after, before - used);
  EXPECT_LE(after, before - used + static_cast<int64_t>(10 * Seconds()) + 1);
  const int64_t requests = world_.RequestsLeft("drip");
  EXPECT_GE(requests, 59);
  EXPECT_LE(requests, 59 + static_cast<int64_t>(Seconds()));
}

TEST_F(QuotaTest, AnswerLongerThanReservedIsChargedWhole) {
  // 64 tokens are reserved where the caller sets no limit; the answer has 1500, more than there is,
  // and 10 a second come back.
  const auto answer = world_.Client("drip").Generate(Ask("Hello [sim:output_tokens=1500]"));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_LT(world_.TokensLeft("drip"), -700);  // in debt
  const auto next = world_.Client("drip").Generate(Ask("Hello"));
  ASSERT_FALSE(next.ok());
  EXPECT_EQ(next.error().reason, "QUOTA_EXCEEDED");
  EXPECT_GT(*next.error().retry_delay, Millis(70'000));
  EXPECT_LT(world_.server().Scrape().Sum("pingti_quota_remaining",
                                         {"tenant=\"drip\"", "dimension=\"tokens_per_minute\""}),
            -700);
}

TEST_F(QuotaTest, ImpossibleSizeHasNoTimeToWait) {
  v1::CompletionSpec spec = Ask("Hello");
  spec.mutable_sampling()->set_max_output_tokens(10'000);
  const auto unary = world_.Client("exact").Generate(spec);
  const Streamed stream = ReadAll(world_.Client("exact").Stream(spec));
  ASSERT_FALSE(unary.ok());
  for (const Error& error : {unary.error(), stream.error}) {
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.reason, "EXCEEDS_LIMIT");
    EXPECT_FALSE(error.retry_delay);
    EXPECT_EQ(error.metadata.at("bucket"), "tenant:exact/class:chat/tokens_per_minute");
    EXPECT_EQ(error.metadata.at("limit"), "600");
    EXPECT_GT(std::stoll(error.metadata.at("requested")), 10'000);
  }
  EXPECT_EQ(world_.TokensLeft("exact"), 600);
  EXPECT_EQ(world_.RequestsLeft("exact"), 60);
  EXPECT_EQ(world_.provider().Stat("requests"), 0);
}

TEST_F(QuotaTest, GetQuotaShowsTheBuckets) {
  const auto all = world_.Client("tiny").GetQuota();
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->tenant(), "tiny");
  EXPECT_EQ(all->tier(), "Tiny");
  EXPECT_EQ(all->buckets_size(), 12);  // six classes, two dimensions
  // So many tokens that they come back in 20 s.
  ASSERT_TRUE(world_.Client("tiny").Generate(Ask("Hello [sim:output_tokens=2000]")).ok());
  const auto one = world_.Client("tiny").GetQuota("old-chat");  // an alias has its model's class
  ASSERT_TRUE(one.ok());
  ASSERT_EQ(one->buckets_size(), 2);
  const v1::QuotaBucket& requests = one->buckets(0);
  EXPECT_EQ(requests.name(), "tenant:tiny/class:chat/requests_per_minute");
  EXPECT_EQ(requests.model_class(), "chat");
  EXPECT_EQ(requests.dimension(), v1::QUOTA_DIMENSION_REQUESTS_PER_MINUTE);
  EXPECT_EQ(requests.limit(), 5);
  EXPECT_EQ(requests.remaining(), 4);
  EXPECT_GT(static_cast<double>(requests.full_in().seconds()), 11 - Seconds());
  EXPECT_LE(requests.full_in().seconds(), 12);
  EXPECT_EQ(one->buckets(1).dimension(), v1::QUOTA_DIMENSION_TOKENS_PER_MINUTE);
  EXPECT_LT(one->buckets(1).remaining(), 6000);
  EXPECT_EQ(world_.Client("tiny").GetQuota("no-such").error().reason, "MODEL_UNKNOWN");
  // Asking takes nothing.
  EXPECT_EQ(world_.RequestsLeft("tiny"), 4);
}

TEST_F(QuotaTest, LimitHoldsForManyAtOnce) {
  constexpr int kCallers = 24;
  std::vector<std::thread> threads;
  std::atomic<int> admitted = 0;
  std::atomic<int> refused = 0;
  for (int i = 0; i < kCallers; ++i) {
    threads.emplace_back([&] {
      const auto answer = world_.Client("tiny").Generate(Ask("Hello [sim:latency_ms=200]"));
      if (answer.ok()) {
        ++admitted;
      } else if (answer.error().reason == "QUOTA_EXCEEDED") {
        ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, 5);
  EXPECT_EQ(refused, kCallers - 5);
  EXPECT_EQ(world_.provider().Stat("requests"), 5);
  const Metrics metrics = world_.server().Scrape();
  EXPECT_EQ(metrics.Sum("pingti_quota_admitted_total", {"tenant=\"tiny\""}), 5);
  EXPECT_EQ(metrics.Sum("pingti_quota_refusals_total",
                        {"tenant=\"tiny\"", "dimension=\"requests_per_minute\""}),
            kCallers - 5);
}

}  // namespace
}  // namespace pingti::integration
