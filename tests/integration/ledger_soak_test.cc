// Many calls with endings of every kind: the ledger, the access records and the provider must have
// the same story of them, to the last token. PINGTI_SOAK_CALLS says how many calls (5,000), and
// PINGTI_TEST_SEED has a run again.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>

#include "tests/integration/chaos_crowd.h"
#include "tests/integration/ledger_world.h"

namespace pingti::integration {
namespace {

constexpr int kCallers = 40;
constexpr size_t kCalls = 5'000;
constexpr size_t kCallsSlow = 1'500;  // under sanitizers
constexpr size_t kCallsPerTrouble = 250;

// What befalls some of the provider's answers; the others are whole.
constexpr const char* kTroubles[] = {
    "{}",
    R"({"fault":"20a","fail_every":4})",
    R"({"fault":"21a","fail_every":3})",
    R"({"status":"503","fail_every":3})",
    R"({"fault":"17","fail_every":3})",
    R"({"latency_ms":20})",
};

size_t CallCount() {
  const char* given = std::getenv("PINGTI_SOAK_CALLS");
  if (given != nullptr) return std::strtoull(given, nullptr, 10);
  return Slowdown() > 1 ? kCallsSlow : kCalls;
}

struct Recorded {
  int64_t nano = 0;
  int64_t tokens = 0;
  std::string source;
};

// What the access records say of each call that used something.
std::map<std::string, Recorded> ReadCosts(const std::string& written) {
  std::map<std::string, Recorded> costs;
  std::istringstream lines(written);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("\"record\":\"call\"") == line.npos || line.find("\"cost\"") == line.npos)
      continue;
    const rapidjson::Document json = ParseJson(line);
    const auto& usage = json["usage"];
    const auto number = [&](const char* name) {
      return usage.HasMember(name) ? usage[name].GetInt64() : 0;
    };
    Recorded& one = costs[json["request_id"].GetString()];
    one.nano = json["cost"]["charged_nano"].GetInt64();
    one.tokens = number("input_tokens") + number("output_tokens");
    one.source = usage["source"].GetString();
  }
  return costs;
}

void Calm(const Server& server, ChaosCrowdOptions options, size_t calls) {
  options.calm = true;
  options.name = "calm";
  ChaosCrowd crowd(server, options);
  crowd.Start();
  crowd.WaitForCalls(calls, WaitMax());
  ASSERT_TRUE(crowd.Stop());
}

TEST(LedgerSoakTest, LedgerRecordsAndProviderTellTheSame) {
  const uint64_t seed = TestSeed();
  const size_t calls = CallCount();
  LedgerWorld world(storage::Engine::kSqlite, "{newcomer_bonus: 1000000}");
  const auto server = world.Start();
  ChaosCrowdOptions options;
  options.model = "chat";
  options.key = world.key();
  options.seed = seed;
  options.callers = kCallers;
  options.name = "soak";
  // First whole answers only: the provider's own count of tokens is what was charged.
  Calm(*server, options, calls / 4);
  const int64_t served =
      world.provider().Stat("prompt_tokens") + world.provider().Stat("completion_tokens");
  std::mt19937_64 dice(seed);
  std::vector<ChaosCall> ended;
  {
    ChaosCrowd crowd(*server, options);
    crowd.Start();
    while (crowd.ended() < calls) {
      world.provider().SetDefaults(kTroubles[dice() % std::size(kTroubles)]);
      crowd.WaitForCalls(crowd.ended() + kCallsPerTrouble, WaitMax());
    }
    world.provider().SetDefaults("{}");
    ASSERT_TRUE(crowd.Stop());
    ended = crowd.calls();
  }
  server->StopCleanly();
  world.ExpectSound();

  const std::map<std::string, Recorded> records = ReadCosts(server->process().Errors());
  const std::map<std::string, int64_t> charges = world.Charges();
  EXPECT_EQ(charges.size(), records.size());
  int64_t sum = 0;
  int64_t of_calm = 0;
  for (const auto& [id, record] : records) {
    EXPECT_EQ(record.nano, record.tokens * kNanoPerToken) << id;
    const auto charge = charges.find(id);
    ASSERT_NE(charge, charges.end()) << id;
    ASSERT_EQ(charge->second, record.nano) << id;
    sum += record.nano;
    if (id.starts_with("calm")) of_calm += record.tokens;
  }
  EXPECT_EQ(of_calm, served);
  EXPECT_GT(served, 0);
  std::set<std::string> arrived;
  for (const FragileProvider::Request& request : world.provider().Requests()) {
    arrived.insert(request.user);
  }
  size_t whole = 0;
  for (const ChaosCall& call : ended) {
    if (!call.error.ok()) continue;
    ++whole;
    const auto record = records.find(call.id);
    ASSERT_NE(record, records.end()) << call.id;
    EXPECT_EQ(record->second.source, "measured") << call.id;
    EXPECT_TRUE(arrived.contains(call.id)) << call.id;
  }
  for (const auto& [id, nano] : charges) EXPECT_TRUE(arrived.contains(id)) << id;
  EXPECT_GT(whole, ended.size() / 4);
  EXPECT_LT(whole, ended.size());
  std::printf("%zu calls, %zu whole, %zu charged with %lld nano\n", ended.size(), whole,
              charges.size(), static_cast<long long>(sum));
}

}  // namespace
}  // namespace pingti::integration
