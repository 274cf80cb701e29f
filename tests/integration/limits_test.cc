// Limits of every kind, waiting for them, and our own limits at a provider.
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
using testing::Not;

// One provider with the tier `bought`, one tenant `acme` with the limits `mine`; `key_limits` are
// those of its key.
constexpr char kConfig[] = R"(
listen: {grpc: "127.0.0.1:0", metrics: "127.0.0.1:0"}
providers:
  - {name: simulated, dialect: openai, base_url: "$URL$", no_key: true, tier: Bought}
models:
  - {name: chat, provider: simulated, context_tokens: 1000000}
tiers:
  - {name: Bought, other_classes: $bought$}
  - {name: Mine, other_classes: $mine$}
tenants:
  - {name: acme, tier: Mine, keys: [{record: "$record$", limits: $key_limits$}]}
  - {name: other, tier: Mine, keys: [{record: "$other$"}]}
)";

class LimitsTest : public testing::Test {
 protected:
  void TearDown() override {
    if (!server_) return;
    // A call whose caller has gone ends in its own time.
    for (const char* name : {"pingti_quota_reservations_open", "pingti_quota_waiting"}) {
      EXPECT_TRUE(Eventually([&] { return server_->Scrape().Sum(name) == 0; })) << name;
    }
    EXPECT_EQ(server_->Scrape().Sum("pingti_quota_reservations_dropped_total"), 0);
  }

  void Serve(const std::string& mine, const std::string& bought = "{}",
             const std::string& key_limits = "{}", const Provider* provider = nullptr) {
    if (provider == nullptr) provider = &provider_;
    key_ = MakeApiKey();
    other_ = MakeApiKey();
    std::string config = kConfig;
    for (const auto& [name, value] :
         std::map<std::string, std::string>{{"$URL$", provider->base_url()},
                                            {"$mine$", mine},
                                            {"$bought$", bought},
                                            {"$key_limits$", key_limits},
                                            {"$record$", key_.record},
                                            {"$other$", other_.record}}) {
      config.replace(config.find(name), name.size(), value);
    }
    server_.emplace(config);
  }
  client::Client Client() { return server_->Client(key_.key); }
  client::Client Other() { return server_->Client(other_.key); }

  // Limits of so many requests a minute without any burst.
  static std::string OneAtATime(int per_minute) {
    return "{requests_per_minute: {limit: " + std::to_string(per_minute) + ", burst: 1}}";
  }
  static int64_t Nanos(const google::protobuf::Duration& time) {
    return time.seconds() * int64_t{1'000'000'000} + time.nanos();
  }

  static v1::CompletionSpec Waiting(int milliseconds, const std::string& text = "Hello") {
    v1::CompletionSpec spec = Ask(text);
    spec.mutable_max_queue_wait()->set_seconds(milliseconds / 1000);
    spec.mutable_max_queue_wait()->set_nanos(milliseconds % 1000 * 1'000'000);
    return spec;
  }

  Provider provider_;
  ApiKey key_;
  ApiKey other_;
  std::optional<Server> server_;
};

TEST_F(LimitsTest, ACallWaitsForItsQuota) {
  // One in 3 s, with sanitizers in 10 s, one at a time: all of these come within that time.
  Serve(OneAtATime(Slowdown() == 1 ? 20 : 6));
  ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  ASSERT_FALSE(Client().Generate(Ask("Hello")).ok());
  const auto waited = Client().Generate(Waiting(60'000));
  ASSERT_TRUE(waited.ok()) << waited.error().message;
  EXPECT_GT(Nanos(waited->timings().queued()), 1'000'000);
  const Streamed stream = ReadAll(Client().Stream(Waiting(60'000)));
  EXPECT_TRUE(stream.error.ok()) << stream.error.message;
  const Metrics metrics = server_->Scrape();
  EXPECT_EQ(metrics.Sum("pingti_quota_waits_total", {"result=\"served\""}), 2);
  EXPECT_EQ(metrics.Sum("pingti_quota_wait_seconds_count"), 2);
}

TEST_F(LimitsTest, ManyThatWaitAreAllServedOnceEach) {
  Serve(OneAtATime(6000));
  constexpr int kCallers = 30;
  std::atomic<int> served = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kCallers; ++i) {
    threads.emplace_back([&] { served += Client().Generate(Waiting(60'000)).ok() ? 1 : 0; });
  }
  threads.clear();  // waits for them
  EXPECT_EQ(served, kCallers);
  EXPECT_EQ(provider_.Stat("requests"), kCallers);
}

TEST_F(LimitsTest, AWaitThatWouldBeTooLongIsRefusedAtOnce) {
  Serve("{requests_per_minute: {limit: 1}}");
  ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  const auto begin = std::chrono::steady_clock::now();
  const auto refused = Client().Generate(Waiting(10'000));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, Scaled(Millis(5'000)));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "QUOTA_EXCEEDED");
  EXPECT_GT(*refused.error().retry_delay, Millis(30'000));
}

TEST_F(LimitsTest, WhoDoesNotWaitDoesNotOvertake) {
  // One in 5 s, with sanitizers in 15 s: nobody's turn comes while we look.
  const int per_minute = Slowdown() == 1 ? 12 : 4;
  Serve(OneAtATime(per_minute));
  ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  std::jthread waiting([&] { EXPECT_TRUE(Client().Generate(Waiting(60'000)).ok()); });
  ASSERT_TRUE(Eventually([&] { return server_->Scrape().Sum("pingti_quota_waiting") == 1; }));
  const auto refused = Client().Generate(Ask("Hello"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "QUOTA_EXCEEDED");
  EXPECT_EQ(refused.error().metadata.at("position"), "2");
  EXPECT_GT(*refused.error().retry_delay, Millis(60'000 / per_minute));
}

TEST_F(LimitsTest, ACancelledWaitTakesNothing) {
  Serve(OneAtATime(2));
  ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  client::CallOptions soon;
  soon.deadline = Millis(300);  // no use to wait for a minute and a half
  ASSERT_FALSE(Client().Generate(Waiting(60'000), soon).ok());
  std::stop_source stop;
  std::jthread waiting([&] {
    client::CallOptions options;
    options.deadline = Scaled(Millis(60'000));
    options.cancel = stop.get_token();
    EXPECT_EQ(Client().Generate(Waiting(60'000), options).error().code, StatusCode::CANCELLED);
  });
  ASSERT_TRUE(Eventually([&] { return server_->Scrape().Sum("pingti_quota_waiting") == 1; }));
  stop.request_stop();
  waiting.join();
  EXPECT_TRUE(Eventually([&] { return server_->Scrape().Sum("pingti_quota_waiting") == 0; }));
  EXPECT_EQ(provider_.Stat("requests"), 1);
}

TEST_F(LimitsTest, CallsAtOnce) {
  Serve("{calls_at_once: 2}");
  std::vector<client::CompletionStream> streams;
  for (int i = 0; i < 2; ++i) {
    streams.push_back(Client().Stream(Ask("Hello [sim:chunks=1000,chunk_interval_ms=20]")));
    ASSERT_TRUE(streams.back().Next());
  }
  const auto refused = Client().Generate(Ask("Hello"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error().metadata.at("bucket"), "tenant:acme/class:chat/calls_at_once");
  EXPECT_TRUE(refused.error().retry_delay);
  streams.clear();
  EXPECT_TRUE(Eventually([&] { return Client().Generate(Ask("Hello")).ok(); }));
}

TEST_F(LimitsTest, AKeyMayHaveLessThanItsTenant) {
  // A request comes back in 15 s.
  Serve("{requests_per_minute: 4}", "{}", "{requests_per_day: 2}");
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  const auto refused = Client().Generate(Ask("Hello"));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().metadata.at("bucket"), HasSubstr("tenant:acme/key:"));
  EXPECT_THAT(refused.error().metadata.at("bucket"), HasSubstr("/requests_per_day"));
  // Two of a day come back in twelve hours each.
  EXPECT_GT(*refused.error().retry_delay, std::chrono::hours(11));
  const auto quota = Client().GetQuota();
  ASSERT_TRUE(quota.ok());
  ASSERT_EQ(quota->buckets_size(), 2);
  EXPECT_EQ(quota->buckets(0).remaining(), 2);  // the refused call took nothing
  EXPECT_EQ(quota->buckets(1).dimension(), v1::QUOTA_DIMENSION_REQUESTS_PER_DAY);
  EXPECT_EQ(quota->buckets(1).remaining(), 0);
  EXPECT_TRUE(Other().Generate(Ask("Hello")).ok());
}

TEST_F(LimitsTest, ALimitInShadowModeOnlyCounts) {
  Serve("{requests_per_minute: {limit: 1, shadow: true}}");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  EXPECT_EQ(server_->Scrape().Sum("pingti_quota_shadow_refusals_total",
                                  {"dimension=\"requests_per_minute\""}),
            2);
}

TEST_F(LimitsTest, OurLimitAtTheProviderHoldsForAllTenants) {
  // A request of the tenant comes back in 15 s.
  Serve("{requests_per_minute: 4}", "{requests_per_minute: 2}");
  ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  ASSERT_TRUE(Other().Generate(Ask("Hello")).ok());
  const auto refused = Client().Generate(Ask("Hello"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, StatusCode::UNAVAILABLE);
  EXPECT_EQ(refused.error().reason, "PROVIDER_RATE_LIMITED");
  EXPECT_GT(*refused.error().retry_delay, Millis(20'000));
  EXPECT_EQ(provider_.Stat("requests"), 2);
  // What the provider never saw is given back to the tenant.
  EXPECT_EQ(Client().GetQuota()->buckets(0).remaining(), 3);
}

TEST_F(LimitsTest, AFloodDoesNotHoldUpOtherTenants) {
  // 10 a second at the provider, with sanitizers 2.5, one at a time, for both tenants: 3 s, or 12,
  // for most of the flood to come.
  Serve("{requests_per_minute: 100000}", OneAtATime(Slowdown() == 1 ? 600 : 150));
  constexpr int kFlood = 80;
  std::vector<std::jthread> flood;
  for (int i = 0; i < kFlood; ++i) {
    flood.emplace_back([&] { EXPECT_TRUE(Client().Generate(Waiting(60'000)).ok()); });
  }
  ASSERT_TRUE(Eventually([&] { return server_->Scrape().Sum("pingti_quota_waiting") > 50; }));
  const int64_t before = provider_.Stat("requests");
  EXPECT_TRUE(Other().Generate(Waiting(60'000)).ok());
  // In order of arrival it would have been behind all of the flood. Its turn comes after one
  // quantum of tokens of theirs, about eight calls; the rest is what arrives while we look.
  EXPECT_LT(provider_.Stat("requests") - before, 25);
  flood.clear();  // waits for them
  EXPECT_EQ(provider_.Stat("requests"), kFlood + 1);
}

TEST_F(LimitsTest, GetQuotaTellsBurstAndShadow) {
  Serve("{requests_per_minute: {limit: 600, burst: 7}, tokens_per_day: {limit: 9, shadow: true}}");
  const auto quota = Client().GetQuota("chat");
  ASSERT_TRUE(quota.ok());
  ASSERT_EQ(quota->buckets_size(), 2);
  EXPECT_EQ(quota->buckets(0).limit(), 600);
  EXPECT_EQ(quota->buckets(0).capacity(), 7);
  EXPECT_EQ(quota->buckets(0).remaining(), 7);
  EXPECT_FALSE(quota->buckets(0).shadow());
  EXPECT_EQ(quota->buckets(1).dimension(), v1::QUOTA_DIMENSION_TOKENS_PER_DAY);
  EXPECT_TRUE(quota->buckets(1).shadow());
}

TEST_F(LimitsTest, StrictForwardsTheCapThatWasReserved) {
  Serve("{tokens_per_minute: 100000}");
  // The configuration's tier is `likely`: nothing is added to the request.
  ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  const auto requests = provider_.Requests();
  EXPECT_THAT(requests[0]["body"].GetString(), Not(HasSubstr("max_tokens")));
  World world;
  ASSERT_TRUE(world.Client("acme").Generate(Ask("Hello", "plain")).ok());
  v1::CompletionSpec spec = Ask("Hello", "capped");
  const auto capped = world.Client("exact").Generate(spec);
  ASSERT_TRUE(capped.ok()) << capped.error().message;
  const auto seen = world.provider().Requests();
  EXPECT_THAT(seen[0]["body"].GetString(), Not(HasSubstr("max_tokens")));
  EXPECT_THAT(seen[1]["body"].GetString(), HasSubstr("\"max_tokens\":128"));
  world.Stop();
}

TEST_F(LimitsTest, WhatTheProviderSaysIsLeftCorrectsOurs) {
  // We believe in 10 requests, one in 6 s; the provider grants 3 and says so in its headers.
  Provider strict({"--rpm", "3"});
  Serve("{requests_per_minute: 1000}", "{requests_per_minute: 10}", "{}", &strict);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Client().Generate(Ask("Hello")).ok());
  const auto refused = Client().Generate(Ask("Hello"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "PROVIDER_RATE_LIMITED");
  // Refused here: the provider has seen three requests and no fourth that it would have refused.
  EXPECT_EQ(strict.Stat("requests"), 3);
}

}  // namespace
}  // namespace pingti::integration
