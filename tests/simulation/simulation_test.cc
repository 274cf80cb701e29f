// Thousands of seeded scenarios through routing, retries, breakers, quotas and decoding of streams,
// in virtual time. One that fails prints its seed; PINGTI_SIMULATION_SEED=<seed> runs that one
// alone, identically, and prints what happens in it. PINGTI_SIMULATION_RUNS sets how many.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/world.h"

namespace pingti::simulation {
namespace {

constexpr int64_t kRuns = PINGTI_SIMULATION_RUNS;  // CMakeLists.txt

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : static_cast<int64_t>(std::strtoull(given, nullptr, 0));
}

// Runs one; false: something did not hold, which has been said.
bool Holds(uint64_t seed, Counts* counts) {
  const Scenario scenario = MakeScenario(seed);
  World world(scenario);
  world.Run();
  const Counts& of_run = world.counts();
  counts->calls += of_run.calls;
  counts->ok += of_run.ok;
  counts->attempts += of_run.attempts;
  counts->retries += of_run.retries;
  counts->waits += of_run.waits;
  counts->probes += of_run.probes;
  counts->hedges += of_run.hedges;
  for (const auto& [reason, count] : of_run.errors) counts->errors[reason] += count;
  for (const auto& [name, count] : of_run.failures) counts->failures[name] += count;
  for (const std::string& violation : world.violations()) {
    ADD_FAILURE() << "seed " << seed << ": " << violation;
  }
  if (std::getenv("PINGTI_SIMULATION_SEED") != nullptr) std::cout << world.trace();
  if (!::testing::Test::HasFailure()) return true;
  std::cout << "To see it: PINGTI_SIMULATION_SEED=" << seed
            << " build/tests/simulation_test --gtest_filter=Simulation.EverythingHolds\n";
  return false;
}

// On CI the same ones every time, so that only a change of the code can fail there.
uint64_t BaseSeed() {
  constexpr uint64_t kOnCi = 20'240'611;
  if (std::getenv("CI") != nullptr) return kOnCi;
  return (uint64_t{std::random_device()()} << 32) | std::random_device()();
}

std::string TraceOf(uint64_t seed) {
  const Scenario scenario = MakeScenario(seed);
  World world(scenario);
  world.Run();
  return world.trace();
}

TEST(Simulation, EverythingHolds) {
  Counts counts;
  if (std::getenv("PINGTI_SIMULATION_SEED") != nullptr) {
    Holds(static_cast<uint64_t>(FromEnvironment("PINGTI_SIMULATION_SEED", 0)), &counts);
    return;
  }
  constexpr uint64_t kFixed = 20;
  const uint64_t base = BaseSeed();
  const int64_t runs = FromEnvironment("PINGTI_SIMULATION_RUNS", kRuns);
  std::cout << "seeds 0 to " << kFixed - 1 << ", and " << runs << " from " << base << "\n";
  for (uint64_t seed = 0; seed < kFixed; ++seed) {
    if (!Holds(seed, &counts)) return;
  }
  for (int64_t i = 0; i < runs; ++i) {
    if (!Holds(base + static_cast<uint64_t>(i), &counts)) return;
  }
  std::cout << counts.calls << " calls, " << counts.ok << " OK, " << counts.attempts
            << " attempts, " << counts.retries << " retries, " << counts.probes << " probes, "
            << counts.hedges << " hedges, " << counts.waits << " waited\n";
  for (const auto& [reason, count] : counts.errors) std::cout << reason << " " << count << "; ";
  for (const auto& [name, count] : counts.failures) std::cout << name << " " << count << "; ";
  std::cout << "\n";
  // It is worth something only if all of it happens a lot.
  EXPECT_GT(counts.ok, counts.calls / 5);
  EXPECT_GT(counts.retries, counts.attempts / 20);
}

TEST(Simulation, TheSameSeedIsTheSameRun) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::string first = TraceOf(seed);
    EXPECT_GT(first.size(), 1'000u);
    EXPECT_EQ(first, TraceOf(seed)) << "seed " << seed;
  }
  EXPECT_NE(TraceOf(0), TraceOf(1));
}

}  // namespace
}  // namespace pingti::simulation
