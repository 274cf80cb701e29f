// The caller's cancel and deadline reach the provider within 100 ms, whatever phase the call is in;
// and the call is recorded and settled as what it was.
#include <gmock/gmock.h>

#include <signal.h>

#include <cstdio>
#include <future>

#include "tests/integration/world.h"
#include "tests/upstream/clock.h"

namespace pingti::integration {
namespace {

using grpc::StatusCode;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kAbortMaxMs = 100;

// Where the call is when it is ended.
struct Phase {
  const char* name;
  const char* knobs;
  bool content;  // a stream has had content by then
  const char* stage;
};

constexpr Phase kPhases[] = {
    {"before the header", R"({"latency_ms":60000})", false, "first_token"},
    {"before the first token", R"({"first_token_ms":60000})", false, "first_token"},
    {"mid-stream", R"({"chunk_interval_ms":20,"chunks":3000})", true, "streaming"},
};

class CancelTest : public WorldTest<CancelTest> {
 public:
  static WorldOptions MakeOptions() { return {}; }

 protected:
  void SetUp() override {
    WorldTest::SetUp();
    // A first call opens the connections.
    ASSERT_TRUE(world().Client().Generate(Ask("Warm up")).ok());
    provider().Reset();
  }

  static void WaitUntilUpstream() {
    ASSERT_TRUE(Eventually([] { return provider().Stat("in_flight") == 1; }));
  }

  // Milliseconds from `since_ns` until the provider saw the disconnect.
  static double AbortMs(int64_t since_ns) {
    const int64_t seen_ns = provider().DisconnectNs();
    EXPECT_NE(seen_ns, 0) << "the provider never saw a disconnect";
    return static_cast<double>(seen_ns - since_ns) / kNsPerMs;
  }

  static void ExpectAborted(int64_t since_ns, const Phase& phase, const char* how) {
    const double ms = AbortMs(since_ns);
    std::printf("%s %s: aborted after %.1f ms\n", how, phase.name, ms);
    EXPECT_LE(ms, static_cast<double>(Scaled(Millis(kAbortMaxMs)).count())) << phase.name;
  }

  // The last call, by its id.
  static v1::CompletionSpec Call() {
    v1::CompletionSpec spec = Ask("Hello");
    spec.set_request_id("call-" + std::to_string(++calls_));
    return spec;
  }

  static void ExpectRecord(const char* reason, const Phase& phase, bool stream) {
    const rapidjson::Document record = server().AccessRecord("call-" + std::to_string(calls_));
    EXPECT_STREQ(record["reason"].GetString(), reason) << phase.name;
    EXPECT_STREQ(record["method"].GetString(), stream ? "stream" : "unary");
    if (stream && phase.content) {
      EXPECT_STREQ(record["usage"]["source"].GetString(), "counted");
      EXPECT_GT(record["usage"]["output_tokens"].GetInt(), 0);
    } else {
      EXPECT_FALSE(record.HasMember("usage")) << phase.name;
    }
  }

 private:
  static inline int calls_ = 0;
};

TEST_F(CancelTest, CancelOfAStream) {
  for (const Phase& phase : kPhases) {
    provider().SetDefaults(phase.knobs);
    provider().Reset();
    client::CompletionStream stream = world().Client().Stream(Call());
    WaitUntilUpstream();
    for (int deltas = 0; phase.content && deltas < 3;) {
      const auto event = stream.Next();
      ASSERT_TRUE(event);
      if (event->has_delta()) ++deltas;
    }
    const int64_t cancelled_ns = upstream::MonotonicNs();
    stream.Cancel();
    ExpectAborted(cancelled_ns, phase, "stream cancelled");
    EXPECT_EQ(stream.Finish().code, StatusCode::CANCELLED);
    ExpectRecord("CANCELLED", phase, /*stream=*/true);
  }
}

TEST_F(CancelTest, StreamThatIsDroppedByItsReader) {
  const Phase& phase = kPhases[2];
  provider().SetDefaults(phase.knobs);
  int64_t dropped_ns = 0;
  {
    client::CompletionStream stream = world().Client().Stream(Call());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream.Next());
    dropped_ns = upstream::MonotonicNs();
  }
  ExpectAborted(dropped_ns, phase, "stream dropped");
}

TEST_F(CancelTest, DeadlineOfAStream) {
  for (const Phase& phase : kPhases) {
    provider().SetDefaults(phase.knobs);
    provider().Reset();
    client::StreamOptions options;
    options.deadline = Scaled(Millis(400));
    const int64_t due_ns = upstream::MonotonicNs() + options.deadline->count() * kNsPerMs;
    const Streamed all = ReadAll(world().Client().Stream(Call(), options));
    ExpectAborted(due_ns, phase, "stream deadline");
    EXPECT_EQ(all.error.code, StatusCode::DEADLINE_EXCEEDED);
    EXPECT_EQ(all.deltas > 0, phase.content);
    EXPECT_FALSE(all.finished);
    EXPECT_EQ(all.error.reason, "DEADLINE") << phase.name;
    if (all.error.reason == "DEADLINE") {
      EXPECT_EQ(all.error.metadata.at("stage"), phase.stage) << phase.name;
    }
    ExpectRecord("DEADLINE", phase, /*stream=*/true);
  }
}

TEST_F(CancelTest, CancelOfAUnaryCall) {
  for (const Phase& phase : {kPhases[0], kPhases[1]}) {
    provider().SetDefaults(phase.knobs);
    provider().Reset();
    std::stop_source stop;
    auto answer = std::async(std::launch::async, [&] {
      client::CallOptions options;
      options.cancel = stop.get_token();
      return world().Client().Generate(Call(), options).error().code;
    });
    WaitUntilUpstream();
    const int64_t cancelled_ns = upstream::MonotonicNs();
    stop.request_stop();
    ExpectAborted(cancelled_ns, phase, "unary cancelled");
    EXPECT_EQ(answer.get(), StatusCode::CANCELLED);
    ExpectRecord("CANCELLED", phase, /*stream=*/false);
  }
}

TEST_F(CancelTest, DeadlineOfAUnaryCall) {
  for (const Phase& phase : {kPhases[0], kPhases[1]}) {
    provider().SetDefaults(phase.knobs);
    provider().Reset();
    client::CallOptions options;
    options.deadline = Scaled(Millis(400));
    const int64_t due_ns = upstream::MonotonicNs() + options.deadline->count() * kNsPerMs;
    const auto answer = world().Client().Generate(Call(), options);
    ASSERT_FALSE(answer.ok());
    ExpectAborted(due_ns, phase, "unary deadline");
    EXPECT_EQ(answer.error().code, StatusCode::DEADLINE_EXCEEDED);
    EXPECT_EQ(answer.error().reason, "DEADLINE") << phase.name;
    ExpectRecord("DEADLINE", phase, /*stream=*/false);
  }
}

TEST_F(CancelTest, ConnectionOfTheCallerBreaks) {
  const Phase& phase = kPhases[2];
  provider().SetDefaults(phase.knobs);
  // A client in a process of its own, so that it can be killed.
  Process command({ClientBinary(), "--target", server().target(), "chat", "--model", "chat", "Hi"},
                  {{"PINGTI_API_KEY", world().key("acme")}});
  ASSERT_TRUE(Eventually([] { return provider().Stat("chunks_sent") > 3; }));
  const int64_t killed_ns = upstream::MonotonicNs();
  command.Signal(SIGKILL);
  ExpectAborted(killed_ns, phase, "client killed");
}

TEST_F(CancelTest, CancelSettlesTheQuotaOnce) {
  const double before = server().Scrape().Sum("pingti_quota_settled_tokens_total");
  provider().SetDefaults(R"({"latency_ms":60000})");
  client::CompletionStream stream = world().Client().Stream(Call());
  WaitUntilUpstream();
  stream.Cancel();
  EXPECT_EQ(stream.Finish().code, StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([] { return server().Scrape().Sum("pingti_calls_in_flight") == 0; }));
  // Nothing came, so nothing was used.
  EXPECT_EQ(server().Scrape().Sum("pingti_quota_settled_tokens_total"), before);
}

}  // namespace
}  // namespace pingti::integration
