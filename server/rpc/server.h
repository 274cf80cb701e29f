// The gRPC listener, its completion queues and its workers: each queue and each worker has a
// thread.
//
// Start(), Reload() and Drain() are for the thread that owns the server; everything else happens on
// the workers' and the queues' threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/server.h>

#include "absl/status/statusor.h"
#include "server/billing/ledger_client.h"
#include "server/exchange/runtime.h"
#include "server/quota/store_health.h"
#include "server/rpc/service.h"
#include "server/telemetry/access_log.h"
#include "server/telemetry/registry.h"

namespace pingti::rpc {

class QueueThread;
class WorkerThread;

class Server {
 public:
  // `registry`, `access_log` and `ledger` (which may both be null) outlive the server; `registry`
  // has one entry per worker. Drain() stops `ledger`. UNAVAILABLE, naming the address, where it
  // cannot be had.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const std::shared_ptr<const exchange::Runtime>& runtime, telemetry::Registry& registry,
      telemetry::AccessLog* access_log, billing::LedgerClient* ledger);
  // REQUIRES: Drain() was called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const { return port_; }

  // Calls that arrive from now on see `runtime`; those that run keep what they began with. What the
  // listener and the workers were made with at the start stays as it is.
  void Reload(const std::shared_ptr<const exchange::Runtime>& runtime);

  // From now on the health service says NOT_SERVING; calls are still taken.
  void StopServing();

  // Takes no more calls, lets those that run finish within `grace`, ends the rest with DRAINING,
  // and stops the workers. Blocks.
  void Drain(absl::Duration grace);

 private:
  Server();

  void StartThreads();
  // After the listener has shut down, or where it never ran.
  void Join();

  Services services_;
  billing::LedgerClient* ledger_ = nullptr;
  std::unique_ptr<quota::StoreHealth> store_health_;  // null: replicas share no store
  std::vector<std::unique_ptr<QueueThread>> queues_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace pingti::rpc
