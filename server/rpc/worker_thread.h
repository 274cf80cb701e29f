// A worker: its loop thread and everything that lives on it. Its calls arrive by a completion queue
// that it shares with other workers.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <thread>

#include <grpcpp/completion_queue.h>

#include "server/base/event_loop.h"
#include "server/base/random.h"
#include "server/exchange/worker.h"
#include "server/quota/store.h"
#include "server/quota/store_health.h"
#include "server/rpc/completion_call.h"
#include "server/rpc/live_calls.h"
#include "server/transport/curl_transport.h"

namespace pingti::rpc {

class WorkerThread {
 public:
  // `registry`, `access_log` and `ledger` (which may both be null), `store_health` (of the store
  // that replicas share; null: there is none) and `queue` outlive this.
  WorkerThread(int index, const std::shared_ptr<const exchange::Runtime>& runtime,
               telemetry::Registry& registry, telemetry::AccessLog* access_log,
               quota::StoreHealth* store_health,
               const std::shared_ptr<exchange::Learning>& learning, billing::LedgerClient* ledger,
               grpc::ServerCompletionQueue* queue);
  // REQUIRES: Join() was called, if Start() was.
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  // After the server has started: one more call of each of the completion's methods may come in at
  // the same time. Called in turn for the workers of a queue, which then get the calls in turn.
  void WaitForCompletion(Services& services);
  // The same for each of the other methods.
  void WaitForOthers(Services& services);
  void Start();

  // Calls that arrive from now on see `runtime`. Any thread.
  void SetRuntime(std::shared_ptr<const exchange::Runtime> runtime);

  // The health service's state has changed: tell those who watch it, and end their calls if `last`.
  // Any thread.
  void UpdateWatchers(bool last);

  // Ends every call with DRAINING, after `delay`. Any thread.
  void StopCallsAfter(absl::Duration delay);

  // After the server has shut down: blocks until no call exists. Then the queue can be shut down.
  void WaitForNoCalls() const { live_calls_.WaitForNone(); }

  // After the queue was emptied: ends the thread, if it was started. Blocks.
  void Join();

 private:
  Listener MakeListener(Services& services);

  base::EventLoop loop_;
  const std::unique_ptr<base::Random> random_;
  transport::CurlTransport transport_;
  const std::optional<config::Redis> redis_;  // as at the start
  const std::unique_ptr<quota::QuotaStore> quota_store_;
  exchange::Worker worker_;
  std::unique_ptr<base::Timer> stop_timer_;  // loop thread
  std::set<HealthWatchCall*> watchers_;      // loop thread; bounded by kWatchersMax
  LiveCalls live_calls_;
  grpc::ServerCompletionQueue* const queue_;
  std::thread thread_;
};

}  // namespace pingti::rpc
