// Four pingti-servers that share their limits in one Redis: hundreds of callers get what the limits
// say and not one more. What counts is what the simulated provider has counted.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/replicas.h"
#include "tests/redis/redis_server.h"

namespace pingti::integration {
namespace {

using testing_redis::RedisServer;

constexpr int kCallers = 400;
constexpr double kWindowUs = 60e6;
constexpr int kTier3Requests = 5'000;
constexpr int kTier3Tokens = 600'000;
constexpr int kTinyRequests = 3;
constexpr int kTinyTokens = 3'000;
// Of a call that asks for kOutputTokensMax and gets kOutputTokens. The maximum is reserved before:
// strict. So what is not reserved is at most the prompt, and it has at most so many tokens, also as
// they are estimated.
constexpr int kOutputTokensMax = 900;
constexpr int kOutputTokens = 300;
constexpr int64_t kPromptTokensMax = 32;
constexpr int64_t kReservationMax = kOutputTokensMax + kPromptTokensMax;

// A long budget: hundreds of callers on a small machine are no outage of Redis.
constexpr char kLimitsConfig[] = R"(
timeouts: $timeouts$
quota:
  replicas: 4
  redis: {address: "$redis$", timeout: 1s}
providers:
  - {name: simulated, dialect: openai, base_url: "$url:simulated$", no_key: true}
models:
  - {name: chat, provider: simulated, context_tokens: 100000}
tiers:
  - name: Tier3
    policy: strict
    other_classes: {requests_per_minute: 5000, tokens_per_minute: 600000}
  - {name: TinyRequests, policy: strict, other_classes: {requests_per_minute: 3}}
  - {name: TinyTokens, policy: strict, other_classes: {tokens_per_minute: 3000}}
tenants:
  - {name: requests, tier: Tier3, keys: [{record: "$key:requests$"}]}
  - {name: tokens, tier: Tier3, keys: [{record: "$key:tokens$"}]}
  - {name: tiny-requests, tier: TinyRequests, keys: [{record: "$key:tiny-requests$"}]}
  - {name: tiny-tokens, tier: TinyTokens, keys: [{record: "$key:tiny-tokens$"}]}
)";

// What a crowd did, as the provider counted it.
struct Counted {
  double elapsed_us = 0;  // no less than the limits have had to refill
  int64_t requests = 0;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t calls = 0;  // also refused ones
  // Decisions of local shares. None, unless this machine stands still for a second: then Redis
  // does not answer in time, and what the shares admit comes on top.
  int64_t local = 0;

  int64_t AtMost(int limit, int64_t per_call) const {
    return limit + static_cast<int64_t>(limit * elapsed_us / kWindowUs) + local * per_call;
  }
};

class LimitsOfReplicasTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    redis_ = std::make_unique<RedisServer>();
    replicas_ = std::make_unique<Replicas>(kLimitsConfig, redis_->address());
    ASSERT_TRUE(replicas_->WaitUntilAllShare());
  }
  static void TearDownTestSuite() {
    replicas_->StopCleanly();
    replicas_.reset();
    redis_.reset();
  }

  static Provider& provider() { return replicas_->provider("simulated"); }
  static int64_t Local() {
    return static_cast<int64_t>(replicas_->Sum("pingti_quota_store_down_decisions_total"));
  }

  // Callers of a tenant, over all replicas, who call until their first refusal.
  static void AddCallers(int count, const std::string& tenant, Crowd* crowd) {
    const bool small = tenant.ends_with("requests");
    v1::CompletionSpec spec =
        Ask("Hello [sim:output_tokens=" + std::to_string(small ? 8 : kOutputTokens) + "]");
    spec.mutable_sampling()->set_max_output_tokens(small ? 8 : kOutputTokensMax);
    for (int i = 0; i < count; ++i) {
      CallerOptions caller = replicas_->Caller(i % kReplicas, tenant, spec);
      caller.until_refused = true;
      crowd->Add(std::move(caller));
    }
  }

  // kCallers callers call at once. The provider answers nobody before `at_once` of them have been
  // admitted. When all of them have been refused, one more takes what has been given back.
  static Counted CallAll(const std::string& tenant, int at_once) {
    provider().Reset();
    Counted counted;
    counted.local = -Local();
    counted.elapsed_us = -static_cast<double>(redis_->NowUs());
    provider().process().Signal(SIGSTOP);
    Crowd crowd;
    AddCallers(kCallers, tenant, &crowd);
    crowd.Start();
    EXPECT_TRUE(Eventually([&] {
      return replicas_->Sum("pingti_upstream_transfers_in_flight") >= at_once;
    })) << replicas_->Sum("pingti_upstream_transfers_in_flight");
    provider().process().Signal(SIGCONT);
    EXPECT_TRUE(crowd.WaitUntilAllEnded(5 * WaitMax()));
    crowd.Stop();
    Crowd last;
    AddCallers(1, tenant, &last);
    last.Start();
    EXPECT_TRUE(last.WaitUntilAllEnded(WaitMax()));
    last.Stop();
    counted.elapsed_us += static_cast<double>(redis_->NowUs());
    counted.local += Local();
    counted.requests = provider().Stat("requests");
    counted.prompt_tokens = provider().Stat("prompt_tokens");
    counted.completion_tokens = provider().Stat("completion_tokens");
    std::vector<CallResult> calls = crowd.Results();
    for (CallResult& call : last.Results()) calls.push_back(std::move(call));
    ExpectAnsweredOrRefused(calls, counted);
    return counted;
  }

  static void ExpectAnsweredOrRefused(const std::vector<CallResult>& calls,
                                      const Counted& counted) {
    int64_t answered = 0;
    for (const CallResult& call : calls) {
      if (call.ok()) {
        ++answered;
        continue;
      }
      ASSERT_EQ(call.error.reason, "QUOTA_EXCEEDED") << call.error.message;
      ASSERT_TRUE(call.error.retry_delay);
    }
    EXPECT_EQ(answered, counted.requests);
    // Else Redis has decided next to nothing, and the bounds below say nothing.
    EXPECT_LE(counted.local, static_cast<int64_t>(calls.size()) / 10);
    std::printf("%.2f s, %zu calls, %ld answered, %ld + %ld tokens, %ld decided locally\n",
                counted.elapsed_us / 1e6, calls.size(), counted.requests, counted.prompt_tokens,
                counted.completion_tokens, counted.local);
  }

  static void ExpectRequests(const Counted& counted, int limit) {
    EXPECT_LE(counted.requests, counted.AtMost(limit, 1));
    if (counted.local == 0) {
      EXPECT_GE(counted.requests, limit - 1);
    }
  }

  static void ExpectTokens(const Counted& counted, int limit) {
    const int64_t most = counted.AtMost(limit, kOutputTokensMax);
    EXPECT_LE(counted.completion_tokens, most);
    EXPECT_LE(counted.completion_tokens + counted.prompt_tokens, most + counted.prompt_tokens);
    // The last one was refused because one reservation did not fit, when at most its call before
    // had not yet been settled.
    if (counted.local == 0) {
      EXPECT_GE(counted.completion_tokens + counted.prompt_tokens, limit - 2 * kReservationMax);
    }
  }

  static inline std::unique_ptr<RedisServer> redis_;
  static inline std::unique_ptr<Replicas> replicas_;
};

TEST_F(LimitsOfReplicasTest, HundredsOfCallersGetTheRequestsOfTheirTier) {
  ExpectRequests(CallAll("requests", kCallers), kTier3Requests);
}

TEST_F(LimitsOfReplicasTest, HundredsOfCallersGetTheTokensOfTheirTier) {
  ExpectTokens(CallAll("tokens", kCallers), kTier3Tokens);
}

TEST_F(LimitsOfReplicasTest, HundredsOfCallersGetTheFewRequestsOfATinyTier) {
  ExpectRequests(CallAll("tiny-requests", kTinyRequests), kTinyRequests);
}

TEST_F(LimitsOfReplicasTest, HundredsOfCallersGetTheFewTokensOfATinyTier) {
  ExpectTokens(CallAll("tiny-tokens", kTinyTokens / kReservationMax), kTinyTokens);
}

}  // namespace
}  // namespace pingti::integration
