// What good files become.
#include "server/config/load.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/config/load_text.h"
#include "tests/unit/config/named.h"

namespace pingti::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

// A folder for files, removed with all in it.
class Folder {
 public:
  Folder() {
    char pattern[] = "/tmp/pingti_config_XXXXXX";
    path_ = std::string(mkdtemp(pattern)) + "/";
  }
  ~Folder() {
    for (const std::string& name : names_) unlink((path_ + name).c_str());
    rmdir(path_.c_str());
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + name, std::ios::binary) << text;
    names_.push_back(name);
    return path_ + name;
  }

 private:
  std::string path_;
  std::vector<std::string> names_;
};

TEST(LoadTest, WhatIsLeftOutHasItsDefault) {
  const Config config = Good(kProvider).config;
  const Server defaults;
  EXPECT_EQ(config.listen.grpc, "127.0.0.1:50051");
  EXPECT_EQ(config.server.message_bytes_max, defaults.message_bytes_max);
  EXPECT_EQ(config.server.drain_grace, absl::Seconds(60));
  EXPECT_FALSE(config.server.reflection);
  EXPECT_TRUE(config.features.quota);
  ASSERT_EQ(config.providers.size(), 1u);
  EXPECT_EQ(config.providers[0].timeouts.connect, absl::Seconds(5));
  EXPECT_TRUE(config.providers[0].on());
  EXPECT_THAT(config.models, IsEmpty());
}

TEST(LoadTest, ReadsEveryFieldOfTheProcess) {
  const Config config = Good(std::string(R"(
listen: {grpc: '[::1]:0', metrics: 'localhost:9'}
server:
  workers: 3
  message_bytes_max: 1KiB
  metadata_bytes_max: 2048
  concurrent_streams_max: 7
  memory_quota_bytes: 64MiB
  keepalive_time: 1s
  keepalive_timeout: 100ms
  ping_interval_min: 0s
  connection_age: 0s
  connection_age_grace: 1h
  drain_delay: 1m
  drain_grace: 1ms
  reflection: true
  calls_in_flight_max: 9
  overload_delay: 250ms
  memory_low_watermark: 70
  memory_high_watermark: 80
limits: {image_bytes_max: 1KiB, answer_bytes_max: 2KiB, line_bytes_max: 3KiB,
         stream_buffer_bytes_max: 4KiB}
estimation: {output_tokens_default: 5, sum: false}
features: {quota: false, metrics: false, access_record: false}
)") + kProvider)
                            .config;
  EXPECT_EQ(config.listen.grpc, "[::1]:0");
  EXPECT_EQ(config.listen.metrics, "localhost:9");
  EXPECT_EQ(config.server.workers, 3);
  EXPECT_EQ(config.server.message_bytes_max, 1024);
  EXPECT_EQ(config.server.metadata_bytes_max, 2048);
  EXPECT_EQ(config.server.concurrent_streams_max, 7);
  EXPECT_EQ(config.server.memory_quota_bytes, 64 << 20);
  EXPECT_EQ(config.server.keepalive_time, absl::Seconds(1));
  EXPECT_EQ(config.server.keepalive_timeout, absl::Milliseconds(100));
  EXPECT_EQ(config.server.ping_interval_min, absl::ZeroDuration());
  EXPECT_EQ(config.server.connection_age, absl::ZeroDuration());
  EXPECT_EQ(config.server.connection_age_grace, absl::Hours(1));
  EXPECT_EQ(config.server.drain_delay, absl::Minutes(1));
  EXPECT_EQ(config.server.drain_grace, absl::Milliseconds(1));
  EXPECT_TRUE(config.server.reflection);
  EXPECT_EQ(config.server.calls_in_flight_max, 9);
  EXPECT_EQ(config.server.overload_delay, absl::Milliseconds(250));
  EXPECT_EQ(config.server.memory_low_watermark, 70);
  EXPECT_EQ(config.server.memory_high_watermark, 80);
  EXPECT_EQ(config.limits.image_bytes_max, 1024);
  EXPECT_EQ(config.limits.answer_bytes_max, 2048);
  EXPECT_EQ(config.limits.line_bytes_max, 3072);
  EXPECT_EQ(config.limits.stream_buffer_bytes_max, 4096);
  EXPECT_EQ(config.estimation.output_tokens_default, 5);
  EXPECT_FALSE(config.estimation.sum);
  EXPECT_FALSE(config.features.quota || config.features.metrics || config.features.access_record);
}

// Every field of every kind of entry, each with a value that is not its default.
constexpr char kEntries[] = R"(
timeouts: {connect: 1s, total: 20s}
providers:
- name: one
  dialect: openai
  base_url: https://h:8443/v1
  api_key: k
  unsupported_fields: [sampling.seed, stream_usage]
  private_network: true
  http_version: 2
  connections_max: 3
  tier: T
  timeouts: {total: 30s, first_token: 2s, silence: 3s, content_gap: 4s}
- {name: two, dialect: openai, base_url: 'http://h', no_key: true,
   serves_any_model: true, upstream_model: u}
models:
- name: m/1
  provider: one
  upstream_model: up
  model_class: c
  context_tokens: 100
  output_tokens_max: 50
  vision: true
  tools: true
  system_messages: false
  developer_role: true
  max_tokens_field: max_completion_tokens
  unsupported_fields: [user]
  forward_output_cap: true
  verified: true
  source: here
- {name: plain, provider: two, context_tokens: 1}
aliases: [{name: a, to: m/1}, {name: plain, to: m/1}]
tiers:
- {name: T, verified: true, classes: {c: {requests_per_minute: 0}, plain: {}},
   other_classes: {tokens_per_minute: 5}}
tenants:
- {name: t, tier: T, suspended: true, models: [a, plain],
   keys: [{record: '${RECORD}', models: [a]}]}
- {name: bare, tier: T}
)";

Config Entries() { return Good(kEntries, {{"RECORD", "pt_abcd:" + std::string(64, 'b')}}).config; }

TEST(LoadTest, ReadsEveryFieldOfProviders) {
  const Config config = Entries();
  const Provider& one = Named(config.providers, "one");
  EXPECT_EQ(one.dialect, "openai");
  EXPECT_EQ(one.base_url, "https://h:8443/v1");
  EXPECT_EQ(one.api_key.Reveal(), "k");
  EXPECT_THAT(one.unsupported_fields, ElementsAre("sampling.seed", "stream_usage"));
  EXPECT_EQ(one.connections_max, 3);
  EXPECT_TRUE(one.private_network);
  EXPECT_EQ(one.http_version, HttpVersion::kHttp2);
  EXPECT_EQ(one.tier, "T");
  EXPECT_EQ(one.timeouts.connect, absl::Seconds(1));
  EXPECT_EQ(one.timeouts.first_token, absl::Seconds(2));
  EXPECT_EQ(one.timeouts.silence, absl::Seconds(3));
  EXPECT_EQ(one.timeouts.content_gap, absl::Seconds(4));
  EXPECT_EQ(one.timeouts.total, absl::Seconds(30));
  const Provider& two = Named(config.providers, "two");
  EXPECT_EQ(two.timeouts.total, absl::Seconds(20));
  EXPECT_EQ(two.tier, "");
  EXPECT_FALSE(two.private_network) << "the default for a name";
  EXPECT_EQ(two.http_version, HttpVersion::kHttp1);
  EXPECT_TRUE(two.no_key && two.serves_any_model && two.on());
  EXPECT_EQ(two.upstream_model, "u");
}

TEST(LoadTest, ReadsEveryFieldOfModels) {
  const Config config = Entries();
  const Model& model = Named(config.models, "m/1");
  EXPECT_EQ(model.provider, "one");
  EXPECT_EQ(model.upstream_model, "up");
  EXPECT_EQ(model.model_class, "c");
  EXPECT_EQ(model.context_tokens, 100);
  EXPECT_EQ(model.output_tokens_max, 50);
  EXPECT_TRUE(model.vision && model.tools && model.developer_role && model.verified);
  EXPECT_TRUE(model.forward_output_cap);
  EXPECT_FALSE(model.system_messages);
  EXPECT_EQ(model.max_tokens_field, "max_completion_tokens");
  EXPECT_THAT(model.unsupported_fields, ElementsAre("user"));
  EXPECT_EQ(model.source, "here");
  const Model& plain = Named(config.models, "plain");
  EXPECT_EQ(plain.upstream_model, "plain");
  EXPECT_EQ(plain.model_class, "plain");
  EXPECT_TRUE(plain.system_messages);
}

TEST(LoadTest, ReadsEveryFieldOfAliasesTiersAndTenants) {
  const Config config = Entries();
  EXPECT_EQ(Named(config.aliases, "plain").to, "m/1");
  const Tier& tier = Named(config.tiers, "T");
  EXPECT_TRUE(tier.verified);
  EXPECT_EQ(tier.limits("c").requests_per_minute, 0);
  EXPECT_EQ(tier.limits("c").tokens_per_minute, std::nullopt);
  EXPECT_EQ(tier.limits("plain").tokens_per_minute, std::nullopt);
  EXPECT_EQ(tier.limits("other").tokens_per_minute, 5);
  const Tenant& tenant = Named(config.tenants, "t");
  EXPECT_TRUE(tenant.suspended);
  EXPECT_THAT(tenant.models, ElementsAre("a", "plain"));
  ASSERT_EQ(tenant.keys.size(), 1u);
  EXPECT_EQ(tenant.keys[0].public_id, "abcd");
  EXPECT_THAT(tenant.keys[0].models, ElementsAre("a"));
  EXPECT_EQ(tenant.keys[0].sha256, std::string(32, '\xBB'));
  EXPECT_THAT(Named(config.tenants, "bare").keys, IsEmpty());
}

TEST(LoadTest, TheMainFileReplacesAndAddsToTheCatalogue) {
  const FileReader files = [](const std::string& path, size_t) -> absl::StatusOr<std::string> {
    EXPECT_EQ(path, "c/sub/cat.yaml");
    return std::string(
        "models:\n- {name: a, provider: p, context_tokens: 1}\n- {name: b, provider: p, "
        "context_tokens: 2}\naliases: [{name: x, to: a}]\ntiers: [{name: T, verified: true}]\n");
  };
  const Config config = Good(std::string("catalogue_file: sub/cat.yaml\nmodels:\n"
                                         "- {name: a, provider: p, context_tokens: 10}\n"
                                         "- {name: c, provider: p, context_tokens: 30}\n"
                                         "aliases: [{name: x, to: c}, {name: y, to: b}]\n"
                                         "tiers: [{name: T}, {name: U}]\n") +
                                 kProvider,
                             {}, files)
                            .config;
  ASSERT_EQ(config.models.size(), 3u);
  EXPECT_EQ(config.models[0].name, "a");
  EXPECT_EQ(config.models[0].context_tokens, 10);
  EXPECT_EQ(config.models[1].context_tokens, 2);
  EXPECT_EQ(config.models[2].name, "c");
  EXPECT_EQ(Named(config.aliases, "x").to, "c");
  EXPECT_EQ(Named(config.aliases, "y").to, "b");
  ASSERT_EQ(config.tiers.size(), 2u);
  EXPECT_FALSE(config.tiers[0].verified);
}

TEST(LoadTest, ValuesOfEveryKindComeFromTheEnvironment) {
  const Environment environment = {{"N", "4"},    {"D", "7s"},    {"B", "true"},
                                   {"HOST", "h"}, {"KEY", "a$b"}, {"F", "user"}};
  const Config config = Good(
                            "server: {workers: '${N}', drain_grace: '${D}', reflection: '${B}', "
                            "message_bytes_max: '${N}KiB'}\n"
                            "providers:\n- {name: p, dialect: openai, base_url: "
                            "'https://${HOST}/v${N}', api_key: '${KEY}', "
                            "unsupported_fields: ['${F}']}\n- {name: q, dialect: openai, base_url: "
                            "'', api_key: 'cost$$'}\n",
                            environment)
                            .config;
  EXPECT_EQ(config.server.workers, 4);
  EXPECT_EQ(config.server.drain_grace, absl::Seconds(7));
  EXPECT_TRUE(config.server.reflection);
  EXPECT_EQ(config.server.message_bytes_max, 4096);
  EXPECT_EQ(config.providers[0].base_url, "https://h/v4");
  EXPECT_EQ(config.providers[0].api_key.Reveal(), "a$b");
  EXPECT_THAT(config.providers[0].unsupported_fields, ElementsAre("user"));
  EXPECT_EQ(config.providers[1].api_key.Reveal(), "cost$");
}

TEST(LoadTest, NotesSayWhatIsOffAndWhatWouldSwitchItOn) {
  const LoadResult result = Good(
      "providers:\n- {name: on, dialect: openai, base_url: 'http://h', no_key: true}\n"
      "- {name: key, dialect: openai, base_url: 'http://h', api_key: '${K:-}'}\n"
      "- {name: url, dialect: openai, base_url: '${U:-}', no_key: true}\n"
      "- {name: both, dialect: openai, base_url: '${U:-}', api_key: '${K:-}'}\n"
      "- {name: plain, dialect: openai, base_url:, api_key: ''}\n"
      "tiers: [{name: T}]\ntenants: [{name: t, tier: T, keys: [{record: '${R:-}'}]}]\n");
  EXPECT_THAT(result.notes,
              ElementsAre("API key tenants[0].keys[0] of tenant t: off, record is empty (set R)",
                          "provider on: on", "provider key: off, api_key is empty (set K)",
                          "provider url: off, base_url is empty (set U)",
                          "provider both: off, base_url and api_key are empty (set U and K)",
                          "provider plain: off, base_url and api_key are empty",
                          "no API key is on: every call will be refused with UNAUTHENTICATED"));
}

TEST(LoadFileTest, SecretsComeFromFilesBesideTheConfiguration) {
  Folder folder;
  const std::string hex(64, 'c');
  folder.Write("key", "secret\n");
  folder.Write("key_crlf", "secret\r\n");
  folder.Write("empty", "\n");
  folder.Write("record", "pt_filed:" + hex + "\n");
  const std::string absolute = folder.Write("absolute", "other");
  const std::string path = folder.Write(
      "t.yaml",
      "providers:\n- {name: a, dialect: openai, base_url: 'http://h', api_key_file: key}\n"
      "- {name: b, dialect: openai, base_url: 'http://h', api_key_file: '${FILE}'}\n"
      "- {name: c, dialect: openai, base_url: 'http://h', api_key_file: key_crlf}\n"
      "- {name: d, dialect: openai, base_url: 'http://h', api_key_file: empty}\n"
      "- {name: e, dialect: openai, base_url: 'http://h', api_key_file: '${NONE:-}'}\n"
      "tiers: [{name: T}]\ntenants: [{name: t, tier: T, keys: [{record_file: record}]}]\n");
  const auto result = Load(path, {{"FILE", absolute}});
  ASSERT_TRUE(result.ok()) << result.status();
  const Config& config = result->config;
  EXPECT_EQ(config.providers[0].api_key.Reveal(), "secret");
  EXPECT_EQ(config.providers[1].api_key.Reveal(), "other");
  EXPECT_EQ(config.providers[2].api_key.Reveal(), "secret");
  EXPECT_FALSE(config.providers[3].on());
  EXPECT_FALSE(config.providers[4].on());
  EXPECT_EQ(config.tenants[0].keys[0].public_id, "filed");
  EXPECT_THAT(result->notes, Contains("provider d: off, api_key_file is empty"));
  EXPECT_THAT(result->notes, Contains("provider e: off, api_key_file is empty (set NONE)"));
}

TEST(LoadFileTest, AFileThatCannotBeReadIsAnError) {
  Folder folder;
  folder.Write("big", std::string(64 * 1024 + 1, 'x'));
  auto error = [&](const std::string& file) {
    const std::string path = folder.Write(
        "t.yaml",
        "providers:\n- name: a\n  dialect: openai\n  base_url: http://h\n  api_key_file: " + file +
            "\n");
    const auto result = Load(path, {});
    EXPECT_FALSE(result.ok());
    return std::string(result.status().message()).substr(path.size());
  };
  EXPECT_EQ(error("lost"),
            ":5:3: providers[0].api_key_file: \"lost\" cannot be read: there is no such file");
  EXPECT_EQ(error("."), ":5:3: providers[0].api_key_file: \".\" cannot be read: it is a folder");
  EXPECT_EQ(error("big"),
            ":5:3: providers[0].api_key_file: \"big\" cannot be read: it is larger than 64KiB");
  EXPECT_EQ(Load("/nowhere/at.yaml", {}).status().message(),
            "/nowhere/at.yaml: cannot be read: there is no such file");
}

TEST(LoadFileTest, TheProcessEnvironmentIsRead) {
  ASSERT_EQ(setenv("PINGTI_LOAD_TEST", "a=b", 1), 0);
  const Environment environment = ProcessEnvironment();
  EXPECT_EQ(environment.at("PINGTI_LOAD_TEST"), "a=b");
}

}  // namespace
}  // namespace pingti::config
