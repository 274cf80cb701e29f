// One JSON line per call on standard error, with what operations need and nothing that is secret:
// canaries in the prompt, the keys and the answer are looked for everywhere outside of the answer.
#include <gmock/gmock.h>

#include "tests/integration/raw_call.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kProviderKey[] = "canary-provider-key-81fe";
constexpr char kPromptCanary[] = "canary-prompt-4711";
constexpr char kAnswerCanary[] = "You said";  // in every answer of the simulated provider

class AccessRecordTest : public WorldTest<AccessRecordTest> {
 public:
  static WorldOptions MakeOptions() {
    return {.timeouts = Timeouts(Millis(1000), Millis(2000)), .provider_key = kProviderKey};
  }

 protected:
  static int RecordsOf(const std::string& request_id) {
    const std::string said = server().process().Errors();
    int records = 0;
    for (size_t at = said.find(request_id); at != said.npos; at = said.find(request_id, at + 1)) {
      ++records;
    }
    return records;
  }
};

std::string Text(const rapidjson::Document& record, const char* name) {
  return record.HasMember(name) ? record[name].GetString() : "";
}

TEST_F(AccessRecordTest, WhatARecordSays) {
  v1::CompletionSpec spec = Ask("Hello", "old-chat");
  spec.set_request_id("record-1");
  (*spec.mutable_labels())["team"] = "检索";
  const auto answer = world().Client().Generate(spec);
  ASSERT_TRUE(answer.ok());
  const rapidjson::Document record = server().AccessRecord("record-1");
  EXPECT_EQ(Text(record, "record"), "call");
  EXPECT_THAT(Text(record, "time"), testing::MatchesRegex("20..-..-..T..:..:..\\....Z"));
  EXPECT_EQ(Text(record, "tenant"), "acme");
  const std::string key = world().key("acme");
  EXPECT_EQ(Text(record, "key"), key.substr(3, key.rfind('_') - 3));
  EXPECT_EQ(Text(record, "method"), "unary");
  EXPECT_EQ(Text(record, "model"), "old-chat");
  EXPECT_EQ(Text(record, "provider"), "simulated");
  EXPECT_EQ(Text(record, "upstream_model"), "chat");
  EXPECT_EQ(Text(record, "code"), "OK");
  EXPECT_FALSE(record.HasMember("reason"));
  ASSERT_EQ(record["attempts"].Size(), 1u);
  EXPECT_EQ(record["attempts"][0]["status"].GetInt(), 200);
  EXPECT_FALSE(record["attempts"][0].HasMember("class"));
  EXPECT_EQ(record["usage"]["input_tokens"].GetInt64(), answer->usage().input_tokens());
  EXPECT_EQ(record["usage"]["output_tokens"].GetInt64(), answer->usage().output_tokens());
  EXPECT_STREQ(record["usage"]["source"].GetString(), "measured");
  EXPECT_EQ(record["bytes_in"].GetInt64(), [&] {
    v1::GenerateCompletionRequest request;
    *request.mutable_spec() = spec;
    return static_cast<int64_t>(request.ByteSizeLong());
  }());
  EXPECT_GT(record["total_ms"].GetDouble(), 0);
  EXPECT_THAT(Text(record, "peer"), HasSubstr("127.0.0.1"));
  EXPECT_STREQ(record["labels"]["team"].GetString(), "检索");
}

TEST_F(AccessRecordTest, RecordOfAStream) {
  Streamed all = ReadAll(world().Client().Stream(Ask("Hello [sim:chunks=5,first_token_ms=30]")));
  ASSERT_TRUE(all.error.ok());
  const rapidjson::Document record = server().AccessRecord(all.start.request_id());
  EXPECT_EQ(Text(record, "method"), "stream");
  EXPECT_EQ(record["chunks"].GetInt(), all.deltas);
  EXPECT_GE(record["first_token_ms"].GetDouble(), 29);
  EXPECT_GE(record["total_ms"].GetDouble(), record["first_token_ms"].GetDouble());
}

TEST_F(AccessRecordTest, OneRecordForEveryCallHoweverItEnds) {
  struct Case {
    const char* tenant;
    const char* prompt;
    const char* model;
    const char* code;
    const char* reason;
    const char* cause;
  };
  const Case cases[] = {
      {"acme", "Hello", "chat", "OK", "", ""},
      {"acme", "Hello", "no-such", "NOT_FOUND", "MODEL_UNKNOWN", ""},
      {"acme", "Hello", "dead", "UNAVAILABLE", "TARGETS_UNAVAILABLE", "connect"},
      {"acme", "[sim:fault=18]", "chat", "UNAVAILABLE", "ANSWER_INCOMPLETE", "cut"},
      {"acme", "[sim:fault=21a]", "chat", "UNAVAILABLE", "TARGETS_UNAVAILABLE",
       "first_token_timeout"},
      {"suspended", "Hello", "chat", "PERMISSION_DENIED", "TENANT_SUSPENDED", ""},
      {"narrow", "Hello", "chat", "PERMISSION_DENIED", "MODEL_NOT_ALLOWED", ""},
  };
  for (const Case& c : cases) {
    const Streamed all = ReadAll(world().Client(c.tenant).Stream(Ask(c.prompt, c.model)));
    const std::string id = all.error.ok() ? all.start.request_id() : all.error.request_id;
    ASSERT_FALSE(id.empty()) << c.reason;
    const rapidjson::Document record = server().AccessRecord(id);
    EXPECT_EQ(Text(record, "code"), c.code);
    EXPECT_EQ(Text(record, "reason"), c.reason);
    EXPECT_EQ(Text(record, "cause"), c.cause) << c.prompt;
    EXPECT_EQ(RecordsOf(id), 1) << c.reason;
  }
  // The errors without a tenant, and the methods beside completions.
  const auto no_key = server().Client("").Generate(Ask("Hello"));
  EXPECT_EQ(Text(server().AccessRecord(no_key.error().request_id), "reason"), "KEY_MISSING");
  ASSERT_TRUE(world().Client().ListModels().ok());
  EXPECT_TRUE(server().process().WaitForError(
      [](std::string_view line) { return line.find("\"list_models\"") != line.npos; }));
}

TEST_F(AccessRecordTest, EveryLineIsJson) {
  ASSERT_TRUE(world().Client().Generate(Ask("Hello \"quoted\" \\ \n 引号")).ok());
  const std::string said = server().process().Errors();
  size_t from = 0;
  for (size_t end = said.find('\n'); end != said.npos; end = said.find('\n', from)) {
    const std::string line = said.substr(from, end - from);
    from = end + 1;
    EXPECT_TRUE(ParseJson(line).IsObject()) << line;
  }
}

TEST_F(AccessRecordTest, NoSecretLeavesTheServer) {
  const std::string prompt = std::string(kPromptCanary) + " ";
  std::string said_to_callers;
  auto keep = [&](const client::Error& error) {
    said_to_callers += error.message;
    for (const auto& [key, value] : error.metadata) said_to_callers += key + value;
    for (const auto& field : error.field_violations) said_to_callers += field.description;
  };
  // With a provider that wants a key, in every way that a call can end.
  for (const char* knobs :
       {"[sim:chunks=3]", "[sim:fault=18]", "[sim:fault=19]", "[sim:fault=21a]", "[sim:fault=26a]",
        "[sim:fault=30]", "[sim:fault=31]", "[sim:fault=31c]", "[sim:status=401]",
        "[sim:status=400bad]", "[sim:status=429]", "[sim:status=500]", "[sim:nonsense=1]"}) {
    keep(ReadAll(world().Client().Stream(Ask(prompt + knobs, "keyed"))).error);
    const auto unary = world().Client().Generate(Ask(prompt + knobs, "keyed"));
    if (!unary.ok()) keep(unary.error());
  }
  v1::CompletionSpec bad = Ask(prompt, "keyed");
  bad.mutable_sampling()->set_temperature(9);
  bad.set_user("canary-user-4711");
  keep(world().Client().Generate(bad).error());
  keep(server().Client(world().key("acme") + "x").Generate(Ask(prompt)).error());
  const rapidjson::Document requests = provider().Requests();
  ASSERT_GT(requests.Size(), 0u);
  EXPECT_STREQ(requests[0]["key_tail"].GetString(), "81fe");  // the key did get there

  std::string said = server().process().Errors() + server().process().Output();
  const std::string metrics = server().Scrape().text();
  const std::string& key = world().key("acme");
  const std::string secret = key.substr(key.rfind('_') + 1);
  for (const std::string& canary :
       {std::string(kProviderKey), std::string(kPromptCanary), std::string(kAnswerCanary), secret,
        std::string("canary-user-4711"), std::string("SIMULATED-HTML-BODY")}) {
    EXPECT_THAT(said, Not(HasSubstr(canary)));
    EXPECT_THAT(metrics, Not(HasSubstr(canary)));
    EXPECT_THAT(said_to_callers, Not(HasSubstr(canary)));
  }
}

TEST(AccessRecordOffTest, NoRecordsWhereTheyAreSwitchedOff) {
  World world({.features = "{access_record: false}"});
  ASSERT_TRUE(world.Client().Generate(Ask("Hello")).ok());
  world.Stop();
  EXPECT_THAT(world.server().process().Errors(), Not(HasSubstr("\"record\"")));
}

}  // namespace
}  // namespace pingti::integration
