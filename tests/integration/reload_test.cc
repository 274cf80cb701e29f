// SIGHUP: the server reads its configuration again while calls go on.
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kDone[] = "\"message\":\"configuration reloaded\"";
constexpr char kRefused[] = "\"message\":\"configuration not reloaded";

// Lines of the log that tell how a reload ended.
std::vector<std::string> Outcomes(const std::string& log) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    const std::string line = log.substr(begin, end - begin);
    if (line.find(kDone) != line.npos || line.find(kRefused) != line.npos) lines.push_back(line);
    begin = end + 1;
  }
  return lines;
}

// A knob: so many chunks, 60 ms after each other.
std::string SlowChunks(int chunks) {
  return " [sim:chunks=" + std::to_string(chunks) +
         ",chunk_interval_ms=" + std::to_string(Scaled(Millis(60)).count()) + "]";
}

// `text` with the only `from` in it replaced.
std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  EXPECT_EQ(text.find(from, at + 1), text.npos) << from;
  return text.replace(at, from.size(), to);
}

class ReloadTest : public testing::Test {
 protected:
  void TearDown() override {
    if (!stopped_) world_.Stop();
  }

  // Gives the server another file and lets it read that; the line of the log that tells the end.
  std::string Reload(const std::string& config) {
    Server& server = world_.server();
    const size_t before = Outcomes(server.process().Errors()).size();
    std::ofstream(server.config_path(), std::ios::binary) << config;
    server.process().Signal(SIGHUP);
    EXPECT_TRUE(Eventually([&] { return Outcomes(server.process().Errors()).size() > before; }));
    const auto lines = Outcomes(server.process().Errors());
    return lines.empty() ? "" : lines.back();
  }

  World world_;
  bool stopped_ = false;
};

constexpr char kTiny[] = "requests_per_minute: 5, tokens_per_minute: 6000";

TEST_F(ReloadTest, LimitsChangeAndWhatIsUsedUpStays) {
  const client::Client client = world_.Client("tiny");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.Generate(Ask("Hello")).ok());
  EXPECT_EQ(world_.RequestsLeft("tiny"), 2);
  // The refill is a day's: nothing comes back while the test runs.
  EXPECT_THAT(Reload(Replaced(world_.config(), kTiny, "requests_per_day: 1000")), HasSubstr(kDone));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.Generate(Ask("Hello")).ok());
  const auto quota = client.GetQuota("chat");
  ASSERT_TRUE(quota.ok());
  ASSERT_EQ(quota->buckets_size(), 1);
  EXPECT_EQ(quota->buckets(0).limit(), 1000);
  EXPECT_EQ(quota->buckets(0).remaining(), 997);
  EXPECT_THAT(Reload(Replaced(world_.config(), kTiny, "requests_per_day: 4")), HasSubstr(kDone));
  EXPECT_TRUE(client.Generate(Ask("Hello")).ok());
  const auto refused = client.Generate(Ask("Hello"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "QUOTA_EXCEEDED");
  EXPECT_EQ(refused.error().metadata.at("limit"), "4");
  // Another tenant's limits are what they were.
  EXPECT_EQ(world_.RequestsLeft("drip"), 60);
}

TEST_F(ReloadTest, ABadFileChangesNothing) {
  const std::string bad = Replaced(Replaced(world_.config(), kTiny, "requests_per_minute: many"),
                                   "{name: drip, tier: Drip", "{name: drip, tier: Dripp");
  EXPECT_THAT(Reload(bad),
              AllOf(HasSubstr(kRefused), HasSubstr("\"level\":\"error\""),
                    HasSubstr("\\\"many\\\" is not a whole number from 0 to 1000000000"),
                    HasSubstr("\\\"Dripp\\\" is not the name of a tier; did you mean Drip?")));
  EXPECT_EQ(world_.RequestsLeft("tiny"), 5);
  EXPECT_TRUE(world_.Client("drip").Generate(Ask("Hello")).ok());
  // It is as ready for the next one as before.
  EXPECT_THAT(Reload(Replaced(world_.config(), kTiny, "requests_per_minute: 9")), HasSubstr(kDone));
  EXPECT_EQ(world_.RequestsLeft("tiny"), 9);
  unlink(world_.server().config_path().c_str());
  world_.server().process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return Outcomes(world_.server().process().Errors()).size() == 3; }));
  EXPECT_THAT(Outcomes(world_.server().process().Errors()).back(),
              HasSubstr("there is no such file"));
  EXPECT_EQ(world_.RequestsLeft("tiny"), 9);
  // World::Stop() would take the errors in the log for the server's own.
  world_.server().process().Signal(SIGTERM);
  EXPECT_EQ(world_.server().process().Wait(WaitMax() * 2), 0);
  stopped_ = true;
}

TEST_F(ReloadTest, TenantsKeysAndModelsComeAndGo) {
  const ApiKey added = MakeApiKey();
  const ApiKey suspended = MakeApiKey();
  std::string config = world_.config();
  const size_t drip = config.find("  - {name: drip, tier: Drip");
  ASSERT_NE(drip, config.npos);
  config = config.substr(0, drip) + "  - {name: added, tier: Drip, keys: [{record: \"" +
           added.record + "\"}]}\n  - {name: tier-zero, tier: 0, keys: [{record: \"" +
           suspended.record + "\"}]}\n";
  config = Replaced(config, "{name: narrow, tier: Roomy, models: [plain]",
                    "{name: narrow, tier: Roomy, models: [newest]");
  config = Replaced(config, "  - {name: plain, provider: simulated, context_tokens: 4096}",
                    "  - {name: newest, provider: simulated, context_tokens: 4096}");
  EXPECT_EQ(world_.server().Client(added.key).Generate(Ask("Hello")).error().reason, "KEY_INVALID");
  ASSERT_THAT(Reload(config), AllOf(HasSubstr(kDone), HasSubstr("\"tenants\":\"6\"")));
  EXPECT_TRUE(world_.server().Client(added.key).Generate(Ask("Hello")).ok());
  EXPECT_EQ(world_.Client("drip").Generate(Ask("Hello")).error().reason, "KEY_INVALID");
  EXPECT_EQ(world_.server().Client(suspended.key).Generate(Ask("Hello")).error().reason,
            "TENANT_SUSPENDED");
  EXPECT_TRUE(world_.Client("narrow").Generate(Ask("Hello", "newest")).ok());
  EXPECT_EQ(world_.Client("acme").Generate(Ask("Hello", "plain")).error().reason, "MODEL_UNKNOWN");
  // The counters of who was there before go on.
  const std::vector<std::string> acme = {"tenant=\"acme\"", "model=\"chat\""};
  ASSERT_TRUE(world_.Client("acme").Generate(Ask("Hello")).ok());
  const double calls = world_.server().Scrape().Sum("pingti_calls_total", acme);
  ASSERT_THAT(Reload(world_.config()), HasSubstr(kDone));
  ASSERT_TRUE(world_.Client("acme").Generate(Ask("Hello")).ok());
  EXPECT_EQ(world_.server().Scrape().Sum("pingti_calls_total", acme), calls + 1);
}

TEST_F(ReloadTest, CallsInFlightGoOnAsTheyBegan) {
  constexpr int kStreams = 5;  // the tenant's limit
  const std::string knobs = SlowChunks(50);
  std::vector<std::string> prompts;
  std::vector<std::string> expected;
  for (int i = 0; i < kStreams; ++i) {
    prompts.push_back("Stream " + std::to_string(i) + knobs);
    expected.push_back(world_.provider().AnswerTo(prompts[i]));
  }
  std::vector<std::future<Streamed>> streams;
  for (const std::string& prompt : prompts) {
    streams.push_back(std::async(std::launch::async, [this, prompt] {
      return ReadAll(world_.Client("tiny").Stream(Ask(prompt)));
    }));
  }
  ASSERT_TRUE(Eventually([&] { return world_.provider().Stat("in_flight") == kStreams; }));
  // The tenant, its key, its tier and the model are gone.
  std::string config = world_.config();
  const size_t tiny = config.find("  - {name: tiny, tier: Tiny");
  config = config.substr(0, tiny) + config.substr(config.find('\n', tiny) + 1);
  const size_t tier = config.find("  - {name: Tiny, ");
  config = config.substr(0, tier) + config.substr(config.find('\n', tier) + 1);
  for (int i = 0; i < 20; ++i) ASSERT_THAT(Reload(config), HasSubstr(kDone));
  EXPECT_EQ(world_.Client("tiny").Generate(Ask("Hello")).error().reason, "KEY_INVALID");
  for (int i = 0; i < kStreams; ++i) {
    Streamed all = streams[i].get();
    EXPECT_TRUE(all.error.ok()) << all.error.message;
    EXPECT_EQ(all.text(), expected[i]);
  }
}

TEST_F(ReloadTest, SlotsOfCallsThatBeganBeforeComeBack) {
  ASSERT_THAT(Reload(Replaced(world_.config(), kTiny, "calls_at_once: 1")), HasSubstr(kDone));
  auto running = std::async(std::launch::async, [&] {
    return ReadAll(world_.Client("tiny").Stream(Ask("Slow" + SlowChunks(50))));
  });
  ASSERT_TRUE(Eventually([&] { return world_.provider().Stat("in_flight") == 1; }));
  ASSERT_THAT(Reload(Replaced(world_.config(), kTiny, "calls_at_once: 2")), HasSubstr(kDone));
  // One slot is taken under the limits from before.
  const auto quota = world_.Client("tiny").GetQuota("chat");
  ASSERT_TRUE(quota.ok());
  ASSERT_EQ(quota->buckets_size(), 1);
  EXPECT_EQ(quota->buckets(0).limit(), 2);
  EXPECT_EQ(quota->buckets(0).remaining(), 1);
  EXPECT_TRUE(running.get().error.ok());
  EXPECT_TRUE(Eventually(
      [&] { return world_.Client("tiny").GetQuota("chat")->buckets(0).remaining() == 2; }));
}

TEST_F(ReloadTest, WhatTakesARestartIsKeptAndNamed) {
  const std::string config =
      Replaced(Replaced(world_.config(), "server: {}", "server: {calls_in_flight_max: 1}"),
               "features: {}", "features: {quota: false}") +
      "listen: {grpc: '127.0.0.1:1'}\nquota: {redis: {address: '127.0.0.1:1'}}\n";
  EXPECT_THAT(Reload(config), HasSubstr(kDone));
  EXPECT_THAT(world_.server().process().Errors(),
              HasSubstr("\"settings\":\"server.calls_in_flight_max, quota.redis and "
                        "features.quota\""));
  // --grpc stands over listen.grpc, as at the start; that has not changed.
  EXPECT_THAT(world_.server().process().Errors(), Not(HasSubstr("listen.grpc")));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(world_.Client("tiny").Generate(Ask("Hello")).ok());
  }
  EXPECT_EQ(world_.Client("tiny").Generate(Ask("Hello")).error().reason, "QUOTA_EXCEEDED");
}

TEST(ReloadWhileDrainingTest, IsIgnored) {
  WorldOptions options;
  options.server = "{drain_delay: 1m}";
  World world(options);
  Process& process = world.server().process();
  process.Signal(SIGTERM);
  ASSERT_TRUE(process.WaitForError(
      [](std::string_view line) { return line.find("draining") != line.npos; }));
  process.Signal(SIGHUP);
  EXPECT_TRUE(world.Client().Generate(Ask("Hello")).ok());
  process.Signal(SIGTERM);  // ends the delay
  EXPECT_EQ(process.Wait(WaitMax() * 2), 0);
  EXPECT_THAT(Outcomes(process.Errors()), testing::IsEmpty());
}

}  // namespace
}  // namespace pingti::integration
