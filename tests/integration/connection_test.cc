// Connections: how long one lives, which clients are sent away, and how much goes over one at once.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <set>

#include "tests/integration/raw_call.h"
#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using grpc::StatusCode;
using testing::AnyOf;
using testing::HasSubstr;

// A client's idle connection hears only every five seconds of what the server says, also of its
// end: so each test closes its connections before it stops the server.

constexpr char kForever[] = R"({"latency_ms":600000})";

Headers KeyOf(const World& world) { return {{"authorization", "Bearer " + world.key("acme")}}; }

// A stream whose request is sent, on that connection.
std::unique_ptr<RawCall> Stream(const World& world, std::shared_ptr<grpc::Channel> channel,
                                const std::string& prompt, Millis deadline = WaitMax()) {
  v1::StreamCompletionRequest request;
  *request.mutable_spec() = Ask(prompt);
  return std::make_unique<RawCall>(std::move(channel), "/pingti.v1.Completion/StreamCompletion",
                                   request.SerializeAsString(), KeyOf(world), deadline);
}

// The peers in the access records: one for each connection. `records`: how many records there are.
std::set<std::string> Peers(Server& server, int* records) {
  std::set<std::string> peers;
  const std::string said = server.process().Errors();
  *records = 0;
  size_t from = 0;
  for (size_t end = said.find('\n'); end != said.npos; end = said.find('\n', from)) {
    const rapidjson::Document line = ParseJson(said.substr(from, end - from));
    from = end + 1;
    if (!line.HasMember("record")) continue;
    peers.insert(line["peer"].GetString());
    ++*records;
  }
  return peers;
}

// gRPC's own client as everybody has it: a call that the server has not seen when its connection
// is told to go is sent over the next one.
std::unique_ptr<v1::Completion::Stub> UsualStub(const Server& server) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::Completion::NewStub(
      grpc::CreateCustomChannel(server.target(), grpc::InsecureChannelCredentials(), arguments));
}

grpc::Status Generate(const World& world, v1::Completion::Stub& stub) {
  grpc::ClientContext context;
  Prepare(&context, world.key("acme"));
  v1::GenerateCompletionRequest request;
  *request.mutable_spec() = Ask("Hello");
  v1::GenerateCompletionResponse response;
  return stub.GenerateCompletion(&context, request, &response);
}

TEST(ConnectionTest, AnOldConnectionIsReplacedAndNoCallIsLost) {
  World world(
      {.server = "{connection_age: 1s, connection_age_grace: " + ScaledText(Millis(10'000)) + "}"});
  auto stub = UsualStub(world.server());
  // gRPC prepares what its threads share with the first call, which ThreadSanitizer does not see.
  ASSERT_TRUE(Generate(world, *stub).ok());
  // It begins on the first connection and lives longer than that is to live.
  auto stream = std::async(std::launch::async, [&] {
    return ReadAll(world.Client().Stream(Ask("Hello [sim:chunks=125,chunk_interval_ms=20]")));
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  int calls = 1;
  while (std::chrono::steady_clock::now() < end) {
    const grpc::Status status = Generate(world, *stub);
    ASSERT_TRUE(status.ok()) << "call " << calls << ": " << status.error_message();
    ++calls;
  }
  const Streamed streamed = stream.get();
  EXPECT_TRUE(streamed.error.ok()) << streamed.error.message;
  EXPECT_TRUE(streamed.finished);
  stub.reset();
  world.Stop();
  int records = 0;
  const std::set<std::string> peers = Peers(world.server(), &records);
  EXPECT_EQ(records, calls + 1);
  std::printf("%d calls over %zu connections\n", calls, peers.size());
  // One of the stream, and of the calls one a second, give or take a tenth.
  EXPECT_GE(peers.size(), 3u);
}

TEST(ConnectionTest, AClientThatPingsTooOftenIsSentAwayAndNobodyElse) {
  World world({.server = "{ping_interval_min: 10s}"});
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(WaitMax().count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  auto hasty = grpc::CreateCustomChannel(world.server().target(),
                                         grpc::InsecureChannelCredentials(), arguments);
  // A polite one is there, too.
  world.provider().SetDefaults(R"({"latency_ms":1500})");
  auto polite = std::async(std::launch::async, [&] { return world.Client().Generate(Ask("Hi")); });
  ASSERT_TRUE(Eventually([&] { return world.provider().Stat("in_flight") == 1; }));
  world.provider().SetDefaults(kForever);
  const client::Error error = Stream(world, std::move(hasty), "Hello")->Finish();
  EXPECT_EQ(error.code, StatusCode::UNAVAILABLE) << error.message;
  EXPECT_THAT(error.message, AnyOf(HasSubstr("too_many_pings"), HasSubstr("Too many pings")));
  // What it had asked for is not worked on any more.
  EXPECT_TRUE(Eventually([&] { return world.provider().Stat("disconnects") == 1; }));
  const auto answer = polite.get();
  EXPECT_TRUE(answer.ok()) << answer.error().message;
  world.provider().SetDefaults("{}");
  EXPECT_TRUE(world.Client().Generate(Ask("Hello")).ok());
  world.Stop();
}

TEST(ConnectionTest, AClientThatHangsIsNoticed) {
  World world({.server = "{keepalive_time: 1s, keepalive_timeout: 1s}"});
  world.provider().SetDefaults(kForever);
  // Stopped, it answers nothing, while the kernel keeps its connection.
  Process command(
      {ClientBinary(), "--target", world.server().target(), "chat", "--model", "chat", "Hello"},
      {{"PINGTI_API_KEY", world.key("acme")}});
  ASSERT_TRUE(Eventually([&] { return world.provider().Stat("in_flight") == 1; }));
  command.Signal(SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return world.provider().Stat("disconnects") == 1; }));
  EXPECT_TRUE(Eventually([&] {
    return world.server().Scrape().Sum("pingti_calls_total", {"reason=\"CANCELLED\""}) == 1;
  })) << world.server().Scrape().text();
  world.Stop();
}

TEST(ConnectionTest, NoMoreThanSoManyCallsAtOnceOnOneConnection) {
  World world({.server = "{concurrent_streams_max: 2}"});
  const std::string endless = "Hello [sim:chunks=100000,chunk_interval_ms=20]";
  auto channel = world.server().Channel();
  auto first = Stream(world, channel, endless);
  auto second = Stream(world, channel, endless);
  ASSERT_TRUE(first->Next());
  ASSERT_TRUE(second->Next());
  // The third waits on the client's side.
  EXPECT_EQ(Stream(world, channel, "Hello", Millis(500))->Finish().code,
            StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(world.provider().Stat("requests"), 2);
  // Another connection has room, and this one has when a call of it ends.
  EXPECT_TRUE(Stream(world, world.server().Channel(), "Hello")->Finish().ok());
  second.reset();
  EXPECT_TRUE(Stream(world, channel, "Hello")->Finish().ok());
  first.reset();
  channel.reset();
  world.Stop();
}

}  // namespace
}  // namespace pingti::integration
