// The quota decision of a call over all its scopes: reserve and settle on a tenant's set with five
// limits and its key's set, alone, against another thread, and of many tenants in turn.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "bench/micro/allocations.h"
#include "server/base/clock.h"
#include "server/base/strings.h"
#include "server/config/config.h"
#include "server/model/completion.h"
#include "server/model/usage.h"
#include "server/quota/estimator.h"
#include "server/quota/memory_store.h"
#include "server/quota/quota_book.h"
#include "server/quota/reservation.h"

namespace pingti::quota {
namespace {

// Far above what a benchmark takes: 1e9 requests a minute are one per 60 ns.
config::ClassLimits AllFive() {
  config::ClassLimits limits;
  limits.requests_per_minute = 1'000'000'000;
  limits.tokens_per_minute = kBucketLimitMax;
  limits.requests_per_day = 1'000'000'000;
  limits.tokens_per_day = kBucketLimitMax;
  limits.calls_at_once = 1'000'000;
  return limits;
}

config::Config Tenants(int count) {
  config::Config config;
  config::Model& model = config.models.emplace_back();
  model.name = model.model_class = "gpt-4o";
  config::Tier& tier = config.tiers.emplace_back();
  tier.name = "Tier3";
  tier.other_classes = AllFive();
  for (int i = 0; i < count; ++i) {
    config::Tenant& tenant = config.tenants.emplace_back();
    tenant.name = base::StrCat("tenant", i);
    tenant.tier = tier.name;
    config::KeyRecord& key = tenant.keys.emplace_back();
    key.public_id = "key";
    key.limits.requests_per_minute = 1'000'000'000;
    key.limits.tokens_per_minute = kBucketLimitMax;
  }
  return config;
}

model::Usage Typical() {
  model::Usage usage;
  usage.input_tokens = 300;
  usage.output_tokens = 200;
  usage.source = model::UsageSource::kMeasured;
  return usage;
}

// Finds the sets, reserves on both, settles. The tenants come in an order without a pattern.
void Decide(benchmark::State& state, const QuotaBook& book, uint64_t tenants) {
  const base::Clock& clock = base::SystemClock();
  const model::Usage usage = Typical();
  const std::string model_class = "gpt-4o";
  MemoryStore store;
  telemetry::Counter dropped;
  base::Signal signal;
  uint64_t random = 88'172'645'463'325'252 + static_cast<uint64_t>(state.thread_index());
  const int64_t allocations = bench::AllocationsOfThisThread();
  for (auto _ : state) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    const size_t tenant = random % tenants;
    const base::Instant now = clock.MonotonicNow();
    Demand demand;
    demand.scopes = {book.Find(tenant, model_class), book.FindKey(tenant, "key")};
    demand.scope_count = 2;
    demand.tokens = 812;
    ReserveReply reply;
    store.Reserve(demand, now, &reply, &signal);
    if (reply.state != ReserveReply::State::kGranted) continue;
    Reservation reservation(store, demand, reply, clock, dropped);
    reservation.Settle(usage, true, now);
    benchmark::DoNotOptimize(reply);
  }
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(bench::AllocationsOfThisThread() - allocations),
                         benchmark::Counter::kAvgIterations);
}

void BM_ReserveAndSettle(benchmark::State& state) {
  static const QuotaBook* const book =
      new QuotaBook(Tenants(1), nullptr, base::SystemClock().MonotonicNow());
  Decide(state, *book, 1);
}
BENCHMARK(BM_ReserveAndSettle)->Threads(1)->Threads(2);

void BM_ReserveAndSettleOfTenants(benchmark::State& state) {
  const int tenants = static_cast<int>(state.range(0));
  const QuotaBook book(Tenants(tenants), nullptr, base::SystemClock().MonotonicNow());
  Decide(state, book, static_cast<uint64_t>(tenants));
}
BENCHMARK(BM_ReserveAndSettleOfTenants)->Arg(10)->Arg(10'000);

void BM_Refuse(benchmark::State& state) {
  config::ClassLimits limits = AllFive();
  limits.tokens_per_minute = 1'000;
  BucketSet tenant("tenant:bench/class:bench", AllFive());
  BucketSet key("tenant:bench/key:bench", limits);
  const base::Instant now = base::SystemClock().MonotonicNow();
  MemoryStore store;
  base::Signal signal;
  Demand demand;
  demand.scopes = {&tenant, &key};
  demand.scope_count = 2;
  demand.tokens = 812;
  ReserveReply first;
  store.Reserve(demand, now, &first, &signal);
  if (first.state != ReserveReply::State::kGranted) std::abort();
  for (auto _ : state) {
    ReserveReply reply;
    store.Reserve(demand, now, &reply, &signal);
    if (reply.state != ReserveReply::State::kRefused) std::abort();
    benchmark::DoNotOptimize(reply);
  }
}
BENCHMARK(BM_Refuse);

void BM_EstimateRequest(benchmark::State& state) {
  model::CompletionRequest request;
  model::Message message;
  message.role = model::Role::kUser;
  std::string prompt;
  while (prompt.size() < static_cast<size_t>(state.range(0))) prompt += "What does it cost? ";
  message.parts.emplace_back(model::Text{prompt});
  request.messages.push_back(message);
  const EstimateContext context;
  for (auto _ : state) benchmark::DoNotOptimize(EstimateRequest(request, context));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_EstimateRequest)->Arg(1024)->Arg(65536);

}  // namespace
}  // namespace pingti::quota
