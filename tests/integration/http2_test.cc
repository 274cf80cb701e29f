// HTTP/2 to providers: ordinary calls, many at once, cancels, and requests that a provider did not
// process. Readers that stop are in backpressure_test.cc, the other faults in faults_test.cc.
#include <gmock/gmock.h>

#include <cstdio>
#include <future>
#include <vector>

#include "tests/integration/slow_reader.h"
#include "tests/integration/world.h"
#include "tests/upstream/clock.h"

namespace pingti::integration {
namespace {

constexpr int kStreams = 64;
constexpr int kTriesMax = 3;  // a machine that stands still for a moment proves nothing
constexpr double kAbortMaxMs = 100;
constexpr int kCallsPerRetry = 20;  // enough for each of two workers

class Http2Test : public WorldTest<Http2Test> {
 public:
  static WorldOptions MakeOptions() { return {.http_version = "2", .attempts_max = 3}; }

 protected:
  // That all requests since Reset() were made over HTTP/2; their number.
  static int RequestsOverHttp2() {
    const rapidjson::Document requests = provider().Requests();
    for (const auto& request : requests.GetArray()) {
      EXPECT_STREQ(request["protocol"].GetString(), "HTTP/2");
    }
    return static_cast<int>(requests.Size());
  }
};

TEST_F(Http2Test, OrdinaryCalls) {
  const auto unary = world().Client().Generate(Ask("Hello"));
  ASSERT_TRUE(unary.ok()) << unary.error().message;
  EXPECT_EQ(unary->choices(0).finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(unary->usage().source(), v1::USAGE_SOURCE_MEASURED);
  const Streamed stream = ReadAll(world().Client().Stream(Ask("Hello")));
  ASSERT_TRUE(stream.finished) << stream.error.message;
  EXPECT_EQ(stream.texts.at(0), unary->choices(0).text());
  EXPECT_EQ(RequestsOverHttp2(), 2);
}

TEST_F(Http2Test, AProviderOfHttp1IsSpokenToInHttp1) {
  ASSERT_TRUE(world().Client().Generate(Ask("Hello", "hasty")).ok());
  EXPECT_STREQ(provider().Requests()[0]["protocol"].GetString(), "HTTP/1.1");
}

// A large request and a large answer are more than one frame and one window.
TEST_F(Http2Test, LargeRequestsAndAnswers) {
  const std::string prompt(3'000'000, 'x');
  const auto answer = world().Client().Generate(Ask("[sim:output_tokens=500000]" + prompt));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->choices(0).text().size(), 2'000'000u);
  EXPECT_GE(answer->usage().input_tokens(), 3'000'000 / 4);
  EXPECT_EQ(RequestsOverHttp2(), 1);
}

TEST_F(Http2Test, ManyStreamsAtOnce) {
  const int64_t accepted = provider().Stat("connections_accepted");
  const int64_t open = provider().Stat("connections_open");
  // Late enough that all have begun before the first one ends.
  const std::string knobs = ".[sim:first_token_ms=" + std::to_string(Scaled(Millis(3000)).count()) +
                            ",chunk_interval_ms=5]";
  std::vector<std::future<Streamed>> streams;
  for (int i = 0; i < kStreams; ++i) {
    streams.push_back(std::async(std::launch::async, [i, &knobs] {
      return ReadAll(world().Client().Stream(Ask("Number " + std::to_string(i) + knobs)));
    }));
  }
  EXPECT_TRUE(Eventually([] { return provider().Stat("in_flight") == kStreams; }));
  for (int i = 0; i < kStreams; ++i) {
    Streamed all = streams[static_cast<size_t>(i)].get();
    ASSERT_TRUE(all.finished) << i << ": " << all.error.message;
    EXPECT_THAT(all.text(), testing::HasSubstr("\"Number " + std::to_string(i) + ".\""));
    EXPECT_EQ(all.finished->usage().source(), v1::USAGE_SOURCE_MEASURED);
  }
  EXPECT_EQ(RequestsOverHttp2(), kStreams);
  // Each had a connection, none of which is left.
  EXPECT_GE(provider().Stat("connections_accepted") - accepted, kStreams);
  EXPECT_TRUE(Eventually([&] { return provider().Stat("connections_open") <= open; }));
}

// Whose provider works, and which the caller ends.
struct Phase {
  const char* name;
  const char* knobs;
  int reads;  // before it is ended
};

TEST_F(Http2Test, ACancelReachesTheProvider) {
  for (const Phase& phase : {Phase{"before the header", R"({"latency_ms":60000})", 0},
                             Phase{"mid-stream", R"({"chunk_interval_ms":20,"chunks":3000})", 3},
                             Phase{"held back", R"({"chunks":16000,"chunk_bytes":1000})", 1}}) {
    double best_ms = 1e9;
    for (int i = 0; i < kTriesMax && best_ms > kAbortMaxMs * Slowdown(); ++i) {
      provider().SetDefaults(phase.knobs);
      provider().Reset();
      SlowReader reader(server(), world().key("acme"), Ask("Hello"));
      ASSERT_TRUE(Eventually([] { return provider().Stat("in_flight") == 1; })) << phase.name;
      for (int reads = 0; reads < phase.reads; ++reads) ASSERT_TRUE(reader.Read()) << phase.name;
      const bool held = phase.reads == 1;
      ASSERT_TRUE(Eventually([&] {
        return server().Scrape().Sum("pingti_upstream_transfers_paused") == (held ? 1 : 0);
      }));
      const int64_t cancelled_ns = upstream::MonotonicNs();
      reader.Cancel();
      const int64_t seen_ns = provider().DisconnectNs();
      ASSERT_NE(seen_ns, 0) << phase.name << ": the provider never saw it";
      best_ms = std::min(best_ms, static_cast<double>(seen_ns - cancelled_ns) / 1e6);
      EXPECT_EQ(reader.Finish().error_code(), grpc::StatusCode::CANCELLED);
      EXPECT_EQ(RequestsOverHttp2(), 1);
    }
    std::printf("cancelled %s: seen after %.1f ms\n", phase.name, best_ms);
    EXPECT_LE(best_ms, kAbortMaxMs * Slowdown()) << phase.name;
  }
}

// A provider that has not processed a request gets it again, as a second attempt that everybody
// counts; the tenant pays once.
TEST_F(Http2Test, WhatWasNotProcessedIsTriedAgain) {
  for (const char* fault : {"23goaway", "23refused", "23error"}) {
    for (const bool stream : {false, true}) {
      const std::string what = std::string(fault) + (stream ? " stream" : " unary");
      // What the budget of retries lives on.
      provider().SetDefaults("{}");
      for (int i = 0; i < kCallsPerRetry; ++i) {
        ASSERT_TRUE(world().Client().Generate(Ask("Hello")).ok()) << what;
      }
      provider().SetDefaults(std::string(R"({"fault":")") + fault + R"(","fail_times":1,"key":")" +
                             what + "\"}");
      provider().Reset();
      const Metrics before = server().Scrape();
      std::string request_id;
      int64_t tokens = 0;
      if (stream) {
        const Streamed all = ReadAll(world().Client().Stream(Ask("Hello")));
        ASSERT_TRUE(all.finished) << what << ": " << all.error.message;
        EXPECT_EQ(all.start.served_by().attempts(), 2) << what;
        request_id = all.start.request_id();
        tokens = all.finished->usage().input_tokens() + all.finished->usage().output_tokens();
      } else {
        const auto answer = world().Client().Generate(Ask("Hello"));
        ASSERT_TRUE(answer.ok()) << what << ": " << answer.error().message;
        EXPECT_EQ(answer->served_by().attempts(), 2) << what;
        request_id = answer->request_id();
        tokens = answer->usage().input_tokens() + answer->usage().output_tokens();
      }
      EXPECT_EQ(RequestsOverHttp2(), 2) << what;
      const rapidjson::Document record = server().AccessRecord(request_id);
      ASSERT_EQ(record["attempts"].Size(), 2u) << what;
      EXPECT_STREQ(record["attempts"][0]["class"].GetString(), "cut") << what;
      EXPECT_STREQ(record["attempts"][0]["next"].GetString(), "same_target") << what;
      const Metrics after = server().Scrape();
      auto more = [&](const char* name) { return after.Sum(name) - before.Sum(name); };
      EXPECT_EQ(more("pingti_quota_admitted_total"), 1) << what;
      EXPECT_EQ(more("pingti_quota_settled_tokens_total"), static_cast<double>(tokens)) << what;
    }
  }
}

}  // namespace
}  // namespace pingti::integration
