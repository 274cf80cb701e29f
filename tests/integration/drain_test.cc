// SIGTERM under load: health says so, running calls finish, endless ones end with a clear error,
// and the program ends with 0.
#include <gmock/gmock.h>
#include <signal.h>

#include <future>

#include "tests/integration/raw_call.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using grpc::StatusCode;

constexpr int kServing = 1;
constexpr int kNotServing = 2;

// Milliseconds for a knob.
std::string ScaledNumber(int ms) { return std::to_string(Scaled(Millis(ms)).count()); }

std::string EndlessPrompt(int number) {
  return "Endless " + std::to_string(number) + " [sim:chunk_interval_ms=20,chunks=3000]";
}

TEST(DrainTest, HealthChangesFirstAndCallsAreStillServed) {
  World world({.server = "{drain_delay: 1m, drain_grace: 5s}"});
  RawCall watch(world.server().Channel(), "/grpc.health.v1.Health/Watch",
                HealthRequest("pingti.v1.Completion"), {});
  ASSERT_EQ(HealthStatus(watch.Next().value_or("")), kServing);
  world.server().process().Signal(SIGTERM);
  EXPECT_EQ(HealthStatus(watch.Next().value_or("")), kNotServing);
  EXPECT_EQ(CheckHealth(world.server().Channel()), kNotServing);
  EXPECT_EQ(CheckHealth(world.server().Channel(), "pingti.v1.Models"), kNotServing);
  // Load balancers need time to see it: until then calls are served.
  const auto answer = world.Client().Generate(Ask("Hello"));
  EXPECT_TRUE(answer.ok()) << answer.error().message;
  watch.Cancel();
  // A second signal makes it go at once, and not after a minute.
  world.server().process().Signal(SIGTERM);
  EXPECT_EQ(world.server().process().Wait(WaitMax() * 2), 0);
}

TEST(DrainTest, RunningStreamsFinishWhole) {
  World world({.server = "{drain_grace: " + ScaledText(Millis(30'000)) + "}"});
  constexpr int kStreams = 20;
  // 3 s: nobody ends before all have begun.
  const std::string knobs = " [sim:chunks=30,chunk_interval_ms=" + ScaledNumber(100) + "]";
  std::vector<std::string> prompts;
  std::vector<std::string> expected;
  for (int i = 0; i < kStreams; ++i) {
    prompts.push_back("Stream " + std::to_string(i) + knobs);
    expected.push_back(world.provider().AnswerTo(prompts[i]));
  }
  std::vector<std::future<Streamed>> streams;
  for (const std::string& prompt : prompts) {
    streams.push_back(std::async(std::launch::async, [&world, prompt] {
      return ReadAll(world.Client().Stream(Ask(prompt)));
    }));
  }
  ASSERT_TRUE(Eventually([&] { return world.provider().Stat("in_flight") == kStreams; }));
  auto unary = std::async(std::launch::async, [&] {
    return world.Client().Generate(Ask("Unary [sim:latency_ms=" + ScaledNumber(1000) + "]")).ok();
  });
  ASSERT_TRUE(Eventually([&] { return world.provider().Stat("in_flight") > kStreams; }));
  world.server().process().Signal(SIGTERM);
  for (int i = 0; i < kStreams; ++i) {
    Streamed all = streams[i].get();
    EXPECT_TRUE(all.error.ok()) << all.error.message;
    EXPECT_EQ(all.text(), expected[i]);
    EXPECT_TRUE(all.finished);
  }
  EXPECT_TRUE(unary.get());
  EXPECT_EQ(world.server().process().Wait(WaitMax() * 2), 0) << world.server().process().Errors();
}

TEST(DrainTest, NewCallsAreRefusedWhileOldOnesRun) {
  World world({.server = "{drain_grace: 2s}"});
  auto endless = std::async(std::launch::async,
                            [&] { return ReadAll(world.Client().Stream(Ask(EndlessPrompt(0)))); });
  ASSERT_TRUE(Eventually([&] { return world.provider().Stat("chunks_sent") > 5; }));
  world.server().process().Signal(SIGTERM);
  ASSERT_TRUE(world.server().process().WaitForError(
      [](std::string_view line) { return line.find("draining") != line.npos; }));
  // No new connection is taken, so a client goes to another replica.
  EXPECT_TRUE(Eventually([&] {
    const auto late = world.Client("acme", Millis(1000)).Generate(Ask("Hello"));
    return !late.ok() && late.error().code == StatusCode::UNAVAILABLE;
  }));
  EXPECT_EQ(endless.get().error.reason, "DRAINING");
  EXPECT_EQ(world.server().process().Wait(WaitMax() * 2), 0);
}

TEST(DrainTest, EndlessStreamsEndWithDraining) {
  World world({.server = "{drain_grace: 500ms}"});
  constexpr int kStreams = 10;
  std::vector<std::future<Streamed>> streams;
  for (int i = 0; i < kStreams; ++i) {
    streams.push_back(std::async(std::launch::async, [&world, i] {
      return ReadAll(world.Client().Stream(Ask(EndlessPrompt(i))));
    }));
  }
  auto unary = std::async(std::launch::async, [&] {
    return world.Client().Generate(Ask("Never [sim:latency_ms=60000]")).error();
  });
  ASSERT_TRUE(Eventually([&] {
    return world.provider().Stat("in_flight") == kStreams + 1 &&
           world.provider().Stat("chunks_sent") > 5 * kStreams;
  }));
  world.server().process().Signal(SIGTERM);
  auto expect_draining = [](const client::Error& error) {
    EXPECT_EQ(error.code, StatusCode::UNAVAILABLE) << error.message;
    EXPECT_EQ(error.reason, "DRAINING");
    EXPECT_TRUE(error.retry_delay);
    EXPECT_FALSE(error.request_id.empty());
  };
  for (auto& stream : streams) {
    const Streamed all = stream.get();
    expect_draining(all.error);
    EXPECT_TRUE(all.error.answer_started);
    EXPECT_FALSE(all.finished);
    EXPECT_EQ(all.error.metadata.at("usage_source"), "counted");
  }
  expect_draining(unary.get());
  EXPECT_EQ(world.server().process().Wait(WaitMax() * 2), 0) << world.server().process().Errors();
  EXPECT_TRUE(Eventually([&] { return world.provider().Stat("in_flight") == 0; }));
  EXPECT_EQ(world.provider().Stat("disconnects"), kStreams + 1);
  // Every call has its record, also those that ended with the server.
  const std::string said = world.server().process().Errors();
  int records = 0;
  for (size_t at = said.find("DRAINING"); at != said.npos; at = said.find("DRAINING", at + 1)) {
    ++records;
  }
  EXPECT_EQ(records, kStreams + 1);
}

TEST(DrainTest, ReaderThatDoesNotReadCannotHoldTheServer) {
  World world({.server = "{drain_grace: 500ms}"});
  client::CompletionStream stream =
      world.Client().Stream(Ask("Much [sim:chunks=16000,chunk_bytes=1000]"));
  ASSERT_TRUE(stream.Next());
  ASSERT_TRUE(Eventually(
      [&] { return world.server().Scrape().Sum("pingti_upstream_transfers_paused") == 1; }));
  world.server().process().Signal(SIGTERM);
  EXPECT_EQ(world.server().process().Wait(WaitMax() * 2), 0) << world.server().process().Errors();
  EXPECT_EQ(stream.Finish().code, StatusCode::UNAVAILABLE);
}

TEST(DrainTest, KillLeavesTheCallersWithAnError) {
  World world;
  client::CompletionStream stream = world.Client().Stream(Ask(EndlessPrompt(0)));
  for (auto event = stream.Next(); event && !event->has_delta();) event = stream.Next();
  world.server().process().Signal(SIGKILL);
  const Streamed all = ReadAll(std::move(stream));
  EXPECT_EQ(all.error.code, StatusCode::UNAVAILABLE);
  EXPECT_TRUE(all.error.answer_started);
  EXPECT_FALSE(all.finished);
}

TEST(DrainTest, IdleServerEndsAtOnce) {
  for (const int signal : {SIGTERM, SIGINT}) {
    World world({.server = "{drain_grace: 1h}"});
    ASSERT_TRUE(world.Client().Generate(Ask("Hello")).ok());
    world.server().process().Signal(signal);
    EXPECT_EQ(world.server().process().Wait(WaitMax() * 2), 0);
  }
}

}  // namespace
}  // namespace pingti::integration
