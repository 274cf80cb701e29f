// Readers that stop reading: the server's memory stays bounded, the provider is held back, everyone
// else goes on, and who reads again gets all of it.
#include <gmock/gmock.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "tests/integration/slow_reader.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int kSlowReaders = 16;
constexpr int64_t kChunkBytes = 1000;
constexpr int64_t kChunks = 16'000;  // of one answer: 16 MB

v1::CompletionSpec Much(int number) {
  return Ask("Much " + std::to_string(number) + " [sim:chunks=" + std::to_string(kChunks) +
             ",chunk_bytes=" + std::to_string(kChunkBytes) + "]");
}

// Readers that stop hold their providers back, and nobody else.
void CheckStoppedReaders(World& world) {
  Provider& provider = world.provider();
  Server& server = world.server();
  ASSERT_TRUE(ReadAll(world.Client().Stream(Ask("Warm up"))).error.ok());
  const int64_t rss_before = server.process().RssBytes();
  provider.Reset();
  std::vector<std::unique_ptr<SlowReader>> readers;
  for (int i = 0; i < kSlowReaders; ++i) {
    readers.push_back(
        std::make_unique<SlowReader>(server, world.key("acme"), Much(i), Scaled(Millis(60'000))));
    ASSERT_TRUE(readers.back()->Read());
  }
  // The server holds back as many providers.
  ASSERT_TRUE(Eventually([&] {
    return server.Scrape().Sum("pingti_upstream_transfers_paused") == kSlowReaders;
  })) << server.Scrape().text();
  const int64_t rss_held = server.process().RssBytes();
  std::printf("RSS %.1f MiB before, %.1f MiB with %d readers stopped\n",
              static_cast<double>(rss_before) / kMiB, static_cast<double>(rss_held) / kMiB,
              kSlowReaders);
  // Each answer is larger than all buffers between: the provider cannot have got rid of it.
  EXPECT_EQ(provider.Stat("in_flight"), kSlowReaders);
  EXPECT_EQ(provider.Stat("streams_finished"), 0);
  // A stream's share: 64 KiB of its own buffer, gRPC's window and curl's buffer. The answers have
  // 256 MB together.
  if (Slowdown() == 1) {
    EXPECT_LT(rss_held - rss_before, kSlowReaders * 2 * kMiB);
  }
  EXPECT_GE(server.Scrape().Sum("pingti_stream_buffer_full_total"), kSlowReaders);

  // Others are served meanwhile, also on the same workers.
  for (int i = 0; i < 50; ++i) {
    const auto answer = world.Client().Generate(Ask("Hello"));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
  }
  EXPECT_TRUE(ReadAll(world.Client().Stream(Ask("Hello"))).error.ok());
  EXPECT_EQ(server.Scrape().Sum("pingti_upstream_transfers_paused"), kSlowReaders);

  // The timers of a provider do not run while its reader holds it back; all of it is still there.
  EXPECT_TRUE(readers[0]->Finish().ok());
  EXPECT_GE(readers[0]->text_bytes(), (kChunks - 1) * kChunkBytes);
  EXPECT_EQ(readers[0]->last().finished().usage().source(), v1::USAGE_SOURCE_MEASURED);

  // Who goes away instead ends its provider's work.
  const int64_t disconnects = provider.Stat("disconnects");
  readers.clear();
  EXPECT_TRUE(Eventually([&] {
    return provider.Stat("disconnects") == disconnects + kSlowReaders - 1;
  })) << HttpGet(provider.port(), "/sim/stats")
      << server.Scrape().text();
  EXPECT_TRUE(
      Eventually([&] { return server.Scrape().Sum("pingti_upstream_transfers_paused") == 0; }));
}

class BackpressureTest : public WorldTest<BackpressureTest> {
 public:
  static WorldOptions MakeOptions() { return {}; }
};

TEST_F(BackpressureTest, StoppedReadersHoldTheirProvidersBackAndNobodyElse) {
  CheckStoppedReaders(world());
}

class BackpressureOverHttp2Test : public WorldTest<BackpressureOverHttp2Test> {
 public:
  static WorldOptions MakeOptions() { return {.http_version = "2"}; }
};

TEST_F(BackpressureOverHttp2Test, StoppedReadersHoldTheirProvidersBackAndNobodyElse) {
  CheckStoppedReaders(world());
}

TEST_F(BackpressureTest, AnswerOverTheLimitIsRefused) {
  // A provider that sends more than limits.answer_bytes_max of one unary answer.
  World small({.limits = "{answer_bytes_max: 64KiB, line_bytes_max: 16KiB}"});
  const auto unary = small.Client().Generate(Ask("Much [sim:output_tokens=100000]"));
  ASSERT_FALSE(unary.ok());
  EXPECT_EQ(unary.error().code, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(unary.error().reason, "ANSWER_TOO_LARGE");
  EXPECT_EQ(unary.error().metadata.at("limit_bytes"), "65536");
  const Streamed stream =
      ReadAll(small.Client().Stream(Ask("Much [sim:chunks=4,chunk_bytes=40000]")));
  ASSERT_EQ(stream.error.reason, "ANSWER_TOO_LARGE") << stream.error.message;
  EXPECT_EQ(stream.error.metadata.at("limit_bytes"), "16384");
  EXPECT_FALSE(stream.finished);
  const Streamed whole =
      ReadAll(small.Client().Stream(Ask("Much [sim:chunks=100,chunk_bytes=4000]")));
  ASSERT_EQ(whole.error.reason, "ANSWER_TOO_LARGE") << whole.error.message;
  EXPECT_EQ(whole.error.metadata.at("limit_bytes"), "65536");
  EXPECT_TRUE(whole.error.answer_started);
  small.Stop();
}

}  // namespace
}  // namespace pingti::integration
