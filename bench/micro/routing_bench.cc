// What routing adds to a call: its options, the choice of a target and key, what is noted of the
// attempt, and after a failure the verdict, the pause and the next choice.
//
// Three targets at a provider each, with two keys; what is known of them changes as in a server.
#include <absl/container/inlined_vector.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/micro/allocations.h"
#include "server/base/clock.h"
#include "server/base/random.h"
#include "server/base/strings.h"
#include "server/config/config.h"
#include "server/routing/backoff.h"
#include "server/routing/choose.h"
#include "server/routing/failure_table.h"
#include "server/routing/health.h"

namespace pingti::routing {
namespace {

constexpr size_t kTargets = 3;
constexpr size_t kKeys = 2;
using Options = absl::InlinedVector<TargetOption, 2>;  // as exchange::Call has them

struct KnownTarget {
  std::shared_ptr<ProviderHealth> provider;
  std::array<std::shared_ptr<KeyHealth>, kKeys> keys;
  std::array<std::shared_ptr<TargetHealth>, kKeys> targets;
  std::vector<KeyOption> options;
};

// A route, as a worker has looked it up for its tenant.
class KnownRoute {
 public:
  KnownRoute() {
    for (size_t t = 0; t < kTargets; ++t) {
      KnownTarget& target = targets_.emplace_back();
      const std::string provider = base::StrCat("provider", t);
      target.provider = book_.Provider(provider);
      for (size_t k = 0; k < kKeys; ++k) {
        const std::string key = base::StrCat("key", k);
        target.keys[k] = book_.Key(provider, key);
        target.targets[k] = book_.Target(provider, key, "model", BreakerOptionsOf(routing_));
        target.options.push_back({target.keys[k].get(), target.targets[k].get(), 1});
      }
    }
  }

  const config::Routing& routing() const { return routing_; }

  // What each call begins with.
  void BuildOptions(Options* options) const {
    for (const KnownTarget& target : targets_) {
      TargetOption& option = options->emplace_back();
      option.provider = target.provider.get();
      option.keys = target.options;
    }
  }
  Place PlaceOf(const Choice& choice) const {
    const KnownTarget& target = targets_[choice.target];
    return {target.provider.get(), target.keys[choice.key].get(), target.targets[choice.key].get()};
  }

 private:
  const config::Routing routing_;
  HealthBook book_;
  std::vector<KnownTarget> targets_;
};

Choice MustChoose(const Options& options, base::Instant now, base::Random& random) {
  const std::optional<Choice> choice = Choose(options, now, random);
  if (!choice) std::abort();
  return *choice;
}

void ShowAllocations(benchmark::State& state, int64_t before) {
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(bench::AllocationsOfThisThread() - before),
                         benchmark::Counter::kAvgIterations);
}

void BM_RouteCall(benchmark::State& state) {
  const KnownRoute route;
  const base::Clock& clock = base::SystemClock();
  const std::unique_ptr<base::Random> random = base::NewSeededRandom();
  const int64_t allocations = bench::AllocationsOfThisThread();
  for (auto _ : state) {
    Options options;
    route.BuildOptions(&options);
    const base::Instant begin = clock.MonotonicNow();
    const Place place = route.PlaceOf(MustChoose(options, begin, *random));
    place.provider->budget.OnCall(begin);
    const bool probe = NoteStart(place, begin);
    const base::Instant end = clock.MonotonicNow();
    benchmark::DoNotOptimize(NoteSuccess(place, probe, /*stream=*/true, end - begin, end));
    NoteEnd(place);
  }
  ShowAllocations(state, allocations);
}
BENCHMARK(BM_RouteCall);

// The first attempt fails, the second one serves. "Busy" opens no breaker, so all targets stay.
void BM_RouteCallWithFailover(benchmark::State& state) {
  const KnownRoute route;
  const base::Clock& clock = base::SystemClock();
  const std::unique_ptr<base::Random> random = base::NewSeededRandom();
  const model::Failure failure =
      model::LocalFailure(model::FailureClass::kOverloaded, "it is overloaded");
  const int64_t allocations = bench::AllocationsOfThisThread();
  for (auto _ : state) {
    Options options;
    route.BuildOptions(&options);
    base::Instant now = clock.MonotonicNow();
    const Choice first = MustChoose(options, now, *random);
    const Place failed = route.PlaceOf(first);
    failed.provider->budget.OnCall(now);
    const bool failed_probe = NoteStart(failed, now);
    now = clock.MonotonicNow();
    NoteEnd(failed);
    benchmark::DoNotOptimize(NoteFailure(failed, failed_probe, failure, route.routing(), now));
    const Verdict verdict = VerdictOf(failure.failure_class);
    if (verdict.next == Next::kGiveUp) std::abort();
    options[first.target].excluded = true;
    benchmark::DoNotOptimize(Backoff(0, failure.retry_after, *random));

    const Place place = route.PlaceOf(MustChoose(options, now, *random));
    if (place.provider == failed.provider) std::abort();
    place.provider->budget.OnCall(now);
    const bool probe = NoteStart(place, now);
    const base::Instant end = clock.MonotonicNow();
    benchmark::DoNotOptimize(NoteSuccess(place, probe, /*stream=*/true, end - now, end));
    NoteEnd(place);
  }
  ShowAllocations(state, allocations);
}
BENCHMARK(BM_RouteCallWithFailover);

// The table alone, over all classes.
void BM_Verdict(benchmark::State& state) {
  int next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(VerdictOf(static_cast<model::FailureClass>(next)));
    next = next + 1 == model::kFailureClassCount ? 0 : next + 1;
  }
}
BENCHMARK(BM_Verdict);

}  // namespace
}  // namespace pingti::routing
