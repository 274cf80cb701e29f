// Each fault that the simulated provider commits, unary and streaming, over HTTP/1.1 and HTTP/2: a
// cut answer is never given as complete, a complete one never as cut, every call ends by itself
// within its deadline, and the quota is settled once with the usage that the call reports.
#include <gmock/gmock.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <sstream>
#include <vector>

#include "tests/integration/world.h"
#include "tests/upstream/clock.h"

namespace pingti::integration {
namespace {

using client::Error;
using grpc::StatusCode;
using testing::HasSubstr;
using testing::Not;

constexpr char kPrompt[] = "Tell me about 平替, please.";

// What a fault must lead to. An empty cause: the answer is complete.
struct Want {
  const char* cause = "";
  const char* reason = "ANSWER_INCOMPLETE";
  bool content = false;  // a part of the answer reaches the caller of a stream
  StatusCode code = StatusCode::UNAVAILABLE;
  v1::FinishReason finish = v1::FINISH_REASON_STOP;  // of a complete answer; else it has no text
};

constexpr Want kComplete;

struct FaultCase {
  const char* fault;
  Want stream;
  Want unary;
  const char* knobs = "";  // beside the fault
};

constexpr Want kFiltered{.finish = v1::FINISH_REASON_CONTENT_FILTER};
constexpr Want kCutAfterContent{.cause = "cut", .content = true};
constexpr Want kCut{.cause = "cut"};
constexpr Want kMalformed{.cause = "malformed"};
constexpr Want kNoFirstToken{.cause = "first_token_timeout", .reason = "TARGETS_UNAVAILABLE"};
constexpr Want kTooLate{.cause = "total_timeout"};
constexpr Want kOverloaded{.cause = "overloaded", .reason = "TARGETS_UNAVAILABLE"};
constexpr Want kTooLarge{.cause = "answer_too_large",
                         .reason = "ANSWER_TOO_LARGE",
                         .code = StatusCode::RESOURCE_EXHAUSTED};
constexpr Want kTooLargeAfterContent{.cause = "answer_too_large",
                                     .reason = "ANSWER_TOO_LARGE",
                                     .content = true,
                                     .code = StatusCode::RESOURCE_EXHAUSTED};
constexpr Want kMalformedAfterContent{.cause = "malformed", .content = true};
constexpr Want kServerError{.cause = "server_error", .reason = "TARGETS_UNAVAILABLE"};

const FaultCase kCases[] = {
    {"1", kComplete, kComplete},
    {"2", kComplete, kComplete},
    {"2crlf", kComplete, kComplete},
    {"2cr", kComplete, kComplete},
    {"2mixed", kComplete, kComplete},
    {"2split", kComplete, kComplete},
    {"3", kComplete, kComplete},
    {"3two", kComplete, kComplete},
    {"4", kComplete, kComplete},
    {"5", kComplete, kComplete, R"(,"ping_ms":5,"first_token_ms":100)"},
    {"6", kComplete, kComplete},
    {"7", kComplete, kComplete},
    {"8", kComplete, kComplete},
    {"9", kComplete, kComplete},
    {"9named", kComplete, kComplete},
    {"10", kComplete, kComplete},
    {"11", kComplete, kComplete},
    // A line of a stream may have 16 MiB, a whole answer 64 MiB.
    {"11big", kTooLargeAfterContent, kComplete},
    {"12", kComplete, kComplete},
    {"12b", kTooLargeAfterContent, kTooLarge},
    {"13", kComplete, kComplete},
    {"13nul", kMalformedAfterContent, kMalformed},
    {"14", kComplete, kComplete},
    {"15", kComplete, kComplete},
    {"15spaces", kComplete, kComplete},
    {"16", kComplete, kComplete},
    {"17", kComplete, kComplete},
    {"18", kCutAfterContent, kComplete},
    {"19a", kCut, kCut},
    {"19b", kCutAfterContent, kCut},
    {"20a", kCutAfterContent, kCut},
    // Half of a JSON text whose end only the connection could tell.
    {"20b", kCutAfterContent, kMalformed},
    {"20c", kCutAfterContent, kCut},
    // An answer in one piece has only the total time.
    {"21a", kNoFirstToken, kTooLate},
    {"21b", kNoFirstToken, kTooLate},
    {"21c", {.cause = "stalled", .content = true}, kTooLate},
    {"26a", kOverloaded, kOverloaded},
    {"26b", {.cause = "overloaded", .content = true}, kOverloaded},
    {"27", kOverloaded, kOverloaded},
    {"28", kMalformed, kComplete},
    {"29", kComplete, kComplete},
    {"30", kMalformed, kMalformed},
    {"30b", kMalformed, kMalformed},
    {"30c", kMalformed, kMalformed},
    {"31", kServerError, kServerError},
    {"31b", kServerError, kServerError},
    {"31c", kServerError, kServerError},
    {"32", kServerError, kServerError},
    {"37", kComplete, kComplete},
    {"37first", kComplete, kComplete},
    {"37last", kComplete, kComplete},
    {"38", kComplete, kComplete},
    {"39", kComplete, kComplete},
    {"40", kComplete, kComplete},
    {"41", kComplete, kComplete},
    {"42", kComplete, kComplete},
    {"42b", kComplete, kComplete},
    {"43", kComplete, kComplete},
    {"43empty", kComplete, kComplete},
    {"44", kFiltered, kFiltered},
    {"53", kMalformedAfterContent, kMalformed},
    {"54deep", kMalformedAfterContent, kMalformed},
    {"54number", kComplete, kComplete},
    {"54twice", kComplete, kComplete},
    {"55", kComplete, kComplete},
    {"56", kComplete, kComplete},
};

// What only HTTP/2 can do, and what is something else there: a body whose end is that of its
// connection is one without an end.
const FaultCase kHttp2Cases[] = {
    {"20b", kCutAfterContent, kCut},           {"23goaway", kCut, kCut},
    {"23goawaylate", kCutAfterContent, kCut},  {"23refused", kCut, kCut},
    {"23refusedlate", kCutAfterContent, kCut}, {"23error", kCut, kCut},
    {"23errorlate", kCutAfterContent, kCut},   {"23stopped", kCutAfterContent, kCut},
};

bool IsIn(std::span<const FaultCase> cases, std::string_view name) {
  return std::any_of(cases.begin(), cases.end(),
                     [&](const FaultCase& c) { return name == c.fault; });
}

std::vector<FaultCase> CasesOverHttp2() {
  std::vector<FaultCase> cases(std::begin(kHttp2Cases), std::end(kHttp2Cases));
  for (const FaultCase& c : kCases) {
    if (!IsIn(kHttp2Cases, c.fault)) cases.push_back(c);
  }
  return cases;
}

void Commit(const Provider& provider, const FaultCase& fault) {
  provider.SetDefaults(std::string(R"({"fault":")") + fault.fault + "\"" + fault.knobs + "}");
}

// Settled quota tokens since `before`.
int64_t Settled(const Server& server, const Metrics& before) {
  return static_cast<int64_t>(server.Scrape().Sum("pingti_quota_settled_tokens_total") -
                              before.Sum("pingti_quota_settled_tokens_total"));
}

void ExpectFailure(const Error& error, const Want& want, const std::string& what) {
  EXPECT_EQ(error.code, want.code) << what << ": " << error.message;
  EXPECT_EQ(error.reason, want.reason) << what;
  EXPECT_EQ(error.metadata.count("cause") ? error.metadata.at("cause") : "", want.cause) << what;
  EXPECT_EQ(error.metadata.count("provider") ? error.metadata.at("provider") : "", "simulated");
  EXPECT_FALSE(error.request_id.empty()) << what;
  EXPECT_THAT(error.message, Not(HasSubstr("SIMULATED-HTML-BODY"))) << what;
  EXPECT_THAT(error.message, Not(HasSubstr("<"))) << what;
}

// The access record tells of each attempt that the provider has seen since its Reset(). (One that
// it saw nothing of could not connect.)
void ExpectAllAttemptsTold(const Provider& provider, const rapidjson::Document& record,
                           const std::string& what) {
  ASSERT_TRUE(record.HasMember("attempts")) << what;
  EXPECT_EQ(record["attempts"].Size(), provider.Requests().Size()) << what;
  EXPECT_GE(record["attempts"].Size(), 1u) << what;
}

std::string TextOf(const Want& want, const std::string& whole) {
  return want.finish == v1::FINISH_REASON_STOP ? whole : "";
}

int64_t Total(const v1::Usage& usage) { return usage.input_tokens() + usage.output_tokens(); }

void CheckStreams(World& world, std::span<const FaultCase> cases) {
  Provider& provider = world.provider();
  Server& server = world.server();
  const std::string expected = provider.AnswerTo(kPrompt);
  for (const FaultCase& fault : cases) {
    const std::string what = std::string("stream, fault ") + fault.fault;
    Commit(provider, fault);
    provider.Reset();
    const Metrics before = server.Scrape();
    Streamed all = ReadAll(world.Client().Stream(Ask(kPrompt)));
    const rapidjson::Document record = server.AccessRecord(all.error.request_id);
    ExpectAllAttemptsTold(provider, record, what);
    EXPECT_EQ(server.Scrape().Sum("pingti_quota_admitted_total") -
                  before.Sum("pingti_quota_admitted_total"),
              1);
    if (fault.stream.cause[0] == '\0') {
      EXPECT_TRUE(all.error.ok()) << what << ": " << all.error.message;
      EXPECT_EQ(all.text(), TextOf(fault.stream, expected)) << what;
      ASSERT_TRUE(all.finished) << what;
      EXPECT_EQ(all.finished->choices(0).finish_reason(), fault.stream.finish) << what;
      EXPECT_EQ(Settled(server, before), Total(all.finished->usage())) << what;
      EXPECT_STREQ(record["code"].GetString(), "OK") << what;
      continue;
    }
    ExpectFailure(all.error, fault.stream, what);
    EXPECT_FALSE(all.finished) << what;
    EXPECT_EQ(all.error.answer_started, fault.stream.content) << what;
    EXPECT_EQ(!all.text().empty(), fault.stream.content) << what;
    EXPECT_TRUE(std::string_view(expected).starts_with(all.text())) << what;
    EXPECT_LT(all.text().size(), expected.size() + 1) << what;
    if (fault.stream.content) {
      // What was delivered is counted, as a lower bound: nothing is given back.
      EXPECT_EQ(all.error.metadata.at("usage_source"), "counted") << what;
      EXPECT_GT(std::stoll(all.error.metadata.at("output_tokens")), 0) << what;
      EXPECT_GE(Settled(server, before), record["usage"]["output_tokens"].GetInt64()) << what;
      EXPECT_TRUE(record["usage"]["lower_bound"].GetBool()) << what;
    } else {
      EXPECT_EQ(Settled(server, before), 0) << what;
      EXPECT_FALSE(record.HasMember("usage")) << what;
    }
  }
}

void CheckUnary(World& world, std::span<const FaultCase> cases) {
  Provider& provider = world.provider();
  Server& server = world.server();
  const std::string expected = provider.AnswerTo(kPrompt);
  for (const FaultCase& fault : cases) {
    const std::string what = std::string("unary, fault ") + fault.fault;
    Commit(provider, fault);
    provider.Reset();
    const Metrics before = server.Scrape();
    const auto answer = world.Client().Generate(Ask(kPrompt));
    EXPECT_EQ(answer.ok(), fault.unary.cause[0] == '\0') << what;
    if (answer.ok()) {
      EXPECT_EQ(answer->choices(0).text(), TextOf(fault.unary, expected)) << what;
      EXPECT_EQ(answer->choices(0).finish_reason(), fault.unary.finish) << what;
      EXPECT_EQ(Settled(server, before), Total(answer->usage())) << what;
      ExpectAllAttemptsTold(provider, server.AccessRecord(answer->request_id()), what);
    } else {
      ExpectAllAttemptsTold(provider, server.AccessRecord(answer.error().request_id), what);
      ExpectFailure(answer.error(), fault.unary, what);
      EXPECT_FALSE(answer.error().answer_started) << what;
      EXPECT_EQ(Settled(server, before), 0) << what;
    }
  }
}

WorldOptions Options(const char* http_version) {
  auto ms = [](int time) { return std::to_string(Scaled(Millis(time)).count()) + "ms"; };
  return {.timeouts = "{connect: 2s, first_token: " + ms(600) + ", silence: " + ms(600) +
                      ", content_gap: " + ms(800) + ", total: " + ms(1500) + "}",
          .http_version = http_version};
}

class FaultsTest : public WorldTest<FaultsTest> {
 public:
  static WorldOptions MakeOptions() { return Options("1.1"); }
};

TEST_F(FaultsTest, Streams) { CheckStreams(world(), kCases); }

TEST_F(FaultsTest, Unary) { CheckUnary(world(), kCases); }

class FaultsOverHttp2Test : public WorldTest<FaultsOverHttp2Test> {
 public:
  static WorldOptions MakeOptions() { return Options("2"); }
};

TEST_F(FaultsOverHttp2Test, Streams) { CheckStreams(world(), CasesOverHttp2()); }

TEST_F(FaultsOverHttp2Test, Unary) { CheckUnary(world(), CasesOverHttp2()); }

std::string FileText(const std::string& name) {
  std::ifstream file(std::string(PINGTI_SOURCE) + "/" + name);
  EXPECT_TRUE(file) << name << " cannot be read";
  return {std::istreambuf_iterator<char>(file), {}};
}

// Whether there is a case for a fault that begins with this number: `12b` for 12, but not for 1.
bool IsSimulated(int number) {
  const std::string digits = std::to_string(number);
  const std::vector<FaultCase> cases = CasesOverHttp2();
  return std::any_of(cases.begin(), cases.end(), [&](const FaultCase& c) {
    const std::string_view name = c.fault;
    return name.starts_with(digits) &&
           (name.size() == digits.size() || std::isdigit(name[digits.size()]) == 0);
  });
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
      EXPECT_TRUE(IsSimulated(number)) << line << ": kCases has none";
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

// Each fault that the simulated provider knows by a number is committed above.
TEST_F(FaultsTest, EachFaultOfTheSimulatedProviderIsCommitted) {
  Process help({ProviderBinary(), "--help"});
  ASSERT_EQ(help.Wait(WaitMax()), 0);
  const std::string text = help.Output();
  const size_t begin = text.find("Faults (knob fault=");
  ASSERT_NE(begin, std::string::npos) << text;
  std::istringstream lines(text.substr(begin));
  std::string line;
  std::getline(lines, line);
  int count = 0;
  // 19, 20, 21 and 26 are other names of 19b, 20a, 21a and 26a; 22 has a test of its own.
  const std::set<std::string> others = {"19", "20", "21", "22", "26"};
  while (std::getline(lines, line) && line.starts_with("  ")) {
    const std::string name = line.substr(2, line.find(' ', 2) - 2);
    ++count;
    EXPECT_TRUE(others.count(name) != 0 || IsIn(kCases, name) || IsIn(kHttp2Cases, name)) << name;
  }
  EXPECT_GT(count, 60);
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
  const int64_t begin = upstream::MonotonicNs();
  const Streamed stream = ReadAll(world().Client().Stream(Ask(kPrompt, "hasty")));
  const int64_t took_ms = (upstream::MonotonicNs() - begin) / 1'000'000;
  EXPECT_EQ(stream.error.metadata.at("cause"), "total_timeout") << stream.error.message;
  EXPECT_EQ(stream.error.code, StatusCode::UNAVAILABLE);
  EXPECT_FALSE(stream.finished);
  EXPECT_GE(took_ms, 1400);
  EXPECT_LE(took_ms, Scaled(Millis(3000)).count());
  EXPECT_NE(provider().DisconnectNs(), 0);
  const auto unary = world().Client().Generate(Ask(kPrompt, "hasty"));
  ASSERT_FALSE(unary.ok());
  EXPECT_EQ(unary.error().metadata.at("cause"), "total_timeout");
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

TEST_F(FaultsTest, RetryAfterOfTheProviderReachesTheCaller) {
  provider().SetDefaults(R"({"status":"429","retry_after":"7"})");
  const auto unary = world().Client().Generate(Ask(kPrompt));
  ASSERT_FALSE(unary.ok());
  EXPECT_EQ(unary.error().retry_delay, Millis(7000));
}

}  // namespace
}  // namespace pingti::integration
