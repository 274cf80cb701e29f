// How the programs start, or say why they do not.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

struct Ended {
  int code = -1;
  std::string output;
  std::string errors;
};

// Runs a program to its end.
Ended RunToEnd(std::vector<std::string> arguments, const Process::Environment& environment = {}) {
  Process process(std::move(arguments), environment);
  auto never = [](std::string_view) { return false; };
  process.WaitForOutput(never);  // until it closes both
  process.WaitForError(never);
  Ended run;
  run.code = process.Wait(WaitMax()).value_or(-1000);
  run.output = process.Output();
  run.errors = process.Errors();
  return run;
}

// A port on which somebody listens.
class TakenPort {
 public:
  TakenPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, generic, size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    EXPECT_EQ(getsockname(fd_, generic, &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~TakenPort() { close(fd_); }
  const std::string& address() const { return address_; }

 private:
  int fd_;
  std::string address_;
};

constexpr char kSmallConfig[] = R"(providers:
  - {name: one, dialect: openai, base_url: "http://127.0.0.1:9/v1", no_key: true}
models:
  - {name: m, provider: one, context_tokens: 100}
)";

Ended StartWith(const std::string& config, const Process::Environment& environment = {}) {
  return RunToEnd({ServerBinary(), "--config", WriteFile("pingti.yaml", config), "--grpc",
                   "127.0.0.1:0", "--metrics", "127.0.0.1:0"},
                  environment);
}

TEST(StartTest, GrpcPortInUse) {
  const TakenPort taken;
  const Ended run = RunToEnd({ServerBinary(), "--config", WriteFile("pingti.yaml", kSmallConfig),
                              "--grpc", taken.address(), "--metrics", "127.0.0.1:0"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.errors, AllOf(HasSubstr(taken.address()), HasSubstr("in use")));
  EXPECT_EQ(run.output, "");
}

TEST(StartTest, MetricsPortInUse) {
  const TakenPort taken;
  const Ended run = RunToEnd({ServerBinary(), "--config", WriteFile("pingti.yaml", kSmallConfig),
                              "--grpc", "127.0.0.1:0", "--metrics", taken.address()});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.errors, AllOf(HasSubstr(taken.address()), HasSubstr("in use")));
  EXPECT_EQ(run.output, "");
}

TEST(StartTest, AddressesThatAreNone) {
  for (const char* address : {"nonsense", "127.0.0.1", "127.0.0.1:99999", ":1", "192.0.2.1:0"}) {
    for (const char* flag : {"--grpc", "--metrics"}) {
      const Ended run = RunToEnd(
          {ServerBinary(), "--config", WriteFile("pingti.yaml", kSmallConfig), flag, address,
           flag == std::string("--grpc") ? "--metrics" : "--grpc", "127.0.0.1:0"});
      EXPECT_NE(run.code, 0) << flag << " " << address;
      EXPECT_THAT(run.errors, HasSubstr(address)) << flag;
      EXPECT_EQ(run.output, "") << flag << " " << address;
      EXPECT_GE(run.code, 0) << "ended by a signal";
    }
  }
}

TEST(StartTest, TypoInTheConfigurationNamesThePlace) {
  const std::string config = std::string(kSmallConfig) + "serverr:\n  workers: 2\n";
  const Ended run = StartWith(config);
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.errors, HasSubstr("pingti.yaml:5:1: "));
  EXPECT_THAT(run.errors, AllOf(HasSubstr("serverr"), HasSubstr("server")));
  EXPECT_EQ(run.output, "");
}

TEST(StartTest, AllErrorsAtOnce) {
  const Ended run = StartWith(R"(server:
  workers: many
  drain_grase: 5s
providers:
  - {name: one, dialect: opnai, base_url: "htp://x", no_key: true}
models:
  - {name: m, provider: two, context_tokens: 100}
)");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.errors, HasSubstr("pingti.yaml:2:"));
  EXPECT_THAT(run.errors, HasSubstr("server.workers"));
  EXPECT_THAT(run.errors, HasSubstr("pingti.yaml:3:3: "));
  EXPECT_THAT(run.errors, HasSubstr("drain_grace"));
  EXPECT_THAT(run.errors, HasSubstr("providers[0].base_url"));
  EXPECT_THAT(run.errors, HasSubstr("providers[0].dialect"));
}

TEST(StartTest, ConfigurationThatIsNotThere) {
  const Ended run = RunToEnd({ServerBinary(), "--config", "/nonexistent/pingti.yaml"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.errors, HasSubstr("/nonexistent/pingti.yaml"));
}

TEST(StartTest, NoProviderIsOn) {
  const Ended run = StartWith(R"(providers:
  - {name: one, dialect: openai, base_url: "https://a.example/v1", api_key: "${PINGTI_TEST_KEY:-}"}
models:
  - {name: m, provider: one, context_tokens: 100}
)",
                              {{"PINGTI_TEST_KEY", ""}});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("provider"), HasSubstr("PINGTI_TEST_KEY")));
}

TEST(StartTest, ABudgetOfAKeyTakesALedger) {
  const ApiKey key = MakeApiKey();
  const Ended run =
      StartWith(std::string(kSmallConfig) +
                "tiers: [{name: T}]\ntenants: [{name: acme, tier: T, keys: [{record: \"" +
                key.record + "\", budget: {amount: 5, per: day}}]}]\n");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.errors, AllOf(HasSubstr("of tenant acme has a budget, which takes a ledger"),
                                HasSubstr("billing.data_dir")));
}

TEST(StartTest, CheckConfigSaysRightOrWrong) {
  const std::string right = WriteFile("right.yaml", kSmallConfig);
  Ended run = RunToEnd({ServerBinary(), "--check-config", right});
  EXPECT_EQ(run.code, 0) << run.errors;
  EXPECT_THAT(run.output, HasSubstr(right));
  const std::string wrong = WriteFile("wrong.yaml", std::string(kSmallConfig) + "x: 1\n");
  run = RunToEnd({ServerBinary(), "--check-config", wrong});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.errors, HasSubstr(wrong + ":5:1"));
}

TEST(StartTest, ShippedConfigurationIsRight) {
  const Ended run = RunToEnd(
      {ServerBinary(), "--check-config", std::string(PINGTI_SOURCE) + "/config/pingti.yaml"},
      {{"PINGTI_SIMULATED_PROVIDER_URL", "http://127.0.0.1:9/v1"}});
  EXPECT_EQ(run.code, 0) << run.errors;
}

TEST(StartTest, HelpAndVersion) {
  for (const std::string& program : {ServerBinary(), ClientBinary(), ProviderBinary()}) {
    const Ended help = RunToEnd({program, "--help"});
    EXPECT_EQ(help.code, 0) << program;
    EXPECT_THAT(help.output, HasSubstr("Usage")) << program;
  }
  for (const std::string& program : {ServerBinary(), ClientBinary()}) {
    const Ended version = RunToEnd({program, "--version"});
    EXPECT_EQ(version.code, 0) << program;
    EXPECT_THAT(version.output, MatchesRegex("[^\n]*[0-9]+\\.[0-9]+\\.[0-9]+\n")) << program;
  }
}

TEST(StartTest, UnknownFlag) {
  const Ended run = RunToEnd({ServerBinary(), "--no-such-flag"});
  EXPECT_NE(run.code, 0);
  EXPECT_THAT(run.output + run.errors, HasSubstr("--no-such-flag"));
}

TEST(StartTest, NewKeysAreNeverTheSameAndTheRecordHidesTheKey) {
  const ApiKey one = MakeApiKey();
  const ApiKey two = MakeApiKey();
  EXPECT_NE(one.key, two.key);
  EXPECT_THAT(one.key, MatchesRegex("pt_[a-z0-9]+_[a-z0-9]+"));
  EXPECT_THAT(one.record, MatchesRegex("pt_[a-z0-9]+:[0-9a-f]+"));
  const std::string secret = one.key.substr(one.key.rfind('_') + 1);
  EXPECT_GE(secret.size(), 26u);  // 128 bits and more
  EXPECT_THAT(one.record, Not(HasSubstr(secret)));
}

TEST(StartTest, ListensWhereTheConfigurationSays) {
  const std::string path =
      WriteFile("pingti.yaml", std::string("listen: {grpc: \"127.0.0.1:0\", metrics: "
                                           "\"127.0.0.1:0\"}\n") +
                                   kSmallConfig);
  Process server({ServerBinary(), "--config", path});
  auto says = [](const char* what) {
    return [what](std::string_view line) { return line.starts_with(what); };
  };
  const auto grpc = server.WaitForOutput(says("grpc listening on 127.0.0.1:"));
  const auto metrics = server.WaitForOutput(says("metrics listening on 127.0.0.1:"));
  ASSERT_TRUE(grpc) << server.Errors();
  ASSERT_TRUE(metrics);
  EXPECT_THAT(*grpc, Not(testing::EndsWith(":0")));
  const int port = std::stoi(metrics->substr(metrics->rfind(':') + 1));
  EXPECT_THAT(HttpGet(port, "/metrics"), HasSubstr("pingti_build_info"));
}

}  // namespace
}  // namespace pingti::integration
