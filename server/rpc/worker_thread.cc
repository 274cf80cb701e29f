#include "server/rpc/worker_thread.h"

#include <pthread.h>

#include <string>
#include <utility>

#include "server/base/strings.h"
#include "server/quota/memory_store.h"
#include "server/quota/redis_store.h"
#include "server/rpc/health_call.h"
#include "server/rpc/query_call.h"
#include "server/rpc/stream_call.h"
#include "server/rpc/unary_call.h"

namespace pingti::rpc {
namespace {

transport::CurlOptions OptionsOf(const config::Config& config) {
  transport::CurlOptions options;
  options.connections_max = 0;
  for (const config::Provider& provider : config.providers) {
    if (provider.on()) options.connections_max += provider.connections_max;
  }
  return options;
}

// `redis` may be null.
std::unique_ptr<quota::QuotaStore> NewQuotaStore(const config::Redis* redis, base::EventLoop& loop,
                                                 base::Random& random, quota::StoreHealth* health,
                                                 telemetry::StoreStats& stats) {
  if (redis == nullptr) return std::make_unique<quota::MemoryStore>();
  quota::RedisStoreParts parts;
  parts.loop = &loop;
  parts.clock = &base::SystemClock();
  parts.random = &random;
  parts.config = redis;
  parts.health = health;
  parts.stats = &stats;
  return std::make_unique<quota::RedisStore>(parts,
                                             quota::RedisStoreOptions{redis->slot_lease, nullptr});
}

exchange::WorkerParts PartsOf(int index, base::EventLoop& loop, base::Random& random,
                              transport::HttpTransport& transport,
                              std::shared_ptr<const exchange::Runtime> runtime,
                              quota::QuotaStore& quota_store, telemetry::Registry& registry,
                              telemetry::AccessLog* access_log,
                              const std::shared_ptr<exchange::Learning>& learning,
                              billing::LedgerClient* ledger) {
  exchange::WorkerParts parts;
  parts.index = index;
  parts.loop = &loop;
  parts.clock = &base::SystemClock();
  parts.random = &random;
  parts.transport = &transport;
  parts.runtime = std::move(runtime);
  parts.quota_store = &quota_store;
  parts.metrics = &registry.worker(index);
  parts.memory_used = &registry.process().memory_used;
  parts.access_log = access_log;
  parts.learning = learning;
  parts.ledger = ledger;
  parts.accounts = ledger;
  return parts;
}

}  // namespace

WorkerThread::WorkerThread(int index, const std::shared_ptr<const exchange::Runtime>& runtime,
                           telemetry::Registry& registry, telemetry::AccessLog* access_log,
                           quota::StoreHealth* store_health,
                           const std::shared_ptr<exchange::Learning>& learning,
                           billing::LedgerClient* ledger, grpc::ServerCompletionQueue* queue)
    : random_(base::NewSeededRandom()),
      transport_(loop_, OptionsOf(runtime->config())),
      redis_(runtime->config().quota.redis),
      quota_store_(NewQuotaStore(redis_ ? &*redis_ : nullptr, loop_, *random_, store_health,
                                 registry.worker(index).worker().store)),
      worker_(PartsOf(index, loop_, *random_, transport_, runtime, *quota_store_, registry,
                      access_log, learning, ledger)),
      queue_(queue) {}

WorkerThread::~WorkerThread() = default;

Listener WorkerThread::MakeListener(Services& services) {
  return {&services, queue_, &worker_, &watchers_, &live_calls_};
}

void WorkerThread::WaitForCompletion(Services& services) {
  const Listener listener = MakeListener(services);
  UnaryCall::Wait(listener);
  StreamCall::Wait(listener);
}

void WorkerThread::WaitForOthers(Services& services) {
  const Listener listener = MakeListener(services);
  for (int query = 0; query < kQueryCount; ++query) QueryCall::Wait(listener, query);
  HealthCheckCall::Wait(listener);
  HealthWatchCall::Wait(listener);
}

void WorkerThread::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "loop");
    loop_.Run();
  });
}

void WorkerThread::SetRuntime(std::shared_ptr<const exchange::Runtime> runtime) {
  loop_.PostFunction(
      [this, runtime = std::move(runtime)]() mutable { worker_.SetRuntime(std::move(runtime)); });
}

void WorkerThread::UpdateWatchers(bool last) {
  loop_.PostFunction([this, last] {
    // Ending a call takes it out of the set.
    const std::set<HealthWatchCall*> watchers = watchers_;
    for (HealthWatchCall* watcher : watchers) watcher->Update(last);
  });
}

void WorkerThread::StopCallsAfter(absl::Duration delay) {
  loop_.PostFunction([this, delay] {
    stop_timer_ = std::make_unique<base::Timer>(loop_, [this] { worker_.StopAll(); });
    stop_timer_->Arm(delay);
  });
}

void WorkerThread::Join() {
  if (!thread_.joinable()) return;
  loop_.PostFunction([this] {
    worker_.StopAll();  // those that have answered and only wait for their provider's connection
    stop_timer_.reset();
  });
  loop_.Stop();
  thread_.join();
}

}  // namespace pingti::rpc
