// The caller's cancel and deadline reach the provider within 100 ms, whatever phase the call is in;
// and the call is recorded and settled as what it was.
//
// A machine that stands still for a moment breaks such a promise without being asked. So each proof
// has a few tries, and one of them has to show all of it; what must never be fails at once.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <future>

#include "tests/integration/slow_reader.h"
#include "tests/integration/world.h"
#include "tests/upstream/clock.h"

namespace pingti::integration {
namespace {

using grpc::StatusCode;
using testing::AnyOf;
using testing::Eq;

constexpr int kTriesMax = 3;
constexpr int64_t kNsPerMs = 1'000'000;
constexpr Millis kAbortMax(100);
// The server answers a deadline this much before, and at most a twentieth of the time.
constexpr Millis kReplyMarginMax(100);
// Between the clocks of this process, of gRPC and of the server.
constexpr Millis kClockTolerance(20);

// Where the call is when it is ended.
struct Phase {
  const char* name;
  const char* model;
  const char* knobs;
  const char* stage;
};

constexpr Phase kConnecting = {"connecting", "mute", "{}", "connecting"};
constexpr Phase kBeforeHeader = {"before the header", "chat", R"({"latency_ms":60000})",
                                 "first_token"};
constexpr Phase kBeforeFirstToken = {"before the first token", "chat",
                                     R"({"first_token_ms":60000})", "first_token"};
constexpr Phase kMidStream = {"mid-stream", "chat", R"({"chunk_interval_ms":20,"chunks":3000})",
                              "streaming"};
// The answer is larger than all buffers on its way.
constexpr Phase kReaderStopped = {"reader stopped", "chat",
                                  R"({"chunks":16000,"chunk_bytes":1000})", "streaming"};

bool HasContent(const Phase& phase) { return std::string_view(phase.stage) == "streaming"; }
bool IsMute(const Phase& phase) { return std::string_view(phase.model) == "mute"; }

// Long enough for the server to have its whole margin, and for every phase to be reached.
Millis CallTime() { return Millis(Slowdown() > 1 ? 2500 : 1000); }

// Makes tries until one of them lacks nothing: `once` says what its try lacked of the proof.
void Prove(const std::string& what, const std::function<std::string()>& once) {
  std::string lacked;
  for (int i = 0; i < kTriesMax; ++i) {
    const std::string lacks = once();
    if (lacks.empty() || testing::Test::HasFailure()) return;
    std::printf("%s: try %d: %s\n", what.c_str(), i + 1, lacks.c_str());
    lacked += "\n  " + lacks;
  }
  ADD_FAILURE() << what << ": none of the tries showed it:" << lacked;
}

// A provider whose connections come about and then stay silent: with TLS, one that is connected to
// for ever. Nothing runs; what is asked for is looked at in the thread that asks.
class MuteProvider {
 public:
  MuteProvider() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, generic, size) != 0 || listen(listener_, 16) != 0 ||
        getsockname(listener_, generic, &size) != 0) {
      std::abort();
    }
    base_url_ = "https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/v1";
  }
  ~MuteProvider() {
    Close();
    close(listener_);
  }
  MuteProvider(const MuteProvider&) = delete;
  MuteProvider& operator=(const MuteProvider&) = delete;
  const std::string& base_url() const { return base_url_; }

  // The next connection, once its client has begun to speak.
  bool Accept() {
    Close();
    if (!Readable(listener_)) return false;
    connection_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    return connection_ >= 0 && Readable(connection_);
  }
  // When its client has gone; waits for that. 0: it has not.
  int64_t DisconnectNs() {
    char buffer[4096];
    while (connection_ >= 0 && Readable(connection_)) {
      if (recv(connection_, buffer, sizeof buffer, 0) <= 0) return upstream::MonotonicNs();
    }
    return 0;
  }

 private:
  static bool Readable(int fd) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&wait, 1, static_cast<int>(WaitMax().count())) == 1;
  }
  void Close() {
    if (connection_ >= 0) close(connection_);
    connection_ = -1;
  }

  int listener_;
  int connection_ = -1;
  std::string base_url_;
};

// The configuration of World with that provider.
std::string WithMute(std::string config, const MuteProvider& mute) {
  const std::string models = "models:\n";
  config.replace(config.find(models), models.size(),
                 "  - {name: mute, dialect: openai, no_key: true, base_url: \"" + mute.base_url() +
                     "\"}\n" + models + "  - {name: mute, provider: mute, context_tokens: 4096}\n");
  return config;
}

// What the record of a call tells of where it was when it ended: a prompt that has reached the
// provider is paid for.
std::string StageOf(const rapidjson::Document& record) {
  if (!record.HasMember("attempts") || record["attempts"].Empty()) return "queued";
  if (record.HasMember("first_token_ms")) return "streaming";
  return record.HasMember("usage") ? "first_token" : "connecting";
}

void ExpectUsage(const rapidjson::Document& record, const Phase& phase) {
  if (std::string_view(phase.stage) == "connecting") {
    EXPECT_FALSE(record.HasMember("usage")) << phase.name;
    return;
  }
  ASSERT_TRUE(record.HasMember("usage")) << phase.name;
  const auto& usage = record["usage"];
  EXPECT_STREQ(usage["source"].GetString(), "counted") << phase.name;
  EXPECT_TRUE(usage["lower_bound"].GetBool()) << phase.name;
  EXPECT_GT(usage["input_tokens"].GetInt64(), 0) << phase.name;
  EXPECT_EQ(usage["output_tokens"].GetInt64() > 0, HasContent(phase)) << phase.name;
}

class CancelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    mute_ = std::make_unique<MuteProvider>();
    world_ = std::make_unique<World>();
    server_ = std::make_unique<Server>(WithMute(world_->config(), *mute_));
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(server().Scrape().Sum("pingti_bugs_total"), 0);
    EXPECT_EQ(server().Scrape().Sum("pingti_quota_reservations_dropped_total"), 0);
    server_->StopCleanly();
    server_.reset();
    world_->Stop();
    world_.reset();
    mute_.reset();
  }
  void SetUp() override {
    provider().SetDefaults("{}");
    // A first call opens the connections.
    ASSERT_TRUE(Client().Generate(Ask("Warm up")).ok());
  }
  void TearDown() override {
    EXPECT_TRUE(Eventually([] { return server().Scrape().Sum("pingti_calls_in_flight") == 0; }));
    EXPECT_EQ(server().Scrape().Sum("pingti_quota_reservations_open"), 0);
  }

  static Provider& provider() { return world_->provider(); }
  static Server& server() { return *server_; }
  static MuteProvider& mute() { return *mute_; }
  static const std::string& key() { return world_->key("acme"); }
  static client::Client Client() { return server().Client(key()); }

  // A call of this phase, with a new id.
  static v1::CompletionSpec Begin(const Phase& phase) {
    provider().SetDefaults(phase.knobs);
    provider().Reset();
    v1::CompletionSpec spec = Ask("Hello", phase.model);
    spec.set_request_id("call-" + std::to_string(++calls_));
    return spec;
  }
  static rapidjson::Document Record() {
    return server().AccessRecord("call-" + std::to_string(calls_));
  }

  // Whether the call has reached its provider, after a while.
  static bool Reached(const Phase& phase) {
    if (IsMute(phase)) return mute().Accept();
    return Eventually([] { return provider().Stat("in_flight") == 1; });
  }
  // Whether its reader holds its provider back, after a while; not when it has ended before.
  static bool HeldBack() {
    bool held = false;
    Eventually([&held] {
      held = server().Scrape().Sum("pingti_upstream_transfers_paused") == 1;
      return held || provider().Stat("disconnects") > 0;
    });
    return held;
  }

  // When the provider saw that the call had gone, in milliseconds after `since_ns`.
  static double AbortedAfterMs(int64_t since_ns, const Phase& phase, const char* how) {
    const int64_t seen_ns = IsMute(phase) ? mute().DisconnectNs() : provider().DisconnectNs();
    EXPECT_NE(seen_ns, 0) << phase.name << ": the provider never saw a disconnect";
    const double ms = static_cast<double>(seen_ns - since_ns) / kNsPerMs;
    std::printf("%s %s: aborted after %.1f ms\n", how, phase.name, ms);
    return ms;
  }
  // The promise. Says what is lacking.
  static std::string LacksAbort(int64_t since_ns, const Phase& phase, const char* how) {
    const double ms = AbortedAfterMs(since_ns, phase, how);
    if (ms <= static_cast<double>(Scaled(kAbortMax).count())) return "";
    return "aborted only after " + std::to_string(ms) + " ms";
  }

  static void ExpectCancelRecord(const Phase& phase, const char* method) {
    const rapidjson::Document record = Record();
    EXPECT_STREQ(record["reason"].GetString(), "CANCELLED") << phase.name;
    EXPECT_STREQ(record["method"].GetString(), method);
    EXPECT_EQ(StageOf(record), phase.stage) << phase.name;
    ExpectUsage(record, phase);
  }

  // All that a call shows whose deadline has passed; `due_ns` is the caller's, who gave it `time`.
  // `told`: the caller listened until then.
  static std::string LacksDeadline(int64_t due_ns, Millis time, const Phase& phase,
                                   const char* method, const client::Error& error, bool told) {
    const double ms = AbortedAfterMs(due_ns, phase, method);
    const Millis margin = std::min(kReplyMarginMax, time / 20);
    EXPECT_GE(ms, static_cast<double>(-(margin + kClockTolerance).count())) << phase.name;
    EXPECT_EQ(error.code, StatusCode::DEADLINE_EXCEEDED) << phase.name << ": " << error.message;
    EXPECT_THAT(error.reason, AnyOf(Eq("DEADLINE"), Eq(""))) << phase.name;
    const rapidjson::Document record = Record();
    const std::string reason = record["reason"].GetString();
    EXPECT_STREQ(record["method"].GetString(), method);
    // The server's time of the call begins when the call arrives. Where that was late, the caller
    // has gone before it is over, and that is a cancel; otherwise never.
    const bool over = record["total_ms"].GetDouble() >= static_cast<double>(time.count());
    EXPECT_THAT(reason, AnyOf(Eq("DEADLINE"), Eq("CANCELLED"))) << phase.name;
    if (over || !error.reason.empty()) {
      EXPECT_EQ(reason, "DEADLINE") << phase.name;
    }
    const std::string stage = StageOf(record);
    if (!error.reason.empty()) {
      EXPECT_EQ(error.metadata.at("stage"), stage) << phase.name;
    }
    if (reason != "DEADLINE") return "the call reached the server late";
    if (stage != phase.stage) return "its time was over at stage " + stage;
    ExpectUsage(record, phase);
    if (told && error.reason.empty()) return "the caller's own clock was faster than the answer";
    if (ms > static_cast<double>(Scaled(kAbortMax).count())) return "aborted too late";
    return "";
  }

 private:
  static inline std::unique_ptr<MuteProvider> mute_;
  static inline std::unique_ptr<World> world_;
  static inline std::unique_ptr<Server> server_;
  static inline int calls_ = 0;
};

TEST_F(CancelTest, CancelOfAStream) {
  for (const Phase& phase : {kConnecting, kBeforeHeader, kBeforeFirstToken, kMidStream}) {
    Prove(phase.name, [&]() -> std::string {
      client::CompletionStream stream = Client().Stream(Begin(phase));
      EXPECT_TRUE(Reached(phase));
      for (int deltas = 0; HasContent(phase) && deltas < 3;) {
        const auto event = stream.Next();
        if (!event) return "the stream ended: " + stream.Finish().message;
        if (event->has_delta()) ++deltas;
      }
      const int64_t cancelled_ns = upstream::MonotonicNs();
      stream.Cancel();
      const std::string lacks = LacksAbort(cancelled_ns, phase, "stream cancelled");
      EXPECT_EQ(stream.Finish().code, StatusCode::CANCELLED);
      ExpectCancelRecord(phase, "stream");
      return lacks;
    });
  }
}

TEST_F(CancelTest, StreamThatIsDroppedByItsReader) {
  Prove("stream dropped", [] {
    int64_t dropped_ns = 0;
    {
      client::CompletionStream stream = Client().Stream(Begin(kMidStream));
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(stream.Next());
      dropped_ns = upstream::MonotonicNs();
    }
    const std::string lacks = LacksAbort(dropped_ns, kMidStream, "stream dropped");
    ExpectCancelRecord(kMidStream, "stream");
    return lacks;
  });
}

TEST_F(CancelTest, CancelOfAStreamWhoseReaderHasStopped) {
  Prove("cancelled", [] {
    SlowReader reader(server(), key(), Begin(kReaderStopped), WaitMax());
    EXPECT_TRUE(reader.Read());
    EXPECT_TRUE(HeldBack()) << server().Scrape().text();
    const int64_t cancelled_ns = upstream::MonotonicNs();
    reader.Cancel();
    const std::string lacks = LacksAbort(cancelled_ns, kReaderStopped, "stream cancelled");
    EXPECT_EQ(reader.Finish().error_code(), StatusCode::CANCELLED);
    ExpectCancelRecord(kReaderStopped, "stream");
    return lacks;
  });
}

TEST_F(CancelTest, CancelOfAUnaryCall) {
  for (const Phase& phase : {kConnecting, kBeforeHeader, kBeforeFirstToken}) {
    Prove(phase.name, [&] {
      std::stop_source stop;
      auto answer = std::async(std::launch::async, [&, spec = Begin(phase)] {
        client::CallOptions options;
        options.cancel = stop.get_token();
        return Client().Generate(spec, options).error().code;
      });
      EXPECT_TRUE(Reached(phase));
      const int64_t cancelled_ns = upstream::MonotonicNs();
      stop.request_stop();
      const std::string lacks = LacksAbort(cancelled_ns, phase, "unary cancelled");
      EXPECT_EQ(answer.get(), StatusCode::CANCELLED);
      ExpectCancelRecord(phase, "unary");
      return lacks;
    });
  }
}

TEST_F(CancelTest, DeadlineOfAStream) {
  for (const Phase& phase : {kConnecting, kBeforeHeader, kBeforeFirstToken, kMidStream}) {
    Prove(phase.name, [&] {
      client::StreamOptions options;
      options.deadline = CallTime();
      const v1::CompletionSpec spec = Begin(phase);
      const int64_t due_ns = upstream::MonotonicNs() + options.deadline->count() * kNsPerMs;
      auto all =
          std::async(std::launch::async, [&] { return ReadAll(Client().Stream(spec, options)); });
      EXPECT_TRUE(!IsMute(phase) || Reached(phase)) << phase.name;
      const Streamed streamed = all.get();
      EXPECT_FALSE(streamed.finished);
      EXPECT_TRUE(streamed.deltas == 0 || HasContent(phase)) << phase.name;
      return LacksDeadline(due_ns, CallTime(), phase, "stream", streamed.error, /*told=*/true);
    });
  }
}

// Its reader takes the end only after the content that is in its way, if at all.
TEST_F(CancelTest, DeadlineOfAStreamWhoseReaderHasStopped) {
  Prove("deadline", []() -> std::string {
    // Until all buffers on the way are full takes time, much of it under a sanitizer.
    const Millis time = 4 * CallTime();
    const v1::CompletionSpec spec = Begin(kReaderStopped);
    const int64_t due_ns = upstream::MonotonicNs() + time.count() * kNsPerMs;
    SlowReader reader(server(), key(), spec, time);
    const bool held = reader.Read() && HeldBack();
    EXPECT_NE(provider().DisconnectNs(), 0);  // before anything is read again
    client::Error error;
    error.code = reader.Finish().error_code();
    const std::string lacks =
        LacksDeadline(due_ns, time, kReaderStopped, "stream", error, /*told=*/false);
    return held ? lacks : "its reader had not yet held it back";
  });
}

TEST_F(CancelTest, DeadlineOfAUnaryCall) {
  for (const Phase& phase : {kConnecting, kBeforeHeader, kBeforeFirstToken}) {
    Prove(phase.name, [&]() -> std::string {
      client::CallOptions options;
      options.deadline = CallTime();
      const v1::CompletionSpec spec = Begin(phase);
      const int64_t due_ns = upstream::MonotonicNs() + options.deadline->count() * kNsPerMs;
      auto answer =
          std::async(std::launch::async, [&] { return Client().Generate(spec, options); });
      EXPECT_TRUE(!IsMute(phase) || Reached(phase)) << phase.name;
      const auto got = answer.get();
      EXPECT_FALSE(got.ok()) << phase.name;
      if (got.ok()) return "";
      return LacksDeadline(due_ns, CallTime(), phase, "unary", got.error(), /*told=*/true);
    });
  }
}

TEST_F(CancelTest, ConnectionOfTheCallerBreaks) {
  Prove("client killed", [] {
    (void)Begin(kMidStream);
    // A client in a process of its own, so that it can be killed.
    Process command(
        {ClientBinary(), "--target", server().target(), "chat", "--model", "chat", "Hi"},
        {{"PINGTI_API_KEY", key()}});
    EXPECT_TRUE(Eventually([] { return provider().Stat("chunks_sent") > 3; }));
    const int64_t killed_ns = upstream::MonotonicNs();
    command.Signal(SIGKILL);
    return LacksAbort(killed_ns, kMidStream, "client killed");
  });
}

TEST_F(CancelTest, CancelSettlesTheQuotaOnce) {
  const std::vector<std::string> mine = {"tenant=\"acme\""};
  for (const Phase& phase : {kConnecting, kBeforeHeader}) {
    const Metrics before = server().Scrape();
    client::CompletionStream stream = Client().Stream(Begin(phase));
    ASSERT_TRUE(Reached(phase));
    stream.Cancel();
    EXPECT_EQ(stream.Finish().code, StatusCode::CANCELLED);
    ExpectCancelRecord(phase, "stream");
    const Metrics after = server().Scrape();
    auto more = [&](const char* name) { return after.Sum(name, mine) - before.Sum(name, mine); };
    const double reserved = more("pingti_quota_reserved_tokens_total");
    EXPECT_GT(reserved, 0);
    // What no provider has seen costs nothing; what it has seen, all that was set aside for it.
    EXPECT_EQ(more("pingti_quota_settled_tokens_total"), IsMute(phase) ? 0 : reserved);
  }
}

}  // namespace
}  // namespace pingti::integration
