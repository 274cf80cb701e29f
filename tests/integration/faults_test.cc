// Each fault that the simulated provider commits, unary and streaming, over HTTP/1.1 and HTTP/2: a
// cut answer is never given as complete, a complete one never as cut, every call ends by itself
// within its deadline, and the quota is settled once with the usage that the call reports. The
// faults of the way to a provider are in network_faults_test.cc, what one of them means for other
// keys and targets in refusals_test.cc.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <sstream>

#include "tests/integration/fault_check.h"
#include "tests/upstream/clock.h"

namespace pingti::integration {
namespace {

using client::Error;
using grpc::StatusCode;
using testing::HasSubstr;

constexpr char kPrompt[] = "Tell me about 平替, please.";

// A JSON object of knobs.
std::string Knobs(const FaultCase& fault) {
  return std::string(R"({"fault":")") + fault.fault + "\"" + fault.knobs + "}";
}

void CheckAll(World& world, std::span<const FaultCase> cases, bool stream) {
  const std::string answer = world.provider().AnswerTo(kPrompt);
  FaultCheck check(world.server(), world.provider(), world.Client());
  for (const FaultCase& fault : cases) {
    SCOPED_TRACE(std::string(stream ? "stream, fault " : "unary, fault ") + fault.fault);
    world.provider().SetDefaults(Knobs(fault));
    check.Expect(stream ? fault.stream : fault.unary, Ask(kPrompt), stream, answer, {});
  }
}

WorldOptions Options(const char* http_version) {
  auto ms = [](int time) { return std::to_string(Scaled(Millis(time)).count()) + "ms"; };
  return {.timeouts = "{connect: 2s, first_token: " + ms(600) + ", silence: " + ms(600) +
                      ", content_gap: " + ms(1400) + ", total: " + ms(1500) + "}",
          .http_version = http_version};
}

class FaultsTest : public WorldTest<FaultsTest> {
 public:
  static WorldOptions MakeOptions() { return Options("1.1"); }
};

TEST_F(FaultsTest, Streams) { CheckAll(world(), Http1Faults(), true); }

TEST_F(FaultsTest, Unary) { CheckAll(world(), Http1Faults(), false); }

class FaultsOverHttp2Test : public WorldTest<FaultsOverHttp2Test> {
 public:
  static WorldOptions MakeOptions() { return Options("2"); }
};

TEST_F(FaultsOverHttp2Test, Streams) { CheckAll(world(), Http2Faults(), true); }

TEST_F(FaultsOverHttp2Test, Unary) { CheckAll(world(), Http2Faults(), false); }

std::string FileText(const std::string& name) {
  std::ifstream file(std::string(PINGTI_SOURCE) + "/" + name);
  EXPECT_TRUE(file) << name << " cannot be read";
  return {std::istreambuf_iterator<char>(file), {}};
}

// tests/upstream/fault_catalogue.txt: each entry has a case here, a test elsewhere, or a reason.
TEST_F(FaultsTest, EachEntryOfTheCatalogueHasACase) {
  std::istringstream catalogue(FileText("tests/upstream/fault_catalogue.txt"));
  std::set<int> numbers;
  for (std::string line; std::getline(catalogue, line);) {
    if (line.empty() || line[0] == '#') continue;
    const int number = std::stoi(line);
    EXPECT_TRUE(numbers.insert(number).second) << line;
    const std::string where = line.substr(line.rfind("| ") + 2);
    if (where == "simulated") {
      EXPECT_TRUE(HasFaultOf(number)) << line << ": fault_cases.cc has none";
    } else if (!where.starts_with("not here: ")) {
      const size_t space = where.find(' ');
      ASSERT_NE(space, std::string::npos) << line;
      EXPECT_THAT(FileText(where.substr(0, space)), HasSubstr(where.substr(space + 1))) << line;
    }
  }
  // 25 and what is after 60 are faults of stores and of machines, not of providers.
  for (int number = 1; number <= 60; ++number) {
    EXPECT_EQ(numbers.count(number), number == 25 ? 0u : 1u) << number;
  }
}

// Each fault that the simulated provider knows by a number is committed by a case.
TEST_F(FaultsTest, EachFaultOfTheSimulatedProviderIsCommitted) {
  Process help({ProviderBinary(), "--help"});
  ASSERT_EQ(help.Wait(WaitMax()), 0);
  std::istringstream lines(help.Output());
  // 19, 20, 21 and 26 are other names of 19b, 20a, 21a and 26a; 22 has a test of its own.
  const std::set<std::string> others = {"19", "20", "21", "22", "26"};
  bool in_list = false;
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    in_list = line.starts_with("Faults ") || (in_list && line.starts_with("  "));
    if (!in_list || !line.starts_with("  ")) continue;
    const std::string name = line.substr(2, line.find(' ', 2) - 2);
    ++count;
    EXPECT_TRUE(others.count(name) != 0 || HasFault(name)) << name;
  }
  EXPECT_GT(count, 100);
}

// The usage that is reported where the provider's report is strange.
TEST_F(FaultsTest, UsageThatCannotBeTrustedIsCountedOrClamped) {
  const auto plain = world().Client().Generate(Ask(kPrompt));
  ASSERT_TRUE(plain.ok());
  struct Case {
    const char* fault;
    v1::UsageSource source;
    bool same_output;  // as the honest report
  };
  for (const Case& c :
       {Case{"38", v1::USAGE_SOURCE_MEASURED, true}, Case{"39", v1::USAGE_SOURCE_COUNTED, false},
        Case{"40", v1::USAGE_SOURCE_COUNTED, false}, Case{"41", v1::USAGE_SOURCE_MEASURED, true},
        Case{"42", v1::USAGE_SOURCE_MEASURED, true}}) {
    provider().SetDefaults(std::string(R"({"fault":")") + c.fault + "\"}");
    const Streamed all = ReadAll(world().Client().Stream(Ask(kPrompt)));
    ASSERT_TRUE(all.finished) << c.fault;
    const v1::Usage& usage = all.finished->usage();
    EXPECT_EQ(usage.source(), c.source) << c.fault;
    EXPECT_GT(usage.output_tokens(), 0) << c.fault;
    EXPECT_FALSE(usage.lower_bound()) << c.fault;
    EXPECT_EQ(usage.output_tokens() == plain->usage().output_tokens(), c.same_output) << c.fault;
  }
  // No number of a provider makes a bill negative or endless.
  provider().SetDefaults(R"({"fault":"42b"})");
  const Streamed absurd = ReadAll(world().Client().Stream(Ask(kPrompt)));
  ASSERT_TRUE(absurd.finished);
  EXPECT_GE(absurd.finished->usage().input_tokens(), 0);
  EXPECT_GT(absurd.finished->usage().output_tokens(), 0);
  EXPECT_LT(absurd.finished->usage().output_tokens(), int64_t{1} << 53);
}

// Fault 22: a provider that keeps sending a byte now and then is ended by the total time.
TEST_F(FaultsTest, TrickleIsEndedByTheTotalTime) {
  provider().SetDefaults(R"({"fault":"22","trickle_ms":20})");
  const Want too_late = {.cause = "total_timeout"};
  FaultCheck check(server(), provider(), world().Client());
  for (const bool stream : {true, false}) {
    SCOPED_TRACE(stream ? "stream" : "unary");
    const int64_t begin = upstream::MonotonicNs();
    check.Expect(too_late, Ask(kPrompt, "hasty"), stream, "", {.provider = "hasty"});
    const int64_t took_ms = (upstream::MonotonicNs() - begin) / 1'000'000;
    EXPECT_GE(took_ms, 1400);
    EXPECT_LE(took_ms, Scaled(Millis(3000)).count());
    EXPECT_NE(provider().DisconnectNs(), 0);
  }
}

// The provider's own errors by status.
TEST_F(FaultsTest, StatusesOfTheProvider) {
  struct Case {
    const char* status;
    StatusCode code;
    const char* reason;
  };
  for (const Case& c : {Case{"400", StatusCode::INVALID_ARGUMENT, "CONTEXT_TOO_LONG"},
                        Case{"400bad", StatusCode::INVALID_ARGUMENT, "PROVIDER_REJECTED_REQUEST"},
                        Case{"401", StatusCode::INTERNAL, "PROVIDER_REFUSED_KEY"},
                        Case{"403", StatusCode::UNAVAILABLE, "PROVIDER_LOST"},
                        Case{"404", StatusCode::UNAVAILABLE, "TARGETS_UNAVAILABLE"},
                        Case{"429", StatusCode::UNAVAILABLE, "PROVIDER_RATE_LIMITED"},
                        Case{"429quota", StatusCode::UNAVAILABLE, "PROVIDER_LOST"},
                        Case{"500", StatusCode::UNAVAILABLE, "TARGETS_UNAVAILABLE"},
                        Case{"503", StatusCode::UNAVAILABLE, "TARGETS_UNAVAILABLE"},
                        Case{"529", StatusCode::UNAVAILABLE, "TARGETS_UNAVAILABLE"}}) {
    provider().SetDefaults(std::string(R"({"status":")") + c.status + "\"}");
    const auto unary = world().Client().Generate(Ask(kPrompt));
    const Streamed stream = ReadAll(world().Client().Stream(Ask(kPrompt)));
    ASSERT_FALSE(unary.ok()) << c.status;
    for (const Error& error : {unary.error(), stream.error}) {
      EXPECT_EQ(error.code, c.code) << c.status << ": " << error.message;
      EXPECT_EQ(error.reason, c.reason) << c.status << ": " << error.message;
      const bool too_long = error.reason == "CONTEXT_TOO_LONG";
      for (const char* key : {"model", "context_tokens", "requested_tokens"}) {
        EXPECT_EQ(error.metadata.count(key), too_long ? 1u : 0u) << c.status << ": " << key;
      }
    }
  }
}

}  // namespace
}  // namespace pingti::integration
