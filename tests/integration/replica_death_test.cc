// One of four pingti-servers that share their limits in one Redis is killed under load: what it
// held comes back, the others go on, and never is more admitted than the limits say.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "tests/integration/replicas.h"
#include "tests/redis/redis_server.h"

namespace pingti::integration {
namespace {

using std::chrono::steady_clock;
using testing_redis::RedisServer;

constexpr int kAtOnce = 8;
constexpr int kHeldByTheDead = 4;
// Buckets that are full again a second after they were empty.
constexpr int kRequests = 100;
constexpr int kTokens = 5'000;
constexpr double kWindowUs = 1e6;
constexpr int kDead = 0;
constexpr Millis kForEver(600'000);
constexpr Millis kLease(3'000);
// What the machine may add to it. Without leases it would take for ever.
constexpr Millis kSlackMax(3'000);

// A long budget: a busy machine is no outage of Redis.
std::string Config() {
  return R"(
timeouts: $timeouts$
quota:
  replicas: 4
  redis: {address: "$redis$", timeout: 1s, slot_lease: )" +
         ScaledText(kLease) + R"(}
providers:
  - {name: slots, dialect: openai, base_url: "$url:slots$", no_key: true}
  - {name: buckets, dialect: openai, base_url: "$url:buckets$", no_key: true}
models:
  - {name: slots, provider: slots, context_tokens: 100000}
  - {name: buckets, provider: buckets, context_tokens: 100000}
tiers:
  - {name: Slots, other_classes: {calls_at_once: 8}}
  - name: Buckets
    policy: strict
    other_classes:
      requests_per_minute: {limit: 6000, burst: 100}
      tokens_per_minute: {limit: 300000, burst: 5000}
tenants:
  - {name: slots, tier: Slots, keys: [{record: "$key:slots$"}]}
  - {name: buckets, tier: Buckets, keys: [{record: "$key:buckets$"}]}
)";
}

v1::CompletionSpec AskForSlot(Millis time) {
  return Ask("Hello [sim:first_token_ms=" + std::to_string(time.count()) + "]", "slots");
}

v1::CompletionSpec AskForTokens() {
  v1::CompletionSpec spec = Ask("Hello [sim:output_tokens=50]", "buckets");
  spec.mutable_sampling()->set_max_output_tokens(90);
  return spec;
}

class ReplicaDeathTest : public testing::Test {
 protected:
  ReplicaDeathTest() { EXPECT_TRUE(replicas_.WaitUntilAllShare()); }

  Provider& slots() { return replicas_.provider("slots"); }
  Provider& buckets() { return replicas_.provider("buckets"); }
  // Calls that have a slot, as the provider sees it.
  int64_t InSlots() {
    const int64_t calls = slots().Stat("in_flight");
    const TimePoint now = steady_clock::now();
    most_in_slots_ = std::max(most_in_slots_, calls);
    if (looked_ != TimePoint()) longest_blink_ = std::max(longest_blink_, now - looked_);
    looked_ = now;
    return calls;
  }

  void AddCallers(int count, int replica, const std::string& tenant, const v1::CompletionSpec& spec,
                  Crowd* crowd) {
    for (int i = 0; i < count; ++i) {
      CallerOptions caller = replicas_.Caller(replica, tenant, spec);
      caller.pause = Scaled(Millis(20));
      crowd->Add(std::move(caller));
    }
  }

  // Whether each replica but the dead one has answered calls of `tenant` that began after `then`.
  static bool OthersServe(const Crowd& crowd, const std::string& tenant, TimePoint then) {
    for (int replica = 0; replica < kReplicas; ++replica) {
      const int answered = crowd.Count([&](const CallResult& call) {
        return call.ok() && call.replica == replica && call.tenant == tenant && call.began > then;
      });
      if (replica != kDead && answered < 5) return false;
    }
    return true;
  }

  // What the provider counted in `elapsed_us` is within the limits.
  void ExpectWithinLimits(double elapsed_us) {
    const auto refilled = [&](int limit) {
      return static_cast<int64_t>(limit * elapsed_us / kWindowUs);
    };
    // None, unless this machine stands still for a second.
    const auto local =
        static_cast<int64_t>(replicas_.Sum("pingti_quota_store_down_decisions_total"));
    const int64_t requests = buckets().Stat("requests");
    const int64_t tokens = buckets().Stat("completion_tokens");
    std::printf("%.2f s, %ld requests, %ld tokens, %ld decided locally\n", elapsed_us / 1e6,
                requests, tokens, local);
    EXPECT_LE(requests, kRequests + refilled(kRequests) + local);
    EXPECT_LE(tokens, kTokens + refilled(kTokens) + local * 90);
    // A machine that stands still for so long renews no leases.
    if (local == 0 && longest_blink_ < Scaled(kLease) / 3) {
      EXPECT_LE(most_in_slots_, kAtOnce);
    }
  }

  // Until all limits of a tenant are as if nobody had ever called.
  bool WaitUntilWhole(const std::string& tenant) {
    return Eventually([&] {
      const auto quota = replicas_.Client(kReplicas - 1, tenant).GetQuota(tenant);
      if (!quota.ok() || quota->buckets_size() == 0) return false;
      for (const v1::QuotaBucket& bucket : quota->buckets()) {
        if (bucket.remaining() != bucket.capacity()) return false;
      }
      return true;
    });
  }

  RedisServer redis_;
  Replicas replicas_{Config(), redis_.address()};
  int64_t most_in_slots_ = 0;
  TimePoint looked_;
  steady_clock::duration longest_blink_{0};
};

TEST_F(ReplicaDeathTest, WhatAKilledReplicaHeldComesBackAndTheOthersServe) {
  const int64_t began_us = redis_.NowUs();
  Crowd of_the_dead;
  AddCallers(kHeldByTheDead, kDead, "slots", AskForSlot(kForEver), &of_the_dead);
  AddCallers(4, kDead, "buckets", AskForTokens(), &of_the_dead);
  of_the_dead.Start();
  ASSERT_TRUE(Eventually([&] { return InSlots() == kHeldByTheDead; }));
  Crowd others;
  for (int replica = 0; replica < kReplicas; ++replica) {
    if (replica == kDead) continue;
    AddCallers(4, replica, "slots", AskForSlot(Scaled(Millis(100))), &others);
    AddCallers(4, replica, "buckets", AskForTokens(), &others);
  }
  const TimePoint start = steady_clock::now();
  others.Start();
  // All limits are used up, and the slots of the one that will die are held for longer than a
  // lease.
  EXPECT_TRUE(Eventually([&] {
    const auto refused = [&](const std::string& tenant) {
      return others.Count([&](const auto& call) { return !call.ok() && call.tenant == tenant; });
    };
    return InSlots() == kAtOnce && OthersServe(others, "slots", start) && refused("slots") > 9 &&
           refused("buckets") > 9 && steady_clock::now() - start > Scaled(kLease * 3 / 2);
  }));
  replicas_.Kill(kDead);
  const TimePoint killed = steady_clock::now();
  EXPECT_TRUE(Eventually([&] { return slots().Stat("disconnects") >= kHeldByTheDead; }));
  EXPECT_TRUE(Eventually([&] { return InSlots() > kAtOnce - kHeldByTheDead; }));
  EXPECT_LT(steady_clock::now() - killed, Scaled(kLease + kSlackMax));
  EXPECT_TRUE(Eventually([&] { return InSlots() == kAtOnce; }));
  const TimePoint back = steady_clock::now();
  EXPECT_TRUE(Eventually([&] {
    InSlots();
    return OthersServe(others, "slots", back) && OthersServe(others, "buckets", back);
  }));
  others.Stop();
  of_the_dead.Stop();
  const TimePoint stopped = steady_clock::now();
  EXPECT_TRUE(WaitUntilWhole("buckets"));
  EXPECT_LT(steady_clock::now() - stopped,
            Scaled(Millis(static_cast<int>(kWindowUs / 1000)) + kSlackMax));
  EXPECT_TRUE(WaitUntilWhole("slots"));
  ExpectWithinLimits(static_cast<double>(redis_.NowUs() - began_us));
  for (const CallResult& call : others.Results()) {
    EXPECT_TRUE(call.ok() || call.error.reason == "QUOTA_EXCEEDED") << call.error.message;
  }
  replicas_.StopCleanly();
}

}  // namespace
}  // namespace pingti::integration
