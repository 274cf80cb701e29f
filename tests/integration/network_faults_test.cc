// Faults of the way to a provider, unary and streaming, with HTTP/1.1 and HTTP/2 asked for: names
// without an address or with one where they may not lead, TLS that fails or stalls, connections
// that never come. And that TLS which is good is served, in the version that ALPN agrees on.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_replace.h"
#include "tests/fakes/resolver_gate.h"
#include "tests/integration/fault_check.h"
#include "tests/upstream/clock.h"

namespace pingti::integration {
namespace {

constexpr char kPrompt[] = "Tell me about 平替, please.";
constexpr Millis kConnect(300);  // of a provider whose connections do not come

// Of one worker, so that what holds up its loop holds up everybody.
constexpr char kConfig[] = R"(
listen: {grpc: "127.0.0.1:0", metrics: "127.0.0.1:0"}
server: {workers: 1}
routing: {attempts_max: 1, breaker_failures: 1000, lost_provider_for: 0s}
providers:
  - {name: plain, dialect: openai, base_url: "http://127.0.0.1:$PORT$/v1", no_key: true}
  - name: tls
    dialect: openai
    base_url: "https://tls.localhost:$TLS_PORT$/v1"
    private_network: true
    ca_file: "$CA$"
    no_key: true
    http_version: $HTTP$
  - {name: patient, dialect: openai, base_url: "http://patient.held.invalid/v1", no_key: true}
$PROVIDERS$
models:
  - {name: plain, provider: plain, context_tokens: 100000}
  - {name: tls, provider: tls, context_tokens: 100000}
  - {name: patient, provider: patient, context_tokens: 100000}
$MODELS$
tiers:
  - {name: Roomy, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
tenants:
  - {name: acme, tier: Roomy, keys: [{record: "$KEY$"}]}
)";

// A port that takes no connection and refuses none: its queue is full, so the kernel drops what
// asks for one.
class SilentPort {
 public:
  SilentPort() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    const int listener = Socket();
    EXPECT_EQ(bind(listener, generic, size), 0);
    EXPECT_EQ(listen(listener, 0), 0);
    EXPECT_EQ(getsockname(listener, generic, &size), 0);
    port_ = ntohs(address.sin_port);
    for (int i = 0; i < kFillers; ++i) connect(Socket(), generic, size);
  }
  ~SilentPort() {
    for (const int fd : sockets_) close(fd);
  }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;

  int port() const { return port_; }

 private:
  static constexpr int kFillers = 4;

  int Socket() {
    sockets_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return sockets_.back();
  }

  int port_ = 0;
  std::vector<int> sockets_;
};

// By the HTTP version that is asked for.
class NetworkFaultsTest : public testing::TestWithParam<const char*> {
 protected:
  NetworkFaultsTest()
      : ca_file_(WriteFile("ca.pem", "")),
        provider_({"--tls-ca", ca_file_}),
        key_(MakeApiKey()),
        server_(Config(), {{fakes::ResolverGate::kVariable, gate_.path()},
                           {"LD_PRELOAD", PINGTI_HELD_RESOLVER}}) {}
  void TearDown() override {
    gate_.Open();
    server_.StopCleanly();
  }

  std::string Config() const {
    std::string providers, models;
    for (const NetworkFault& fault : NetworkFaults()) {
      const std::string name = fault.fault;
      providers += "  - {name: " + name + ", dialect: openai, no_key: true, base_url: \"" +
                   fault.base_url + "\", http_version: $HTTP$";
      if (fault.takes_long) providers += ", timeouts: {connect: $SHORT$}";
      if (fault.fields[0] != '\0') providers += std::string(", ") + fault.fields;
      providers += "}\n";
      models += "  - {name: " + name + ", provider: " + name + ", context_tokens: 100000}\n";
    }
    const std::string all =
        absl::StrReplaceAll(kConfig, {{"$PROVIDERS$", providers}, {"$MODELS$", models}});
    return absl::StrReplaceAll(all, {{"$PORT$", std::to_string(provider_.port())},
                                     {"$TLS_PORT$", std::to_string(provider_.TlsPort())},
                                     {"$SILENT_PORT$", std::to_string(silent_.port())},
                                     {"$CA$", ca_file_},
                                     {"$HTTP$", GetParam()},
                                     {"$SHORT$", ScaledText(kConnect)},
                                     {"$KEY$", key_.record}});
  }
  client::Client Client(Millis deadline = WaitMax()) const {
    return server_.Client(key_.key, deadline);
  }

  fakes::ResolverGate gate_;
  const SilentPort silent_;
  const std::string ca_file_;
  Provider provider_;
  const ApiKey key_;
  Server server_;
};

TEST_P(NetworkFaultsTest, EachFaultIsTheProvidersAndReachesNobody) {
  FaultCheck check(server_, provider_, Client());
  for (const NetworkFault& fault : NetworkFaults()) {
    for (const bool stream : {true, false}) {
      SCOPED_TRACE(std::string(stream ? "stream, fault " : "unary, fault ") + fault.fault);
      const int64_t begin = upstream::MonotonicNs();
      check.Expect(fault.want, Ask(kPrompt, fault.fault), stream, "",
                   {.provider = fault.fault, .requests = 0});
      const Millis took((upstream::MonotonicNs() - begin) / 1'000'000);
      EXPECT_GE(took, fault.takes_long ? Scaled(kConnect) : Millis(0));
    }
  }
}

TEST_P(NetworkFaultsTest, GoodTlsIsServed) {
  const std::string answer = provider_.AnswerTo(kPrompt);
  FaultCheck check(server_, provider_, Client());
  const std::string protocol = std::string("HTTP/") + GetParam();
  for (const bool stream : {true, false}) {
    SCOPED_TRACE(stream ? "stream" : "unary");
    check.Expect({}, Ask(kPrompt, "tls"), stream, answer, {});
    EXPECT_EQ(provider_.Requests()[0]["protocol"].GetString(), protocol);
  }
  const int64_t accepted = provider_.Stat("connections_accepted");
  EXPECT_TRUE(CallOnce(Client(), Ask(kPrompt, "tls"), true).error.ok());
  EXPECT_EQ(provider_.Stat("connections_accepted") - accepted, 1)
      << "but for the one that asks this, it is the one that was kept";
}

// Neither a call that waits for its resolver nor one that no longer does.
TEST_P(NetworkFaultsTest, AResolverThatSaysNothingHoldsNobodyUp) {
  for (const bool stream : {true, false}) {
    const CallEnd held = CallOnce(Client(Scaled(kConnect)), Ask(kPrompt, "patient"), stream);
    EXPECT_EQ(held.error.code, grpc::StatusCode::DEADLINE_EXCEEDED) << held.error.message;
    const CallEnd other = CallOnce(Client(), Ask(kPrompt, "plain"), stream);
    EXPECT_TRUE(other.error.ok()) << other.error.message;
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, NetworkFaultsTest, testing::Values("1.1", "2"),
                         [](const auto& info) {
                           return std::string(info.param[0] == '2' ? "Http2" : "Http1");
                         });

}  // namespace
}  // namespace pingti::integration
