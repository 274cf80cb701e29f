// Random histories on a MemoryStore beside an exact model: five million operations in all.
// RapidCheck prints its seed; RC_PARAMS="seed=... max_success=5000" runs the same ones again, and
// shrinks the one that fails, which takes minutes.
#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "tests/contract/memory_harness.h"
#include "tests/contract/trace.h"

namespace pingti::quota {
namespace {

constexpr int kOperations = 1'000;
#if defined(PINGTI_TSAN) || defined(__SANITIZE_ADDRESS__)
constexpr char kRuns[] = "max_success=200 noshrink=1";
#else
constexpr char kRuns[] = "max_success=5000 noshrink=1";
#endif

// On CI the same ones every time, so that only a change of the code can fail there.
std::string Runs() {
  return std::string(kRuns) + (std::getenv("CI") == nullptr ? "" : " seed=20240611");
}

TEST(QuotaProperty, EveryHistoryIsWithinItsBoundsAndAsTheModelSays) {
  setenv("RC_PARAMS", Runs().c_str(), 0);
  int64_t answers = 0;
  int64_t granted = 0;
  const bool holds = rc::check("a MemoryStore does what the exact model does", [&] {
    const auto history = *rc::gen::container<std::vector<uint64_t>>(
        kOperations, rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint64_t>()));
    MemoryHarness harness;
    const TraceResult result = RunTrace(harness, history, "tenant:acme");
    for (const TraceAnswer& answer : result.answers) {
      ++answers;
      if (answer.granted) ++granted;
    }
    if (!result.error.empty()) RC_FAIL(result.error);
  });
  EXPECT_TRUE(holds);
  // The histories are worth something only if both happens a lot.
  EXPECT_GT(granted, answers / 10);
  EXPECT_LT(granted, answers * 9 / 10);
}

}  // namespace
}  // namespace pingti::quota
