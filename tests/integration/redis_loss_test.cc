// Four pingti-servers lose the Redis that they share, under load: what they admit meanwhile is one
// full limit at most, nobody waits past the budget, and they come back by themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/replicas.h"
#include "tests/redis/black_hole_proxy.h"
#include "tests/redis/redis_server.h"

namespace pingti::integration {
namespace {

using std::chrono::steady_clock;
using testing_redis::BlackHoleProxy;
using testing_redis::RedisServer;

// Limits per day: within a test nothing comes back.
constexpr int kFew = 80;
constexpr int kTokens = 40'000;
constexpr int kFresh = 40;
constexpr int kShareOfFresh = kFresh / kReplicas;
constexpr int kOutputTokens = 500;
// What a decision may take while Redis does not answer. A machine that does other things adds to
// single ones.
constexpr Millis kDecisionMax(25);
constexpr Millis kSlowDecisionMax(100);       // of one in ten
constexpr Millis kSlowestDecisionMax(2'000);  // without a budget it would be for ever
// An answer that waits for Redis would take the whole budget.
constexpr Millis kLongBudget(1'000);

std::string Config(const std::string& timeout) {
  return R"(
timeouts: $timeouts$
quota:
  replicas: 4
  redis: {address: "$redis$", timeout: )" +
         timeout + R"(}
providers:
  - {name: few, dialect: openai, base_url: "$url:few$", no_key: true}
  - {name: tokens, dialect: openai, base_url: "$url:tokens$", no_key: true}
  - {name: rest, dialect: openai, base_url: "$url:rest$", no_key: true}
models:
  - {name: few, provider: few, context_tokens: 100000}
  - {name: tokens, provider: tokens, context_tokens: 100000}
  - {name: rest, provider: rest, context_tokens: 100000}
tiers:
  - {name: Few, other_classes: {requests_per_day: 80}}
  - {name: Tokens, policy: strict, other_classes: {tokens_per_day: 40000}}
  - {name: Fresh, other_classes: {requests_per_day: 40}}
  - {name: Big, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
  - {name: Deny, when_store_is_down: deny, other_classes: {requests_per_day: 1000000}}
  - {name: Allow, when_store_is_down: allow, other_classes: {requests_per_day: 5}}
tenants:
  - {name: few, tier: Few, keys: [{record: "$key:few$"}]}
  - {name: tokens, tier: Tokens, keys: [{record: "$key:tokens$"}]}
  - {name: fresh, tier: Fresh, keys: [{record: "$key:fresh$"}]}
  - {name: big, tier: Big, keys: [{record: "$key:big$"}]}
  - {name: deny, tier: Deny, keys: [{record: "$key:deny$"}]}
  - {name: allow, tier: Allow, keys: [{record: "$key:allow$"}]}
)";
}

v1::CompletionSpec SpecOf(const std::string& tenant) {
  v1::CompletionSpec spec = Ask("Hello", tenant == "few" ? "few" : "rest");
  if (tenant == "tokens") {
    spec = Ask("Hello [sim:output_tokens=" + std::to_string(kOutputTokens) + "]", "tokens");
    spec.mutable_sampling()->set_max_output_tokens(kOutputTokens);
  }
  return spec;
}

// Calls that are made until its end, by all tenants at all replicas.
class Load {
 public:
  explicit Load(Replicas& replicas) {
    for (int replica = 0; replica < kReplicas; ++replica) {
      for (const char* tenant :
           {"few", "few", "few", "few", "tokens", "tokens", "big", "big", "deny", "allow"}) {
        CallerOptions caller = replicas.Caller(replica, tenant, SpecOf(tenant));
        caller.pause = Scaled(Millis(50));
        crowd_.Add(std::move(caller));
      }
    }
    crowd_.Start();
  }

  // Whether at each replica `count` calls of `tenant` that began after `then` ended so; an empty
  // reason: answered.
  bool Each(int count, const std::string& tenant, const std::string& reason, TimePoint then) const {
    for (int replica = 0; replica < kReplicas; ++replica) {
      const int so = crowd_.Count([&](const CallResult& call) {
        return call.replica == replica && call.tenant == tenant && call.began > then &&
               call.ok() == reason.empty() && call.error.reason == reason;
      });
      if (so < count) return false;
    }
    return true;
  }

  void End() {
    crowd_.Stop();
    for (const CallResult& call : crowd_.Results()) ExpectOneOfItsOwn(call);
  }

  // Decisions on calls that began in this time were quick.
  void ExpectQuickDecisions(TimePoint from, TimePoint to) const {
    std::vector<std::chrono::microseconds> times;
    for (const CallResult& call : crowd_.Results()) {
      if (call.began >= from && call.began < to) times.push_back(call.decision_time());
    }
    ASSERT_GT(times.size(), 50u);
    std::sort(times.begin(), times.end());
    const auto median = times[times.size() / 2];
    const auto tenth = times[times.size() * 9 / 10];
    std::printf("%zu decisions: median %ld us, 90%% within %ld us, longest %ld us\n", times.size(),
                median.count(), tenth.count(), times.back().count());
    EXPECT_LE(median, Scaled(kDecisionMax));
    EXPECT_LE(tenth, Scaled(kSlowDecisionMax));
    EXPECT_LE(times.back(), Scaled(kSlowestDecisionMax));
  }

 private:
  static void ExpectOneOfItsOwn(const CallResult& call) {
    if (call.ok()) return;
    ASSERT_NE(call.tenant, "big") << call.error.message;
    ASSERT_EQ(call.error.reason, call.tenant == "deny" ? "QUOTA_UNAVAILABLE" : "QUOTA_EXCEEDED")
        << call.tenant << ": " << call.error.message;
    ASSERT_TRUE(call.error.retry_delay);
    if (call.tenant == "deny") {
      ASSERT_EQ(call.error.code, grpc::StatusCode::UNAVAILABLE);
    }
  }

  Crowd crowd_;
};

class RedisLossTest : public testing::Test {
 protected:
  explicit RedisLossTest(const std::string& timeout = "1s", bool with_proxy = false) {
    if (with_proxy) proxy_ = std::make_unique<BlackHoleProxy>(redis_.address());
    replicas_ = std::make_unique<Replicas>(Config(timeout),
                                           with_proxy ? proxy_->address() : redis_.address());
    EXPECT_TRUE(replicas_->WaitUntilAllShare());
  }

  int64_t Requests() { return replicas_->provider("few").Stat("requests"); }
  int64_t Tokens() { return replicas_->provider("tokens").Stat("completion_tokens"); }
  int64_t Failures(const std::string& kind) {
    return static_cast<int64_t>(
        replicas_->Sum("pingti_quota_store_failures_total", {"kind=\"" + kind + "\""}));
  }

  // Redis has had so many lives, in each of which it gave a full limit, and in `outages` the shares
  // have given one, once: that, and at least the half of the last one, is what was admitted. A
  // Redis that is late may have made the servers use their shares before.
  void ExpectLimits(int lives, int outages) {
    const double least = lives + outages - 0.5;
    EXPECT_TRUE(
        Eventually([&] { return Requests() > least * kFew && Tokens() > least * kTokens; }));
    const bool shares =
        outages > 0 || replicas_->Sum("pingti_quota_store_down_decisions_total") > 0;
    const int most = lives + (shares ? 1 : 0);
    std::printf("%d lives of Redis: %ld requests, limit %d; %ld tokens, limit %d\n", lives,
                Requests(), kFew, Tokens(), kTokens);
    EXPECT_LE(Requests(), most * kFew);
    EXPECT_LE(Tokens(), most * kTokens);
  }

  // All of this since `then`, at every replica.
  void ExpectAllRefused(const Load& load, TimePoint then) {
    EXPECT_TRUE(Eventually([&] {
      return load.Each(5, "few", "QUOTA_EXCEEDED", then) &&
             load.Each(5, "tokens", "QUOTA_EXCEEDED", then) && load.Each(5, "big", "", then);
    }));
  }

  // Loses Redis with `begin` and gets it back with `end`, under load, in which it may begin a
  // new life. `silent`: meanwhile its connections stay open and say nothing.
  void LoseAndFind(const std::function<void()>& begin, const std::function<void()>& end, int lives,
                   bool silent) {
    const TimePoint start = steady_clock::now();
    Load load(*replicas_);
    ExpectAllRefused(load, start);
    ExpectLimits(1, 0);
    EXPECT_TRUE(Eventually([&] { return load.Each(5, "deny", "", start); }));

    const int64_t broken = Failures("connection");
    begin();
    const TimePoint lost = steady_clock::now();
    EXPECT_TRUE(replicas_->WaitUntilNoneShares());
    const TimePoint alone = steady_clock::now();
    ExpectAllRefused(load, alone);
    EXPECT_TRUE(Eventually([&] {
      return load.Each(5, "deny", "QUOTA_UNAVAILABLE", alone) && load.Each(5, "allow", "", alone);
    }));
    ExpectLimits(1, 1);
    // Connections that say nothing are given up after a while, too. (One that breaks while nothing
    // is under way is no failure of an operation.)
    if (silent) {
      EXPECT_TRUE(Eventually([&] { return Failures("connection") > broken; }));
    }
    const TimePoint until = steady_clock::now();

    end();
    EXPECT_TRUE(replicas_->WaitUntilAllShare());
    const TimePoint back = steady_clock::now();
    ExpectAllRefused(load, back);
    EXPECT_TRUE(Eventually([&] { return load.Each(5, "deny", "", back); }));
    ExpectLimits(lives, 1);
    ExpectOneReplicaGetsAWholeLimit();
    load.End();
    load.ExpectQuickDecisions(lost, until);
    replicas_->ExpectSwitchesLoggedOnce(1);
  }

  // Redis decides: a share would be a quarter.
  void ExpectOneReplicaGetsAWholeLimit() {
    int answered = 0;
    for (int i = 0; i < kFresh + kShareOfFresh + 5; ++i) {
      if (replicas_->Client(0, "fresh").Generate(SpecOf("fresh")).ok()) ++answered;
    }
    EXPECT_GE(answered, kFresh - kShareOfFresh);
    EXPECT_LE(answered, kFresh + kShareOfFresh);  // if Redis was late, also its share
  }

  RedisServer redis_;
  std::unique_ptr<BlackHoleProxy> proxy_;
  std::unique_ptr<Replicas> replicas_;
};

TEST_F(RedisLossTest, KilledAndStartedAgainUnderLoad) {
  LoseAndFind([&] { redis_.Kill(); }, [&] { redis_.Start(); }, 2, /*silent=*/false);
  // With this budget there is one switch for one outage, unless the machine stands still.
  if (Failures("timeout") == 0) {
    for (int replica = 0; replica < kReplicas; ++replica) {
      EXPECT_EQ(replicas_->Lines(replica, "the quota store is lost"), 1) << replica;
      EXPECT_EQ(replicas_->Lines(replica, "the quota store is back"), 1) << replica;
    }
  }
  replicas_->StopCleanly();
}

TEST_F(RedisLossTest, RestartedUnderLoadThreeTimes) {
  const TimePoint start = steady_clock::now();
  Load load(*replicas_);
  ExpectAllRefused(load, start);
  constexpr int kLives = 4;
  for (int life = 2; life <= kLives; ++life) {
    redis_.Kill();
    redis_.Start();
    EXPECT_TRUE(Eventually([&] { return Requests() >= life * kFew; }));
  }
  EXPECT_TRUE(replicas_->WaitUntilAllShare());
  ExpectAllRefused(load, steady_clock::now());
  load.End();
  // It forgot all each time. The shares were there once.
  EXPECT_LE(Requests(), (kLives + 1) * kFew);
  EXPECT_LE(Tokens(), (kLives + 1) * kTokens);
  replicas_->ExpectSwitchesLoggedOnce(0);
  replicas_->StopCleanly();
}

// With the budget that is the default.
class SilentRedisTest : public RedisLossTest {
 protected:
  SilentRedisTest() : RedisLossTest("20ms") {}
};

TEST_F(SilentRedisTest, StoppedAndContinuedUnderLoad) {
  LoseAndFind([&] { redis_.Pause(); }, [&] { redis_.Resume(); }, 1, /*silent=*/true);
  EXPECT_GT(Failures("timeout"), 0);
  replicas_->StopCleanly();
}

class BlackHoleTest : public RedisLossTest {
 protected:
  BlackHoleTest() : RedisLossTest("20ms", true) {}
};

TEST_F(BlackHoleTest, TheNetworkToRedisSwallowsAllUnderLoad) {
  LoseAndFind([&] { proxy_->Swallow(); }, [&] { proxy_->Release(); }, 1, /*silent=*/true);
  EXPECT_GT(Failures("timeout"), 0);
  replicas_->StopCleanly();
}

TEST_F(RedisLossTest, AnAnswerDoesNotWaitForItsSettlement) {
  constexpr int kCalls = 3;
  v1::CompletionSpec spec = Ask("Hello [sim:output_tokens=100]", "tokens");
  spec.mutable_sampling()->set_max_output_tokens(kOutputTokens);
  Provider& provider = replicas_->provider("tokens");
  auto best = Millis::max();
  for (int i = 0; i < kCalls; ++i) {
    provider.process().Signal(SIGSTOP);
    bool answered = false;
    std::thread call([&] { answered = replicas_->Client(0, "tokens").Generate(spec).ok(); });
    EXPECT_TRUE(
        Eventually([&] { return replicas_->Sum("pingti_upstream_transfers_in_flight") == 1; }));
    redis_.Pause();
    provider.process().Signal(SIGCONT);
    const TimePoint before = steady_clock::now();
    call.join();
    best = std::min(best, std::chrono::duration_cast<Millis>(steady_clock::now() - before));
    EXPECT_TRUE(answered);
    redis_.Resume();
    EXPECT_TRUE(replicas_->WaitUntilAllShare());
  }
  std::printf("with Redis stopped the answer came after %ld ms\n", best.count());
  EXPECT_LT(best, kLongBudget / 2);
  // The settlements arrive all the same: what was used is gone, not what was reserved.
  const int64_t used = Tokens() + provider.Stat("prompt_tokens");
  EXPECT_LT(used, kCalls * kOutputTokens / 2);
  if (replicas_->Sum("pingti_quota_store_lost_changes_total") == 0) {
    EXPECT_TRUE(Eventually([&] {
      const auto quota = replicas_->Client(1, "tokens").GetQuota("tokens");
      return quota.ok() && quota->buckets_size() == 1 &&
             quota->buckets(0).remaining() >= kTokens - used;
    }));
  }
  replicas_->StopCleanly();
}

class NoRedisAtTheStartTest : public testing::Test {
 protected:
  // All replicas say that there is none, serve their shares, and not one call more.
  void ExpectTheyServeTheirShares(Replicas& replicas, const std::string& address) {
    for (int replica = 0; replica < kReplicas; ++replica) {
      const auto said = replicas.server(replica).process().WaitForError([](std::string_view line) {
        return line.find("the quota store cannot be reached") != line.npos;
      });
      ASSERT_TRUE(said);
      EXPECT_THAT(*said, testing::HasSubstr(address));
    }
    Crowd crowd;
    for (int i = 0; i < kReplicas * 10; ++i) {
      CallerOptions caller = replicas.Caller(i % kReplicas, "few", SpecOf("few"));
      caller.until_refused = true;
      crowd.Add(std::move(caller));
    }
    crowd.Start();
    EXPECT_TRUE(crowd.WaitUntilAllEnded(WaitMax()));
    crowd.Stop();
    EXPECT_EQ(replicas.provider("few").Stat("requests"), kFew);
    EXPECT_EQ(crowd.Count([](const CallResult& call) { return call.ok(); }), kFew);
    EXPECT_TRUE(replicas.WaitUntilNoneShares());
    for (int replica = 0; replica < kReplicas; ++replica) {
      EXPECT_EQ(replicas.Lines(replica, "the quota store cannot be reached"), 1);
    }
  }
};

TEST_F(NoRedisAtTheStartTest, APortWhereNobodyListens) {
  const DeadPort dead;
  const std::string address = "127.0.0.1:" + std::to_string(dead.port());
  Replicas replicas(Config("20ms"), address);
  ExpectTheyServeTheirShares(replicas, address);
  replicas.StopCleanly();
}

TEST_F(NoRedisAtTheStartTest, ItComesLater) {
  RedisServer redis;
  redis.Kill();
  Replicas replicas(Config("1s"), redis.address());
  ExpectTheyServeTheirShares(replicas, redis.address());
  redis.Start();
  EXPECT_TRUE(replicas.WaitUntilAllShare());
  int answered = 0;
  while (replicas.Client(0, "fresh").Generate(SpecOf("fresh")).ok()) ++answered;
  EXPECT_GE(answered, kFresh - kShareOfFresh);
  EXPECT_LE(answered, kFresh + kShareOfFresh);
  replicas.ExpectSwitchesLoggedOnce(1);
  replicas.StopCleanly();
}

}  // namespace
}  // namespace pingti::integration
