// Bad input of every kind gets a clear error within its deadline, reaches no provider where none is
// needed, and costs no quota; the server goes on.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/integration/raw_call.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using client::Error;
using grpc::StatusCode;
using testing::HasSubstr;
using testing::Not;

constexpr char kGenerate[] = "/pingti.v1.Completion/GenerateCompletion";
constexpr char kStream[] = "/pingti.v1.Completion/StreamCompletion";

class BadInputTest : public WorldTest<BadInputTest> {
 public:
  static WorldOptions MakeOptions() {
    return {.server = "{message_bytes_max: 12MiB}",
            .limits = "{image_bytes_max: 1MiB}",
            .timeouts = Timeouts(Millis(1000), Millis(2000))};
  }

 protected:
  void TearDown() override {
    // Whatever was sent: the server still serves.
    const auto answer = world().Client().Generate(Ask("Still there?"));
    EXPECT_TRUE(answer.ok()) << answer.error().message;
  }

  // The errors that both completion methods give for `spec`; they must be alike, name the call and
  // take nothing: no provider is asked, and the tenant's quota stays whole.
  static Error Refused(const v1::CompletionSpec& spec, const std::string& tenant = "acme") {
    const double admitted = server().Scrape().Sum("pingti_quota_admitted_total");
    const client::Client client = world().Client(tenant);
    const auto unary = client.Generate(spec);
    const Streamed stream = ReadAll(client.Stream(spec));
    EXPECT_FALSE(unary.ok());
    const Error error = unary.ok() ? Error() : unary.error();
    ExpectAlike(error, stream.error);
    EXPECT_EQ(error.message, stream.error.message);
    EXPECT_EQ(stream.started, 0);
    EXPECT_EQ(error.domain, "pingti");
    EXPECT_FALSE(error.request_id.empty());
    EXPECT_FALSE(error.message.empty());
    EXPECT_EQ(provider().Stat("requests"), 0);
    EXPECT_EQ(server().Scrape().Sum("pingti_quota_admitted_total"), admitted);
    return error;
  }

  static void ExpectAlike(const Error& a, const Error& b) {
    EXPECT_EQ(a.code, b.code);
    EXPECT_EQ(a.reason, b.reason);
    EXPECT_EQ(a.field_violations.size(), b.field_violations.size());
  }

  // A bad field, with its path.
  static void ExpectBadField(const v1::CompletionSpec& spec, const std::string& path) {
    const Error error = Refused(spec);
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT) << path;
    EXPECT_EQ(error.reason, "FIELD_INVALID") << path;
    ASSERT_EQ(error.field_violations.size(), 1u) << path;
    EXPECT_EQ(error.field_violations[0].field, path);
    EXPECT_FALSE(error.field_violations[0].description.empty());
    EXPECT_THAT(error.message, HasSubstr(path));
  }

  static Error SendBytes(const std::string& method, const std::string& bytes,
                         const std::string& authorization) {
    RawCall call(server().Channel(), method, bytes, {{"authorization", authorization}});
    return call.Finish();
  }

  static Error SendBytes(const std::string& bytes) {
    const std::string authorization = "Bearer " + world().key("acme");
    const Error error = SendBytes(kGenerate, bytes, authorization);
    ExpectAlike(error, SendBytes(kStream, bytes, authorization));
    EXPECT_EQ(provider().Stat("requests"), 0);
    return error;
  }
};

std::string RequestBytes(const v1::CompletionSpec& spec) {
  v1::GenerateCompletionRequest request;
  *request.mutable_spec() = spec;
  return request.SerializeAsString();
}

// The serialized request with one text put in the place of another of the same length.
std::string Replaced(std::string bytes, const std::string& from, const std::string& to) {
  EXPECT_EQ(from.size(), to.size());
  const size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos);
  return bytes.replace(at, from.size(), to);
}

TEST_F(BadInputTest, NoKey) {
  const auto unary = server().Client("").Generate(Ask("Hello"));
  const Streamed stream = ReadAll(server().Client("").Stream(Ask("Hello")));
  ASSERT_FALSE(unary.ok());
  EXPECT_EQ(unary.error().code, StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(unary.error().reason, "KEY_MISSING");
  EXPECT_THAT(unary.error().message, HasSubstr("authorization: Bearer"));
  ExpectAlike(unary.error(), stream.error);
  EXPECT_EQ(server().Client("").ListModels().error().reason, "KEY_MISSING");
  EXPECT_EQ(server().Client("").GetQuota().error().reason, "KEY_MISSING");
  EXPECT_EQ(server().Client("").CountTokens(Ask("Hello")).error().reason, "KEY_MISSING");
  EXPECT_EQ(provider().Stat("requests"), 0);
}

TEST_F(BadInputTest, WrongKeysAllGetTheSameAnswer) {
  std::string other_secret = world().key("acme");
  other_secret.back() = other_secret.back() == '0' ? '1' : '0';
  const std::string never_given = MakeApiKey().key;
  for (const std::string& key : {other_secret, never_given, std::string("pt_"), std::string("x"),
                                 world().key("acme") + "0", std::string("sk-abc")}) {
    const auto result = server().Client(key).Generate(Ask("Hello"));
    ASSERT_FALSE(result.ok()) << key;
    EXPECT_EQ(result.error().code, StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(result.error().reason, "KEY_INVALID");
    EXPECT_EQ(result.error().message, "the API key is not valid");
  }
  const Error basic = SendBytes(kGenerate, RequestBytes(Ask("Hello")), "Basic abc");
  EXPECT_EQ(basic.reason, "KEY_INVALID");
  EXPECT_THAT(basic.message, HasSubstr("Bearer"));
  EXPECT_EQ(provider().Stat("requests"), 0);
}

TEST_F(BadInputTest, SuspendedTenant) {
  const Error error = Refused(Ask("Hello"), "suspended");
  EXPECT_EQ(error.code, StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(error.reason, "TENANT_SUSPENDED");
  EXPECT_EQ(error.metadata.at("tenant"), "suspended");
}

TEST_F(BadInputTest, ModelThatTheTenantMayNotUse) {
  const Error error = Refused(Ask("Hello", "chat"), "narrow");
  EXPECT_EQ(error.code, StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(error.reason, "MODEL_NOT_ALLOWED");
  EXPECT_EQ(error.metadata.at("model"), "chat");
  EXPECT_EQ(world().Client("narrow").CountTokens(Ask("Hello")).error().reason, "MODEL_NOT_ALLOWED");
  EXPECT_TRUE(world().Client("narrow").Generate(Ask("Hello", "plain")).ok());
}

TEST_F(BadInputTest, UnknownModelNamesNearOnes) {
  const Error error = Refused(Ask("Hello", "chta"));
  EXPECT_EQ(error.code, StatusCode::NOT_FOUND);
  EXPECT_EQ(error.reason, "MODEL_UNKNOWN");
  EXPECT_EQ(error.metadata.at("model"), "chta");
  EXPECT_THAT(error.metadata.at("near"), HasSubstr("chat"));
  EXPECT_THAT(error.message, HasSubstr("chat"));
}

TEST_F(BadInputTest, EmptyRequestAndEmptyMessages) {
  const Error error = SendBytes("");
  EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
  std::vector<std::string> fields;
  for (const auto& violation : error.field_violations) fields.push_back(violation.field);
  EXPECT_THAT(fields, testing::UnorderedElementsAre("spec.model", "spec.messages"));
  v1::CompletionSpec spec = Ask("Hello");
  spec.clear_messages();
  ExpectBadField(spec, "spec.messages");
}

TEST_F(BadInputTest, NumbersOutOfRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double temperature : {-0.1, 2.1, nan, HUGE_VAL}) {
    v1::CompletionSpec spec = Ask("Hello");
    spec.mutable_sampling()->set_temperature(temperature);
    ExpectBadField(spec, "spec.sampling.temperature");
  }
  v1::CompletionSpec spec = Ask("Hello");
  spec.mutable_sampling()->set_top_p(0);
  ExpectBadField(spec, "spec.sampling.top_p");
  spec = Ask("Hello");
  spec.mutable_sampling()->set_max_output_tokens(0);
  ExpectBadField(spec, "spec.sampling.max_output_tokens");
  spec = Ask("Hello");
  spec.mutable_sampling()->set_n(129);
  ExpectBadField(spec, "spec.sampling.n");
  spec = Ask("Hello");
  spec.mutable_sampling()->set_top_logprobs(5);
  ExpectBadField(spec, "spec.sampling.top_logprobs");
}

TEST_F(BadInputTest, PartsWithoutContent) {
  v1::CompletionSpec spec = Ask("Hello");
  spec.mutable_messages(0)->add_parts();
  ExpectBadField(spec, "spec.messages[0].parts[1]");
  spec = Ask("");
  ExpectBadField(spec, "spec.messages[0].parts[0].text");
  spec = Ask("Hello");
  spec.mutable_messages(0)->clear_parts();
  ExpectBadField(spec, "spec.messages[0]");
  spec = Ask("Hello");
  spec.mutable_messages(0)->add_parts()->mutable_image();
  ExpectBadField(spec, "spec.messages[0].parts[1].image");
  spec = Ask("Hello");
  spec.mutable_messages(0)->set_role(v1::ROLE_UNSPECIFIED);
  ExpectBadField(spec, "spec.messages[0].role");
}

TEST_F(BadInputTest, ImageOverTheLimit) {
  v1::CompletionSpec spec = Ask("What is this?");
  v1::Image* image = spec.mutable_messages(0)->add_parts()->mutable_image();
  image->set_media_type("image/png");
  image->set_data(std::string((1 << 20) + 1, 'x'));
  ExpectBadField(spec, "spec.messages[0].parts[1].image.data");
  image->set_data(std::string(1 << 20, 'x'));
  const auto fits = world().Client().Generate(spec);
  EXPECT_TRUE(fits.ok()) << fits.error().message;
}

TEST_F(BadInputTest, ImageForAModelThatTakesNone) {
  v1::CompletionSpec spec = Ask("What is this?", "plain");
  spec.mutable_messages(0)->add_parts()->mutable_image()->set_url("https://example.com/x.png");
  ExpectBadField(spec, "spec.messages[0].parts[1].image");
}

TEST_F(BadInputTest, InvalidUtf8NamesTheField) {
  const std::string bad(
      "ab\xff"
      "de",
      5);
  Error error = SendBytes(Replaced(RequestBytes(Ask("HELLO")), "HELLO", bad));
  EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "FIELD_INVALID");
  ASSERT_EQ(error.field_violations.size(), 1u);
  EXPECT_EQ(error.field_violations[0].field, "spec.messages[0].parts[0].text");
  EXPECT_THAT(error.message, HasSubstr("UTF-8"));
  EXPECT_FALSE(error.request_id.empty());
  error = SendBytes(Replaced(RequestBytes(Ask("HELLO", "MODEL")), "MODEL", bad));
  ASSERT_EQ(error.field_violations.size(), 1u);
  EXPECT_EQ(error.field_violations[0].field, "spec.model");
}

TEST_F(BadInputTest, BytesThatAreNoRequest) {
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f"), std::string("not protobuf"),
        RequestBytes(Ask("Hello")).substr(0, 9)}) {
    const Error error = SendBytes(bytes);
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(error.reason, "FIELD_INVALID");
    EXPECT_FALSE(error.request_id.empty());
  }
}

TEST_F(BadInputTest, LineEndsInWhatBecomesAHeader) {
  for (const char* id : {"a\r\nx-evil: 1", "a\nb", "a\rb", "a b", "号"}) {
    v1::CompletionSpec spec = Ask("Hello");
    spec.set_request_id(id);
    const Error error = Refused(spec);
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
    ASSERT_EQ(error.field_violations.size(), 1u);
    EXPECT_EQ(error.field_violations[0].field, "spec.request_id");
    EXPECT_THAT(error.request_id, Not(HasSubstr("\n")));
    EXPECT_THAT(error.request_id, Not(HasSubstr("evil")));
  }
}

TEST_F(BadInputTest, LineEndsInModelAndUserStayInTheBody) {
  v1::CompletionSpec spec = Ask("Hello", "chat\r\nx-evil: 1");
  EXPECT_EQ(Refused(spec).reason, "MODEL_UNKNOWN");
  spec = Ask("Hello");
  spec.set_user("a\r\nx-sim-status: 500");  // as a header it would make the provider fail
  const auto answer = world().Client().Generate(spec);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  const rapidjson::Document requests = provider().Requests();
  EXPECT_EQ(requests[0]["user"], "a\r\nx-sim-status: 500");
}

TEST_F(BadInputTest, MessageOverTheSizeLimit) {
  const Error error = SendBytes(RequestBytes(Ask(std::string(13 << 20, 'x'))));
  EXPECT_EQ(error.code, StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(error.message, HasSubstr("12582912"));
}

TEST_F(BadInputTest, MetadataOverTheLimit) {
  RawCall call(
      server().Channel(), kGenerate, RequestBytes(Ask("Hello")),
      {{"authorization", "Bearer " + world().key("acme")}, {"x-much", std::string(64 << 10, 'm')}});
  EXPECT_EQ(call.Finish().code, StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(provider().Stat("requests"), 0);
}

// gRPC sends even a call whose deadline has passed, so the server may see it, and have asked the
// provider by the time that it looks at the clock. Such a call keeps what it has reserved, so it is
// a tenant with a lot of it that asks.
TEST_F(BadInputTest, DeadlineInThePastOrAlmost) {
  // Connected before: gRPC forgets a connection that is still being made when its client goes, and
  // the server then waits 20 s for that peer at its end.
  const client::Client client = world().Client();
  ASSERT_TRUE(client.Generate(Ask("Hello")).ok());
  provider().SetDefaults(R"({"latency_ms":60000})");
  const Metrics before = server().Scrape();
  for (int i = 0; i < 20; ++i) {
    client::StreamOptions options;
    options.deadline = i < 4 ? Millis(-1000) : Millis(i % 4);
    const auto unary = client.Generate(Ask("Hello"), options);
    ASSERT_FALSE(unary.ok());
    EXPECT_EQ(unary.error().code, StatusCode::DEADLINE_EXCEEDED);
    const Streamed stream = ReadAll(client.Stream(Ask("Hello"), options));
    EXPECT_EQ(stream.error.code, StatusCode::DEADLINE_EXCEEDED);
    EXPECT_EQ(stream.started, 0);
  }
  EXPECT_TRUE(Eventually([] { return provider().Stat("in_flight") == 0; }));
  EXPECT_TRUE(Eventually([] { return server().Scrape().Sum("pingti_calls_in_flight") == 0; }));
  EXPECT_TRUE(
      Eventually([] { return server().Scrape().Sum("pingti_quota_reservations_open") == 0; }));
  const Metrics after = server().Scrape();
  auto more = [&](const char* name) { return after.Sum(name) - before.Sum(name); };
  EXPECT_LE(more("pingti_quota_settled_tokens_total"), more("pingti_quota_reserved_tokens_total"));
  provider().SetDefaults("{}");
}

TEST_F(BadInputTest, FieldsOfTheProviderThatThisProtocolKnows) {
  for (const char* json : {R"({"temperature":1})", "[]", "{", "1", R"({"a":1}{})"}) {
    v1::CompletionSpec spec = Ask("Hello");
    spec.set_provider_fields_json(json);
    const Error error = Refused(spec);
    EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT) << json;
    ASSERT_EQ(error.field_violations.size(), 1u) << json;
    EXPECT_THAT(error.field_violations[0].field, HasSubstr("spec.provider_fields_json")) << json;
  }
}

TEST_F(BadInputTest, SchemasThatAreNoJson) {
  v1::CompletionSpec spec = Ask("Hello");
  v1::Tool* tool = spec.add_tools();
  tool->set_name("f");
  tool->set_parameters_json_schema("{\"type\":");
  ExpectBadField(spec, "spec.tools[0].parameters_json_schema");
  spec = Ask("Hello");
  spec.add_tools()->set_name("no spaces");
  ExpectBadField(spec, "spec.tools[0].name");
}

TEST_F(BadInputTest, QueueWaitOutOfRange) {
  v1::CompletionSpec spec = Ask("Hello");
  spec.mutable_max_queue_wait()->set_seconds(601);
  ExpectBadField(spec, "spec.max_queue_wait");
}

TEST_F(BadInputTest, WhatIsNotServedYet) {
  RawCall embedding(server().Channel(), "/pingti.v1.Embedding/CreateEmbedding", "",
                    {{"authorization", "Bearer " + world().key("acme")}});
  EXPECT_EQ(embedding.Finish().reason, "NOT_SUPPORTED");
  RawCall nothing(server().Channel(), "/pingti.v1.Completion/NoSuchMethod", "", {});
  EXPECT_EQ(nothing.Finish().code, StatusCode::UNIMPLEMENTED);
}

TEST_F(BadInputTest, PromptThatDoesNotFitTheContext) {
  v1::CompletionSpec spec = Ask(std::string(40'000, 'x'), "plain");
  const Error error = Refused(spec);
  EXPECT_EQ(error.code, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(error.reason, "CONTEXT_TOO_LONG");
  EXPECT_EQ(error.metadata.at("context_tokens"), "4096");
}

TEST_F(BadInputTest, ProviderThatRefusesConnections) {
  const int64_t tokens = world().TokensLeft("tiny");
  const int64_t requests = world().RequestsLeft("tiny");
  const auto unary = world().Client("tiny").Generate(Ask("Hello", "dead"));
  const Streamed stream = ReadAll(world().Client("tiny").Stream(Ask("Hello", "dead")));
  ASSERT_FALSE(unary.ok());
  EXPECT_EQ(unary.error().code, StatusCode::UNAVAILABLE);
  EXPECT_EQ(unary.error().reason, "TARGETS_UNAVAILABLE");
  EXPECT_EQ(unary.error().metadata.at("cause"), "connect");
  EXPECT_TRUE(unary.error().retry_delay);
  ExpectAlike(unary.error(), stream.error);
  // Nothing was used, and a call that reached nobody is no request either.
  EXPECT_EQ(world().TokensLeft("tiny"), tokens);
  EXPECT_EQ(world().RequestsLeft("tiny"), requests);
}

// Of the provider's faults only what the caller has to see here; faults_test.cc has them all.
TEST_F(BadInputTest, ProviderThatAnswersHtmlCutsOrSaysNothing) {
  struct Case {
    const char* fault;
    const char* stream_cause;
    const char* unary_cause;
  };
  for (const Case& c :
       {Case{"31", "server_error", "server_error"}, Case{"31b", "server_error", "server_error"},
        Case{"19", "cut", "cut"}, Case{"21a", "first_token_timeout", "total_timeout"}}) {
    const std::string prompt = std::string("Hello [sim:fault=") + c.fault + "]";
    const auto unary = world().Client("drip").Generate(Ask(prompt));
    const Streamed stream = ReadAll(world().Client("drip").Stream(Ask(prompt)));
    ASSERT_FALSE(unary.ok()) << c.fault;
    for (const Error& error : {unary.error(), stream.error}) {
      EXPECT_EQ(error.code, StatusCode::UNAVAILABLE) << c.fault << ": " << error.message;
      EXPECT_THAT(error.message, Not(HasSubstr("SIMULATED-HTML-BODY")));
      EXPECT_FALSE(error.request_id.empty());
    }
    EXPECT_EQ(unary.error().metadata.at("cause"), c.unary_cause) << c.fault;
    EXPECT_EQ(stream.error.metadata.at("cause"), c.stream_cause) << c.fault;
    EXPECT_FALSE(stream.finished) << c.fault;
  }
}

}  // namespace
}  // namespace pingti::integration
