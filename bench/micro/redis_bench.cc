// One round trip of a reservation to a Redis on the same machine: a call's tenant and key, five
// limits and two. Only where PINGTI_BENCH_REDIS names one (`unix:/path` or `host:port`), as
// bench/run sees to; what is in it is not kept.
#include <benchmark/benchmark.h>
#include <event2/event.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/event_loop.h"
#include "server/base/random.h"
#include "server/config/config.h"
#include "server/model/usage.h"
#include "server/quota/bucket_set.h"
#include "server/quota/redis_store.h"
#include "server/quota/reservation.h"
#include "server/quota/store_health.h"

namespace pingti::quota {
namespace {

constexpr absl::Duration kConnectBudget = absl::Seconds(5);

config::ClassLimits Plenty() {
  config::ClassLimits limits;
  limits.requests_per_minute = 1'000'000'000;
  limits.tokens_per_minute = kBucketLimitMax;
  limits.requests_per_day = 1'000'000'000;
  limits.tokens_per_day = kBucketLimitMax;
  limits.calls_at_once = 1'000'000;
  return limits;
}

// A worker with nothing but its store.
class Worker {
 public:
  explicit Worker(const std::string& address)
      : config_(ConfigOf(address)),
        health_(address),
        random_(base::NewSeededRandom()),
        store_(RedisStoreParts{.loop = &loop_,
                               .clock = &base::SystemClock(),
                               .random = random_.get(),
                               .config = &config_,
                               .health = &health_,
                               .stats = &stats_}) {}

  RedisStore& store() { return store_; }

  // False: it did not connect.
  bool Connect() {
    bool over = false;
    base::Timer limit(loop_, [&over] { over = true; });
    limit.Arm(kConnectBudget);
    while (!store_.in_use() && !over) event_base_loop(loop_.base(), EVLOOP_ONCE);
    return store_.in_use();
  }

  ReserveReply Reserve(const Demand& demand) {
    ReserveReply reply;
    base::Signal signal;
    store_.Reserve(demand, base::SystemClock().MonotonicNow(), &reply, &signal);
    while (reply.state == ReserveReply::State::kPending) {
      event_base_loop(loop_.base(), EVLOOP_ONCE);
    }
    return reply;
  }

  // Until all that was sent has been done.
  void Flush(const Demand& demand) {
    ReadReply reply;
    base::Signal signal;
    store_.Read(demand.all(), base::SystemClock().MonotonicNow(), &reply, &signal);
    while (!reply.ready) event_base_loop(loop_.base(), EVLOOP_ONCE);
  }

 private:
  static config::Redis ConfigOf(const std::string& address) {
    config::Redis config;
    config.address = address;
    config.timeout = absl::Seconds(1);  // a machine that is busy for a moment is no outage
    config.prefix = "bench";
    return config;
  }

  base::EventLoop loop_;
  const config::Redis config_;
  StoreHealth health_;
  const std::unique_ptr<base::Random> random_;
  telemetry::StoreStats stats_;
  RedisStore store_;
};

double Quantile(std::vector<double>* sorted, double share) {
  const double at = share * static_cast<double>(sorted->size() - 1);
  return (*sorted)[static_cast<size_t>(at)];
}

void ReserveInRedis(benchmark::State& state, const std::string& address) {
  std::signal(SIGPIPE, SIG_IGN);
  Worker worker(address);
  if (!worker.Connect()) return state.SkipWithError("it does not connect");
  BucketSet::Options options;
  options.owner = "tenant:bench";
  BucketSet tenant("tenant:bench/class:gpt-4o", Plenty(), options);
  config::ClassLimits own;
  own.requests_per_minute = 1'000'000'000;
  own.tokens_per_minute = kBucketLimitMax;
  BucketSet key("tenant:bench/key:key", own, options);
  Demand demand;
  demand.scopes = {&tenant, &key};
  demand.scope_count = 2;
  demand.tokens = 812;
  model::Usage usage;
  usage.input_tokens = 500;
  usage.source = model::UsageSource::kMeasured;
  telemetry::Counter dropped;
  const base::Clock& clock = base::SystemClock();

  std::vector<double> seconds;
  for (auto _ : state) {
    const base::Instant start = clock.MonotonicNow();
    const ReserveReply reply = worker.Reserve(demand);
    const base::Instant end = clock.MonotonicNow();
    seconds.push_back(absl::ToDoubleSeconds(end - start));
    state.SetIterationTime(seconds.back());
    if (reply.state != ReserveReply::State::kGranted || reply.granted_by != GrantedBy::kStore) {
      state.SkipWithError("Redis did not grant it");
      break;
    }
    Reservation(worker.store(), demand, reply, clock, dropped).Settle(usage, true, end);
    worker.Flush(demand);
  }
  if (seconds.empty()) return;
  std::sort(seconds.begin(), seconds.end());
  state.counters["p50_us"] = 1e6 * Quantile(&seconds, 0.5);
  state.counters["p99_us"] = 1e6 * Quantile(&seconds, 0.99);
}

[[maybe_unused]] const bool registered = [] {
  const char* address = std::getenv("PINGTI_BENCH_REDIS");
  if (address == nullptr) return false;
  benchmark::RegisterBenchmark("BM_ReserveInRedis", [address = std::string(address)](
                                                        benchmark::State& state) {
    ReserveInRedis(state, address);
  })->UseManualTime();
  return true;
}();

}  // namespace
}  // namespace pingti::quota
