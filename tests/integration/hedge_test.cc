// A stream whose first token is late is tried at a second provider beside it.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

constexpr char kConfig[] = R"(
listen: {grpc: "127.0.0.1:0", metrics: "127.0.0.1:0"}
providers:
  - {name: usual, dialect: openai, base_url: "$USUAL$", no_key: true}
  - {name: other, dialect: openai, base_url: "$OTHER$", no_key: true}
models:
  - {name: chat-usual, provider: usual, context_tokens: 100000}
  - {name: chat-other, provider: other, context_tokens: 100000}
aliases:
  - name: chat
    hedge: true
    targets: [{model: chat-usual, priority: 0}, {model: chat-other, priority: 1}]
server: {workers: 1}  # which knows all first tokens
tiers:
  - {name: Roomy, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
tenants:
  - {name: acme, tier: Roomy, keys: [{record: "$KEY$"}]}
)";

// So many first tokens tell what is usual.
constexpr int kUsualCalls = 20;

TEST(HedgeTest, TheOtherProviderServesWhereTheUsualOneIsLate) {
  Provider usual, other;
  const ApiKey key = MakeApiKey();
  Server server(absl::StrReplaceAll(
      kConfig,
      {{"$USUAL$", usual.base_url()}, {"$OTHER$", other.base_url()}, {"$KEY$", key.record}}));
  const client::Client client = server.Client(key.key);
  for (int i = 0; i < kUsualCalls; ++i) {
    ASSERT_TRUE(ReadAll(client.Stream(Ask("Hello."))).error.ok());
  }
  const int64_t asked_before = other.Stat("requests");
  usual.SetDefaults(R"({"first_token_ms":60000})");

  Streamed streamed = ReadAll(client.Stream(Ask("Hello again.")));
  ASSERT_TRUE(streamed.error.ok()) << streamed.error.message;
  EXPECT_EQ(streamed.start.served_by().provider(), "other");
  EXPECT_EQ(streamed.text(), other.AnswerTo("Hello again."));
  EXPECT_EQ(streamed.finished->served_by().attempts(), 2);
  EXPECT_EQ(streamed.finished->usage().source(), v1::USAGE_SOURCE_MEASURED);
  EXPECT_GT(usual.DisconnectNs(), 0) << "its request goes on";
  EXPECT_EQ(other.Stat("requests"), asked_before + 2) << "the call's, and the test's own";

  const rapidjson::Document record = server.AccessRecord(streamed.start.request_id());
  const auto attempts = record["attempts"].GetArray();
  ASSERT_EQ(attempts.Size(), 2u);
  EXPECT_STREQ(attempts[0]["provider"].GetString(), "usual");
  EXPECT_STREQ(attempts[0]["next"].GetString(), "lost");
  EXPECT_STREQ(attempts[1]["provider"].GetString(), "other");
  const Metrics metrics = server.Scrape();
  EXPECT_EQ(metrics.Sum("pingti_upstream_hedges_won_total", {"provider=\"other\""}), 1);
  EXPECT_GT(metrics.Sum("pingti_upstream_lost_tokens_total", {"provider=\"usual\""}), 0);
  EXPECT_EQ(metrics.Sum("pingti_upstream_transfers_in_flight"), 0);
  EXPECT_EQ(metrics.Sum("pingti_quota_reservations_open"), 0);
  server.StopCleanly();
}

}  // namespace
}  // namespace pingti::integration
