// The files that are shipped: config/pingti.yaml and its catalogue. Tests run at the top of the
// repository.
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/load.h"
#include "tests/unit/config/named.h"

namespace pingti::config {
namespace {

using testing::HasSubstr;

constexpr char kShipped[] = "config/pingti.yaml";

TEST(ShippedConfigTest, LoadsWithAProvidersKey) {
  const auto result = Load(kShipped, {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(result.ok()) << result.status();
  for (const Provider& provider : result->config.providers) {
    EXPECT_EQ(provider.on(), provider.name == "yi") << provider.name;
  }
  EXPECT_TRUE(result->config.server.reflection);
}

TEST(ShippedConfigTest, LoadsWithTheSimulatedProviderOnly) {
  const std::string hex(64, 'd');
  const auto result = Load(kShipped, {{"PINGTI_SIMULATED_PROVIDER_URL", "http://127.0.0.1:8089/v1"},
                                      {"PINGTI_DEVELOPMENT_KEY_RECORD", "pt_dev00001:" + hex}});
  ASSERT_TRUE(result.ok()) << result.status();
  const Provider& simulated = Named(result->config.providers, "simulated");
  EXPECT_TRUE(simulated.on() && simulated.serves_any_model);
  EXPECT_EQ(simulated.upstream_model, "");
  const Tenant& tenant = Named(result->config.tenants, "development");
  EXPECT_EQ(tenant.tier, "Tier3");
  ASSERT_EQ(tenant.keys.size(), 1u);
  EXPECT_EQ(tenant.keys[0].public_id, "dev00001");
}

TEST(ShippedConfigTest, LoadsWithTheLocalModelOnly) {
  const auto result = Load(kShipped, {{"PINGTI_LOCAL_MODEL_URL", "http://127.0.0.1:8090/v1"}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Named(result->config.providers, "local-model").upstream_model, "smollm2-135m");
}

TEST(ShippedConfigTest, SaysWhatToSetWhereNothingIs) {
  const auto result = Load(kShipped, {});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("providers: no provider is on; set at least one of these environment "
                        "variables: OPENAI_API_KEY, YI_API_KEY, DEEPSEEK_API_KEY, "
                        "DASHSCOPE_API_KEY, MOONSHOT_API_KEY, ZHIPU_API_KEY, "
                        "PINGTI_SIMULATED_PROVIDER_URL or PINGTI_LOCAL_MODEL_URL"));
}

// What the file shows as a default is the default.
TEST(ShippedConfigTest, ShowsTheDefaults) {
  const auto result = Load(kShipped, {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(result.ok()) << result.status();
  const Config& config = result->config;
  const Config defaults;
  const Timeouts timeouts;
  EXPECT_EQ(config.listen.grpc, defaults.listen.grpc);
  EXPECT_EQ(config.listen.metrics, defaults.listen.metrics);
  EXPECT_EQ(config.server.workers, defaults.server.workers);
  EXPECT_EQ(config.server.message_bytes_max, defaults.server.message_bytes_max);
  EXPECT_EQ(config.server.metadata_bytes_max, defaults.server.metadata_bytes_max);
  EXPECT_EQ(config.server.concurrent_streams_max, defaults.server.concurrent_streams_max);
  EXPECT_EQ(config.server.calls_in_flight_max, defaults.server.calls_in_flight_max);
  EXPECT_EQ(config.server.overload_delay, defaults.server.overload_delay);
  EXPECT_EQ(config.server.memory_low_watermark, defaults.server.memory_low_watermark);
  EXPECT_EQ(config.server.memory_high_watermark, defaults.server.memory_high_watermark);
  EXPECT_EQ(config.server.memory_quota_bytes, defaults.server.memory_quota_bytes);
  EXPECT_EQ(config.server.keepalive_time, defaults.server.keepalive_time);
  EXPECT_EQ(config.server.keepalive_timeout, defaults.server.keepalive_timeout);
  EXPECT_EQ(config.server.ping_interval_min, defaults.server.ping_interval_min);
  EXPECT_EQ(config.server.connection_age, defaults.server.connection_age);
  EXPECT_EQ(config.server.connection_age_grace, defaults.server.connection_age_grace);
  EXPECT_EQ(config.server.drain_delay, defaults.server.drain_delay);
  EXPECT_EQ(config.server.drain_grace, defaults.server.drain_grace);
  EXPECT_EQ(config.limits.image_bytes_max, defaults.limits.image_bytes_max);
  EXPECT_EQ(config.limits.answer_bytes_max, defaults.limits.answer_bytes_max);
  EXPECT_EQ(config.limits.line_bytes_max, defaults.limits.line_bytes_max);
  EXPECT_EQ(config.limits.stream_buffer_bytes_max, defaults.limits.stream_buffer_bytes_max);
  EXPECT_EQ(config.estimation.output_tokens_default, defaults.estimation.output_tokens_default);
  EXPECT_EQ(config.estimation.sum, defaults.estimation.sum);
  EXPECT_EQ(config.routing.attempts_max, defaults.routing.attempts_max);
  EXPECT_EQ(config.routing.refused_key_for, defaults.routing.refused_key_for);
  EXPECT_EQ(config.routing.lost_provider_for, defaults.routing.lost_provider_for);
  EXPECT_EQ(config.routing.rate_limited_for_max, defaults.routing.rate_limited_for_max);
  EXPECT_EQ(config.routing.breaker_failures, defaults.routing.breaker_failures);
  EXPECT_EQ(config.routing.breaker_open_for, defaults.routing.breaker_open_for);
  EXPECT_EQ(config.routing.breaker_open_for_max, defaults.routing.breaker_open_for_max);
  EXPECT_FALSE(config.quota.redis);
  EXPECT_EQ(config.quota.replicas, defaults.quota.replicas);
  EXPECT_EQ(config.quota.waiting_max, defaults.quota.waiting_max);
  EXPECT_EQ(config.quota.wait_max, defaults.quota.wait_max);
  EXPECT_EQ(config.providers[0].timeouts.connect, timeouts.connect);
  EXPECT_EQ(config.providers[0].timeouts.first_token, timeouts.first_token);
  EXPECT_EQ(config.providers[0].timeouts.silence, timeouts.silence);
  EXPECT_EQ(config.providers[0].timeouts.content_gap, timeouts.content_gap);
  EXPECT_EQ(config.providers[0].timeouts.total, timeouts.total);
}

TEST(ShippedConfigTest, TakesRedisFromTheEnvironment) {
  const auto result = Load(kShipped, {{"YI_API_KEY", "k"},
                                      {"PINGTI_REDIS", "redis:6379"},
                                      {"PINGTI_REDIS_USERNAME", "pingti"},
                                      {"PINGTI_REDIS_PASSWORD", "secret"},
                                      {"PINGTI_REPLICAS", "3"}});
  ASSERT_TRUE(result.ok()) << result.status();
  const Quota& quota = result->config.quota;
  const Redis defaults;
  ASSERT_TRUE(quota.redis);
  EXPECT_EQ(quota.redis->address, "redis:6379");
  EXPECT_EQ(quota.redis->username, "pingti");
  EXPECT_EQ(quota.redis->password.Reveal(), "secret");
  EXPECT_EQ(quota.redis->database, defaults.database);
  EXPECT_EQ(quota.redis->timeout, defaults.timeout);
  EXPECT_EQ(quota.redis->prefix, defaults.prefix);
  EXPECT_EQ(quota.replicas, 3);
}

// A name of OpenAI's and what serves it, in this order.
struct Migration {
  std::string name;
  std::vector<std::string> models;
};

const Migration kMigrations[] = {
    {"gpt-4o", {"yi-large", "yi-large-fc", "yi-vision", "yi-medium-200k", "gpt-4o"}},
    {"gpt-4o-2024-05-13",
     {"yi-large", "yi-large-fc", "yi-vision", "yi-medium-200k", "gpt-4o-2024-05-13"}},
    {"gpt-4-turbo",
     {"yi-large-turbo", "yi-large-fc", "yi-vision", "yi-medium-200k", "gpt-4-turbo"}},
    {"gpt-4-turbo-2024-04-09",
     {"yi-large-turbo", "yi-large-fc", "yi-vision", "yi-medium-200k", "gpt-4-turbo-2024-04-09"}},
    {"gpt-4-turbo-preview",
     {"yi-large-turbo", "yi-large-fc", "yi-vision", "yi-medium-200k", "gpt-4-turbo-preview"}},
    {"gpt-4-0125-preview",
     {"yi-large-turbo", "yi-large-fc", "yi-vision", "yi-medium-200k", "gpt-4-turbo-preview"}},
    {"gpt-4-1106-preview",
     {"yi-large-turbo", "yi-large-fc", "yi-vision", "yi-medium-200k", "gpt-4-turbo-preview"}},
    {"gpt-3.5-turbo", {"yi-medium", "yi-medium-200k", "gpt-3.5-turbo"}},
    {"gpt-3.5-turbo-0125", {"yi-medium", "yi-medium-200k", "gpt-3.5-turbo-0125"}},
    {"gpt-3.5-turbo-1106", {"yi-medium", "yi-medium-200k", "gpt-3.5-turbo-1106"}},
};

// The facts that the product stands on.
TEST(ShippedConfigTest, HasTheMigrationMap) {
  const auto result = Load(kShipped, {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(result.ok()) << result.status();
  const Config& config = result->config;
  ASSERT_EQ(config.aliases.size(), std::size(kMigrations));
  for (const Migration& row : kMigrations) {
    const Alias& alias = Named(config.aliases, row.name);
    std::vector<std::string> models;
    for (size_t i = 0; i < alias.targets.size(); ++i) {
      models.push_back(alias.targets[i].model);
      EXPECT_EQ(alias.targets[i].priority, static_cast<int>(i)) << row.name;
    }
    EXPECT_EQ(models, row.models) << row.name;
    EXPECT_EQ(alias.to, "") << row.name;
  }
}

// Each kind of request that a name's own model serves is served by another one, where it can be.
TEST(ShippedConfigTest, HasATargetForEachKindOfRequest) {
  const auto result = Load(kShipped, {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(result.ok()) << result.status();
  const std::vector<Model>& models = result->config.models;
  EXPECT_TRUE(Named(models, "yi-large-fc").tools);
  EXPECT_TRUE(Named(models, "yi-vision").vision);
  EXPECT_EQ(Named(models, "yi-medium-200k").context_tokens, 200'000);
}

TEST(ShippedConfigTest, HasTheFactsOfTheYiModels) {
  const auto result = Load(kShipped, {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(result.ok()) << result.status();
  const Config& config = result->config;
  EXPECT_EQ(Named(config.models, "gpt-4o").provider, "openai");
  EXPECT_EQ(Named(config.models, "gpt-4o").context_tokens, 128'000);
  EXPECT_EQ(Named(config.models, "yi-large").context_tokens, 16'384);
  EXPECT_EQ(Named(config.models, "yi-vision").context_tokens, 4'096);
  EXPECT_FALSE(Named(config.models, "yi-vision").system_messages);
  EXPECT_THAT(Named(config.providers, "yi").unsupported_fields,
              testing::IsSupersetOf({"stream_usage", "sampling.stop", "response_format"}));
}

// Requests per minute and per day, tokens per minute; a day of -1: no such limit.
struct TierRow {
  const char* tier;
  const char* model_class;
  int64_t requests_per_minute;
  int64_t requests_per_day;
  int64_t tokens_per_minute;
};

// OpenAI's table of mid 2024, and the Yi rows that are derived from it.
constexpr TierRow kTierRows[] = {
    {"Free", "gpt-4o", 0, -1, 0},
    {"Free", "gpt-4-turbo", 0, -1, 0},
    {"Free", "gpt-3.5-turbo", 3, 200, 40'000},
    {"Free", "gpt-4", 0, -1, 0},
    {"Free", "yi-large", 3, 200, 40'000},
    {"Free", "yi-large-turbo", 3, 200, 40'000},
    {"Free", "yi-medium", 3, 200, 40'000},
    {"Free", "another", 3, 200, 40'000},
    {"Tier1", "gpt-4o", 500, -1, 30'000},
    {"Tier1", "gpt-4-turbo", 500, -1, 30'000},
    {"Tier1", "gpt-3.5-turbo", 3'500, 10'000, 60'000},
    {"Tier1", "gpt-4", 500, 10'000, 10'000},
    {"Tier1", "yi-large", 500, -1, 30'000},
    {"Tier1", "yi-large-turbo", 500, -1, 30'000},
    {"Tier1", "yi-medium", 3'500, 10'000, 60'000},
    {"Tier1", "another", 500, -1, 30'000},
    {"Tier2", "gpt-4o", 5'000, -1, 450'000},
    {"Tier2", "gpt-4-turbo", 5'000, -1, 450'000},
    {"Tier2", "gpt-3.5-turbo", 3'500, -1, 80'000},
    {"Tier2", "gpt-4", 5'000, -1, 40'000},
    {"Tier2", "yi-large", 5'000, -1, 450'000},
    {"Tier2", "yi-large-turbo", 5'000, -1, 450'000},
    {"Tier2", "yi-medium", 3'500, -1, 80'000},
    {"Tier2", "another", 5'000, -1, 450'000},
    {"Tier3", "gpt-4o", 5'000, -1, 600'000},
    {"Tier3", "gpt-4-turbo", 5'000, -1, 600'000},
    {"Tier3", "gpt-3.5-turbo", 3'500, -1, 160'000},
    {"Tier3", "gpt-4", 5'000, -1, 80'000},
    {"Tier3", "yi-large", 5'000, -1, 600'000},
    {"Tier3", "yi-large-turbo", 5'000, -1, 600'000},
    {"Tier3", "yi-medium", 3'500, -1, 160'000},
    {"Tier3", "another", 5'000, -1, 600'000},
    {"Tier4", "gpt-4o", 10'000, -1, 800'000},
    {"Tier4", "gpt-4-turbo", 10'000, -1, 800'000},
    {"Tier4", "gpt-3.5-turbo", 10'000, -1, 1'000'000},
    {"Tier4", "gpt-4", 10'000, -1, 300'000},
    {"Tier4", "yi-large", 10'000, -1, 800'000},
    {"Tier4", "yi-large-turbo", 10'000, -1, 800'000},
    {"Tier4", "yi-medium", 10'000, -1, 1'000'000},
    {"Tier4", "another", 10'000, -1, 800'000},
    {"Tier5", "gpt-4o", 10'000, -1, 12'000'000},
    {"Tier5", "gpt-4-turbo", 10'000, -1, 2'000'000},
    {"Tier5", "gpt-3.5-turbo", 10'000, -1, 2'000'000},
    {"Tier5", "gpt-4", 10'000, -1, 300'000},
    {"Tier5", "yi-large", 10'000, -1, 12'000'000},
    {"Tier5", "yi-large-turbo", 10'000, -1, 2'000'000},
    {"Tier5", "yi-medium", 10'000, -1, 2'000'000},
    {"Tier5", "another", 10'000, -1, 12'000'000},
};

TEST(ShippedConfigTest, HasTheTiersOfMid2024) {
  const auto result = Load(kShipped, {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(result.ok()) << result.status();
  const Config& config = result->config;
  ASSERT_EQ(config.tiers.size(), 6u);
  for (const TierRow& row : kTierRows) {
    ClassLimits expected;
    expected.requests_per_minute = row.requests_per_minute;
    expected.tokens_per_minute = row.tokens_per_minute;
    if (row.requests_per_day >= 0) expected.requests_per_day = row.requests_per_day;
    EXPECT_TRUE(Named(config.tiers, row.tier).limits(row.model_class) == expected)
        << row.tier << " " << row.model_class;
  }
  for (const Tier& tier : config.tiers) {
    EXPECT_EQ(tier.classes.size(), 10u) << tier.name;
    EXPECT_TRUE(tier.limits("yi-large-rag") == tier.limits("yi-large")) << tier.name;
    EXPECT_TRUE(tier.limits("yi-vision") == tier.limits("yi-large")) << tier.name;
    EXPECT_TRUE(tier.limits("yi-medium-200k") == tier.limits("yi-large-turbo")) << tier.name;
  }
}

// OpenAI published its rows; nobody has seen such a table of 01.AI.
TEST(ShippedConfigTest, SaysWhichRowsOfTheTiersAreVerified) {
  const auto result = Load(kShipped, {{"YI_API_KEY", "k"}});
  ASSERT_TRUE(result.ok()) << result.status();
  for (const Tier& tier : result->config.tiers) {
    for (const auto& [model_class, row] : tier.classes) {
      EXPECT_EQ(row.verified, model_class.starts_with("gpt-")) << tier.name << " " << model_class;
    }
    EXPECT_EQ(tier.other_classes.verified, false) << tier.name;
    EXPECT_FALSE(tier.verified) << tier.name;
    EXPECT_THAT(tier.source, HasSubstr("openai-cookbook, examples/data/oai_docs/tier-"))
        << tier.name;
  }
}

constexpr char kTwoModels[] =
    "\nproviders: [{name: p, dialect: openai, base_url: 'http://h', no_key: true}]\n"
    "models: [{name: m, provider: p, context_tokens: 1}, "
    "{name: n, provider: p, context_tokens: 1}]\n";

// A row that says nothing is as verified as its tier.
TEST(TierRowTest, IsVerifiedAsItsTierUnlessItSaysOtherwise) {
  const auto result = LoadFromString(std::string(R"(
tiers:
- {name: T, verified: true, source: a page, classes: {m: {}, n: {verified: false}}}
- name: U
  classes: {m: {requests_per_minute: 5}, n: {verified: true}}
  other_classes: {verified: true}
)") + kTwoModels,
                                     "t.yaml", {});
  ASSERT_TRUE(result.ok()) << result.status();
  const std::vector<Tier>& tiers = result->config.tiers;
  EXPECT_EQ(tiers[0].limits("m").verified, true);
  EXPECT_EQ(tiers[0].limits("n").verified, false);
  EXPECT_EQ(tiers[0].limits("other").verified, true);
  EXPECT_EQ(tiers[0].source, "a page");
  EXPECT_EQ(tiers[1].limits("m").verified, false);
  EXPECT_EQ(tiers[1].limits("n").verified, true);
  EXPECT_EQ(tiers[1].limits("other").verified, true);
  EXPECT_FALSE(tiers[1].verified);
  // It is no limit.
  EXPECT_TRUE(tiers[0].limits("m") == tiers[0].limits("n"));
}

TEST(TierRowTest, TenantsAndKeysHaveNothingToVerify) {
  const std::string record = "a:" + std::string(64, 'd');
  const std::string tier = std::string("tiers: [{name: T}]\n") + kTwoModels;
  const std::string tenant = "tenants:\n- {name: t, tier: T, keys: [{record: '" + record + "'";
  for (const std::string& end : {std::string(", limits: {verified: true}}]}\n"),
                                 std::string("}], limits: {classes: {m: {verified: true}}}}\n"),
                                 std::string("}], limits: {other_classes: {verified: true}}}\n")}) {
    const auto result = LoadFromString(tier + tenant + end, "t.yaml", {});
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("verified: is not known here"))
        << end;
  }
}

}  // namespace
}  // namespace pingti::config
