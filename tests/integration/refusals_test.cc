// What refusals of a provider mean for other keys, other targets and the next call, unary and
// streaming: who rests and for how long, who serves instead, and what is tried nowhere else. The
// errors that the caller gets are in faults_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "tests/integration/fault_check.h"

namespace pingti::integration {
namespace {

constexpr char kPrompt[] = "Hello";
constexpr int kCalls = 8;  // enough to see that a key is not drawn any more
constexpr int kBreakerFailures = 2;

// One worker, which knows who rests. `two-keys` draws one of its keys, `chat` has a second target.
// `alone-*` are the first provider by other names, so that each rests by itself.
constexpr char kConfig[] = R"(
listen: {grpc: "127.0.0.1:0", metrics: "127.0.0.1:0"}
server: {workers: 1}
routing: {breaker_failures: $BREAKER$, rate_limited_for_max: $REST_MAX$}
providers:
  - name: keyed
    dialect: openai
    base_url: "$FIRST$"
    keys: [{name: one, api_key: key-number-one}, {name: two, api_key: key-number-two}]
  - {name: first, dialect: openai, base_url: "$FIRST$", no_key: true}
  - {name: other, dialect: openai, base_url: "$OTHER$", no_key: true}
  - {name: alone-unary, dialect: openai, base_url: "$FIRST$", no_key: true}
  - {name: alone-stream, dialect: openai, base_url: "$FIRST$", no_key: true}
models:
  - {name: keyed, provider: keyed, context_tokens: 100000}
  - {name: first, provider: first, context_tokens: 100000}
  - {name: other, provider: other, context_tokens: 100000}
  - {name: alone-unary, provider: alone-unary, context_tokens: 100000}
  - {name: alone-stream, provider: alone-stream, context_tokens: 100000}
aliases:
  - {name: chat, targets: [{model: first, priority: 0}, {model: other, priority: 1}]}
tiers:
  - {name: Roomy, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
tenants:
  - {name: acme, tier: Roomy, keys: [{record: "$KEY$"}]}
)";

std::string Alone(bool stream) { return stream ? "alone-stream" : "alone-unary"; }

// Two providers, and a server that has asked neither.
class Fresh {
 public:
  explicit Fresh(const std::string& rest_max = "10m")
      : key_(MakeApiKey()),
        server_(absl::StrReplaceAll(kConfig, {{"$FIRST$", first.base_url()},
                                              {"$OTHER$", other.base_url()},
                                              {"$BREAKER$", std::to_string(kBreakerFailures)},
                                              {"$REST_MAX$", rest_max},
                                              {"$KEY$", key_.record}})) {}
  ~Fresh() { server_.StopCleanly(); }
  Fresh(const Fresh&) = delete;
  Fresh& operator=(const Fresh&) = delete;

  CallEnd Call(const std::string& model, bool stream) {
    const Metrics before = server_.Scrape();
    const CallEnd end = CallOnce(server_.Client(key_.key), Ask(kPrompt, model), stream);
    const Metrics after = server_.Scrape();
    // Whatever was tried: one reservation, and it is settled with what the caller is told.
    const auto more = [&](const char* name) { return after.Sum(name) - before.Sum(name); };
    EXPECT_LE(more("pingti_quota_admitted_total"), 1);
    EXPECT_EQ(more("pingti_quota_settled_tokens_total"), static_cast<double>(end.tokens()));
    EXPECT_EQ(after.Sum("pingti_quota_reservations_open"), 0);
    return end;
  }
  // Expects that a call is served by `provider` after that many attempts.
  void ExpectServed(const std::string& model, bool stream, const std::string& provider,
                    int attempts) {
    const CallEnd end = Call(model, stream);
    EXPECT_TRUE(end.error.ok()) << end.error.message;
    EXPECT_EQ(end.served_by.provider(), provider);
    EXPECT_EQ(end.served_by.attempts(), attempts);
  }
  rapidjson::Document Record(const CallEnd& end) { return server_.AccessRecord(end.request_id); }

  // Requests of calls that each provider has had; the first one forgets them.
  void ExpectAsked(int64_t at_first, int64_t at_other) {
    EXPECT_EQ(first.Stat("requests"), at_first);
    EXPECT_EQ(other.Stat("requests"), at_other);
    first.Reset();
    other.Reset();
  }

  Provider first;
  Provider other;

 private:
  const ApiKey key_;
  Server server_;
};

// A JSON object of knobs; `times` 0: always.
std::string Fault(const std::string& name, int times = 0) {
  return R"({"fault":")" + name + R"(","fail_times":)" + std::to_string(times) + "}";
}

// For a fault of each way to call.
class RefusalsTest : public testing::TestWithParam<bool> {
 protected:
  static bool stream() { return GetParam(); }
};

TEST_P(RefusalsTest, AKeyThatIsRefusedRestsAndTheOtherServes) {
  for (const char* fault : {"36", "36key", "34account"}) {
    SCOPED_TRACE(fault);
    Fresh fresh;
    fresh.first.SetDefaults(Fault(fault, 1));
    fresh.ExpectServed("keyed", stream(), "keyed", 2);
    for (int i = 0; i < kCalls; ++i) fresh.ExpectServed("keyed", stream(), "keyed", 1);
    const rapidjson::Document requests = fresh.first.Requests();
    ASSERT_EQ(requests.Size(), 2u + kCalls);
    const std::string refused = requests[0]["key_tail"].GetString();
    std::set<std::string> later;
    for (rapidjson::SizeType i = 1; i < requests.Size(); ++i) {
      later.insert(requests[i]["key_tail"].GetString());
    }
    EXPECT_EQ(later, std::set<std::string>{refused == "-one" ? "-two" : "-one"});
  }
}

TEST_P(RefusalsTest, ARequestThatIsWrongIsTriedNowhereElse) {
  Fresh fresh;
  for (const char* fault : {"36context", "36large", "36wrong"}) {
    SCOPED_TRACE(fault);
    fresh.first.SetDefaults(Fault(fault));
    for (int i = 0; i <= kBreakerFailures; ++i) {
      const CallEnd end = fresh.Call("chat", stream());
      EXPECT_EQ(end.error.code, grpc::StatusCode::INVALID_ARGUMENT) << end.error.message;
      EXPECT_EQ(fresh.Record(end)["attempts"].Size(), 1u);
    }
    fresh.ExpectAsked(kBreakerFailures + 1, 0);
    // No breaker has opened, and no key rests.
    fresh.first.SetDefaults("{}");
    fresh.ExpectServed("chat", stream(), "first", 1);
    fresh.ExpectAsked(1, 0);
  }
}

// When the provider wants to be asked again does not keep the caller waiting.
TEST_P(RefusalsTest, WhoeverComesBackLaterIsReplaced) {
  for (const char* fault : {"33", "33date", "33date850", "33datec", "33far", "33ms", "34"}) {
    SCOPED_TRACE(fault);
    Fresh fresh;
    fresh.first.SetDefaults(Fault(fault));
    fresh.ExpectServed("chat", stream(), "other", 2);
    fresh.ExpectAsked(1, 1);
    // It rests: not even asked.
    fresh.ExpectServed("chat", stream(), "other", 1);
    fresh.ExpectAsked(0, 1);
  }
}

TEST_P(RefusalsTest, WhoeverMayComeBackAtOnceDoesNotRest) {
  Fresh fresh;
  fresh.first.SetDefaults(Fault("33past", 1));
  fresh.ExpectServed("chat", stream(), "other", 2);
  fresh.ExpectServed("chat", stream(), "first", 1);
  fresh.ExpectAsked(2, 1);
}

TEST_P(RefusalsTest, BusyIsNotWaitedForWhereItTakesLong) {
  Fresh fresh;
  fresh.first.SetDefaults(Fault("33busy"));
  const CallEnd end = fresh.Call(Alone(stream()), stream());
  EXPECT_EQ(end.error.reason, "TARGETS_UNAVAILABLE");
  fresh.ExpectAsked(1, 0);
  // "Busy" rests nothing and opens no breaker.
  for (int i = 0; i <= kBreakerFailures; ++i) fresh.ExpectServed("chat", stream(), "other", 2);
  fresh.ExpectAsked(kBreakerFailures + 1, kBreakerFailures + 1);
}

// Expects that a key which was limited once rests for `rest`, and is then asked again.
void ExpectShortRest(const std::string& fault, const std::string& rest_max, Millis rest) {
  Fresh fresh(rest_max);
  for (const bool stream : {false, true}) {
    fresh.first.SetDefaults(Fault(fault));
    EXPECT_EQ(fresh.Call(Alone(stream), stream).error.reason, "PROVIDER_RATE_LIMITED");
    fresh.first.SetDefaults("{}");
    const CallEnd resting = fresh.Call(Alone(stream), stream);
    EXPECT_EQ(resting.error.reason, "PROVIDER_RATE_LIMITED") << resting.error.message;
    constexpr Millis kLeast(1'000);  // less is never said
    ASSERT_TRUE(resting.error.retry_delay);
    EXPECT_GE(*resting.error.retry_delay, kLeast);
    EXPECT_LE(*resting.error.retry_delay, std::max(rest, kLeast));
  }
  fresh.ExpectAsked(2, 0);
  for (const bool stream : {false, true}) {
    EXPECT_TRUE(Eventually([&] { return fresh.Call(Alone(stream), stream).error.ok(); }));
  }
  fresh.ExpectAsked(2, 0);
}

TEST(ShortRestTest, ALimitThatSaysNoTimeRestsForASecond) {
  for (const char* fault : {"35", "33garbage"}) ExpectShortRest(fault, "10m", Millis(1'000));
}

TEST(ShortRestTest, NoLimitRestsLongerThanTheMaximum) {
  ExpectShortRest("33far", ScaledText(Millis(400)), Scaled(Millis(400)));
}

INSTANTIATE_TEST_SUITE_P(Ways, RefusalsTest, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Stream" : "Unary");
});

}  // namespace
}  // namespace pingti::integration
