// Four pingti-servers that share their limits in one Redis: what reaches the provider is within
// them, also when Redis is killed or stopped and when a server is.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/world.h"
#include "tests/redis/redis_server.h"

namespace pingti::integration {
namespace {

using testing_redis::RedisServer;

constexpr int kReplicas = 4;
constexpr int kCallers = 400;
constexpr int kThreads = 100;  // each is a caller that calls kCallers / kThreads times
constexpr int kFew = 60;       // requests a day: within a test none comes back
constexpr int kTokens = 20'000;
constexpr int kAtOnce = 6;
constexpr Millis kLease(2'000);
// Of the server: after so long without an answer it connects anew, and after so many failures it
// does without Redis.
constexpr Millis kConnectionSilence(2'000);
constexpr int kFailuresMax = 3;
// What a decision may take while Redis does not answer, and the rest of a call on a busy machine.
constexpr Millis kDecisionMax(25);
constexpr Millis kRestOfCallMax(150);

constexpr char kConfig[] = R"(
estimation: {output_tokens_default: 64}
quota:
  replicas: 4
  redis: {address: "$REDIS$", slot_lease: 2s, timeout: $TIMEOUT$}
providers:
  - {name: simulated, dialect: openai, base_url: "$URL$", no_key: true}
models:
  - {name: chat, provider: simulated, context_tokens: 100000, output_tokens_max: 256}
tiers:
  - {name: Big, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
  - {name: Few, other_classes: {requests_per_day: 60}}
  - {name: Tokens, policy: strict, other_classes: {tokens_per_day: 20000}}
  - {name: Slots, other_classes: {calls_at_once: 6}}
tenants:
  - {name: big, tier: Big, keys: [{record: "$big$"}]}
  - {name: few, tier: Few, keys: [{record: "$few$"}]}
  - {name: tokens, tier: Tokens, keys: [{record: "$tokens$"}]}
  - {name: slots, tier: Slots, keys: [{record: "$slots$"}]}
)";

class ReplicasTest : public testing::Test {
 protected:
  // A long budget: hundreds of callers on a small machine are no outage of Redis.
  explicit ReplicasTest(const std::string& timeout = "1s") {
    config_ = kConfig;
    Fill("TIMEOUT", timeout);
    Fill("REDIS", redis_.address());
    Fill("URL", provider_.base_url());
    for (const char* tenant : {"big", "few", "tokens", "slots"}) {
      const ApiKey made = MakeApiKey();
      keys_[tenant] = made.key;
      Fill(tenant, made.record);
    }
    for (auto& server : servers_) server = std::make_unique<Server>(config_);
    WaitUntilAllShare();
  }

  void Fill(const std::string& name, const std::string& value) {
    const std::string mark = "$" + name + "$";
    const size_t at = config_.find(mark);
    ASSERT_NE(at, std::string::npos) << mark;
    config_.replace(at, mark.size(), value);
  }

  client::Client Client(int replica, const std::string& tenant, Millis deadline = WaitMax()) {
    return servers_[replica]->Client(keys_.at(tenant), deadline);
  }
  double Sum(const std::string& metric) {
    double sum = 0;
    for (const auto& server : servers_) {
      if (server != nullptr) sum += server->Scrape().Sum(metric);
    }
    return sum;
  }
  void WaitUntilAllShare() {
    EXPECT_TRUE(Eventually([&] { return Sum("pingti_quota_store_down") == 0; }));
  }
  // No replica holds anything any more.
  void ExpectNothingLeaks() {
    EXPECT_TRUE(Eventually([&] { return Sum("pingti_quota_reservations_open") == 0; }));
    EXPECT_EQ(Sum("pingti_quota_reservations_dropped_total"), 0);
    EXPECT_EQ(Sum("pingti_bugs_total"), 0);
  }

  // kCallers calls of each tenant at once, over all replicas; how many were answered. Anything else
  // must be a refusal of a quota.
  std::map<std::string, int> CallAll(const std::vector<std::string>& tenants) {
    std::map<std::string, std::atomic<int>> answered;
    for (const std::string& tenant : tenants) answered[tenant] = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kCallers / kThreads; ++i) {
          for (const std::string& tenant : tenants) {
            const auto result = Client((t + i) % kReplicas, tenant).Generate(Ask("Hello there"));
            if (result.ok()) {
              ++answered[tenant];
            } else {
              EXPECT_EQ(result.error().reason, "QUOTA_EXCEEDED") << result.error().message;
            }
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::map<std::string, int> counts;
    for (const auto& [tenant, count] : answered) counts[tenant] = count;
    return counts;
  }

  RedisServer redis_;
  Provider provider_;
  std::map<std::string, std::string> keys_;
  std::string config_;
  std::unique_ptr<Server> servers_[kReplicas];
};

// With the budget that is the default.
class StoppedRedisTest : public ReplicasTest {
 protected:
  StoppedRedisTest() : ReplicasTest("20ms") {}
};

TEST_F(ReplicasTest, HundredsOfCallersGetTheLimitAndNotOneMore) {
  std::map<std::string, int> answered = CallAll({"big", "few"});
  EXPECT_EQ(answered["big"], kCallers);
  EXPECT_EQ(answered["few"], kFew);
  EXPECT_EQ(provider_.Stat("requests"), kCallers + kFew);
  provider_.Reset();
  answered = CallAll({"tokens"});
  // All that is forwarded was reserved before: strict.
  const int64_t used = provider_.Stat("prompt_tokens") + provider_.Stat("completion_tokens");
  EXPECT_GT(answered["tokens"], 0);
  EXPECT_EQ(provider_.Stat("requests"), answered["tokens"]);
  EXPECT_LE(used, kTokens);
  ExpectNothingLeaks();
  for (const auto& server : servers_) server->StopCleanly();
}

TEST_F(ReplicasTest, ARedisThatIsKilledUnderLoadAdmitsOneMoreLimitAtMost) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> load;
  for (int replica = 0; replica < kReplicas; ++replica) {
    load.emplace_back([&, replica] {
      while (!stop) {
        const auto result = Client(replica, "big").Generate(Ask("Hello"));
        EXPECT_TRUE(result.ok()) << result.error().message;
      }
    });
  }
  EXPECT_EQ(CallAll({"few"})["few"], kFew);
  redis_.Kill();
  EXPECT_TRUE(Eventually([&] { return Sum("pingti_quota_store_down") > 0; }));
  // Every replica has a quarter.
  const int in_outage = CallAll({"few"})["few"];
  EXPECT_GT(in_outage, 0);
  EXPECT_LE(in_outage, kFew);
  redis_.Start();
  WaitUntilAllShare();
  // It has forgotten all: as after the restart of a single process.
  EXPECT_EQ(CallAll({"few"})["few"], kFew);
  stop = true;
  for (std::thread& thread : load) thread.join();
  ExpectNothingLeaks();
  EXPECT_GE(Sum("pingti_quota_store_switches_total"), 2);
  for (const auto& server : servers_) server->StopCleanly();
}

TEST_F(StoppedRedisTest, ARedisThatIsStoppedKeepsNobodyWaitingPastTheBudget) {
  ASSERT_TRUE(Client(0, "big").Generate(Ask("Hello")).ok());
  redis_.Pause();
  const auto paused = std::chrono::steady_clock::now();
  int in_outage = 0;
  for (int i = 0; i < 2 * kFew; ++i) {
    const auto before = std::chrono::steady_clock::now();
    const auto result = Client(i % kReplicas, "few").Generate(Ask("Hello"));
    const auto took = std::chrono::steady_clock::now() - before;
    EXPECT_LT(took, Scaled(kDecisionMax + kRestOfCallMax)) << i;
    if (result.ok()) ++in_outage;
  }
  EXPECT_EQ(in_outage, kFew) << "four quarters";
  redis_.Resume();
  WaitUntilAllShare();
  // What came too late was given back: the limit is whole. But a connection that is silent for two
  // seconds is given up, and with it the grants that Redis was yet to make: at most the three that
  // failed before each server stopped asking.
  const bool soon = std::chrono::steady_clock::now() - paused < kConnectionSilence;
  const int whole = soon ? kFew : kFew - kReplicas * kFailuresMax;
  EXPECT_TRUE(Eventually([&] {
    const auto quota = Client(0, "few").GetQuota("chat");
    return quota.ok() && quota->buckets_size() > 0 && quota->buckets(0).limit() == kFew &&
           quota->buckets(0).remaining() >= whole;
  }));
  ExpectNothingLeaks();
  for (const auto& server : servers_) server->StopCleanly();
}

TEST_F(ReplicasTest, TheSlotsOfAKilledReplicaComeBackWithinTheirLease) {
  std::vector<std::thread> calls;
  for (int i = 0; i < kAtOnce; ++i) {
    calls.emplace_back([&] {
      const auto result = Client(0, "slots").Generate(Ask("Hello[sim:first_token_ms=60000]"));
      EXPECT_FALSE(result.ok());
    });
  }
  EXPECT_TRUE(Eventually([&] { return provider_.Stat("in_flight") == kAtOnce; }));
  // They are held for longer than a lease while their replica lives.
  const auto held_until = std::chrono::steady_clock::now() + 2 * kLease;
  EXPECT_TRUE(Eventually([&] {
    EXPECT_FALSE(Client(1, "slots").Generate(Ask("Hello")).ok());
    return std::chrono::steady_clock::now() > held_until;
  }));
  servers_[0]->process().Signal(SIGKILL);
  for (std::thread& call : calls) call.join();
  servers_[0].reset();
  const auto killed = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([&] { return Client(1, "slots").Generate(Ask("Hello")).ok(); }));
  EXPECT_LT(std::chrono::steady_clock::now() - killed, Scaled(kLease + Millis(500)));
  // All of them, and nothing else has leaked.
  EXPECT_TRUE(Eventually([&] {
    const auto quota = Client(2, "slots").GetQuota("chat");
    return quota.ok() && quota->buckets_size() == 1 && quota->buckets(0).remaining() == kAtOnce;
  }));
  ExpectNothingLeaks();
  for (int replica = 1; replica < kReplicas; ++replica) servers_[replica]->StopCleanly();
}

}  // namespace
}  // namespace pingti::integration
