// Readers that stop reading: the server's memory stays bounded, the provider is held back, everyone
// else goes on, and who reads again gets all of it.
#include <gmock/gmock.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int kSlowReaders = 16;
constexpr int64_t kChunkBytes = 1000;
constexpr int64_t kChunks = 16'000;  // of one answer: 16 MB

// A stream on a connection of its own, read one message at a time. Ends its call when it goes away.
class SlowReader {
 public:
  SlowReader(const Server& server, const std::string& key, const v1::CompletionSpec& spec)
      : stub_(v1::Completion::NewStub(server.Channel())) {
    context_.AddMetadata("authorization", "Bearer " + key);
    context_.set_deadline(std::chrono::system_clock::now() + Scaled(Millis(60'000)));
    v1::StreamCompletionRequest request;
    *request.mutable_spec() = spec;
    reader_ = stub_->StreamCompletion(&context_, request);
  }
  ~SlowReader() {
    if (finished_) return;
    context_.TryCancel();
    reader_->Finish();
  }

  bool Read() {
    v1::StreamCompletionResponse message;
    if (!reader_->Read(&message)) return false;
    text_bytes_ += static_cast<int64_t>(message.delta().text().size());
    last_ = std::move(message);
    return true;
  }
  grpc::Status Finish() {
    finished_ = true;
    return reader_->Finish();
  }
  int64_t text_bytes() const { return text_bytes_; }
  const v1::StreamCompletionResponse& last() const { return last_; }

 private:
  std::unique_ptr<v1::Completion::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::StreamCompletionResponse>> reader_;
  v1::StreamCompletionResponse last_;
  int64_t text_bytes_ = 0;
  bool finished_ = false;
};

class BackpressureTest : public WorldTest<BackpressureTest> {
 public:
  static WorldOptions MakeOptions() { return {}; }

 protected:
  static v1::CompletionSpec Much(int number) {
    return Ask("Much " + std::to_string(number) + " [sim:chunks=" + std::to_string(kChunks) +
               ",chunk_bytes=" + std::to_string(kChunkBytes) + "]");
  }

  // True as soon as the server holds back `count` providers.
  static bool AllHeldBack(int count) {
    return Eventually(
        [&] { return server().Scrape().Sum("pingti_upstream_transfers_paused") == count; });
  }
};

TEST_F(BackpressureTest, StoppedReadersHoldTheirProvidersBackAndNobodyElse) {
  ASSERT_TRUE(ReadAll(world().Client().Stream(Ask("Warm up"))).error.ok());
  const int64_t rss_before = server().process().RssBytes();
  provider().Reset();
  std::vector<std::unique_ptr<SlowReader>> readers;
  for (int i = 0; i < kSlowReaders; ++i) {
    readers.push_back(std::make_unique<SlowReader>(server(), world().key("acme"), Much(i)));
    ASSERT_TRUE(readers.back()->Read());
  }
  ASSERT_TRUE(AllHeldBack(kSlowReaders)) << server().Scrape().text();
  const int64_t rss_held = server().process().RssBytes();
  std::printf("RSS %.1f MiB before, %.1f MiB with %d readers stopped\n",
              static_cast<double>(rss_before) / kMiB, static_cast<double>(rss_held) / kMiB,
              kSlowReaders);
  // Each answer is larger than all buffers between: the provider cannot have got rid of it.
  EXPECT_EQ(provider().Stat("in_flight"), kSlowReaders);
  EXPECT_EQ(provider().Stat("streams_finished"), 0);
  // A stream's share: 64 KiB of its own buffer, gRPC's window and curl's buffer. The answers have
  // 256 MB together.
  if (Slowdown() == 1) {
    EXPECT_LT(rss_held - rss_before, kSlowReaders * 2 * kMiB);
  }
  EXPECT_GE(server().Scrape().Sum("pingti_stream_buffer_full_total"), kSlowReaders);

  // Others are served meanwhile, also on the same workers.
  for (int i = 0; i < 50; ++i) {
    const auto answer = world().Client().Generate(Ask("Hello"));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
  }
  EXPECT_TRUE(ReadAll(world().Client().Stream(Ask("Hello"))).error.ok());
  EXPECT_EQ(server().Scrape().Sum("pingti_upstream_transfers_paused"), kSlowReaders);

  // The timers of a provider do not run while its reader holds it back; all of it is still there.
  while (readers[0]->Read()) {
  }
  EXPECT_TRUE(readers[0]->Finish().ok());
  EXPECT_GE(readers[0]->text_bytes(), (kChunks - 1) * kChunkBytes);
  EXPECT_EQ(readers[0]->last().finished().usage().source(), v1::USAGE_SOURCE_MEASURED);

  // Who goes away instead ends its provider's work.
  const int64_t disconnects = provider().Stat("disconnects");
  readers.clear();
  EXPECT_TRUE(Eventually([&] {
    return provider().Stat("disconnects") == disconnects + kSlowReaders - 1;
  })) << HttpGet(provider().port(), "/sim/stats")
      << server().Scrape().text();
  EXPECT_TRUE(
      Eventually([] { return server().Scrape().Sum("pingti_upstream_transfers_paused") == 0; }));
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
