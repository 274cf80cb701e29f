#include "server/rpc/server.h"

#include <chrono>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "absl/status/status.h"
#include "server/base/strings.h"
#include "server/rpc/queue_thread.h"
#include "server/rpc/reflection.h"
#include "server/rpc/worker_thread.h"

namespace pingti::rpc {
namespace {

// A reader that does not read holds its call past the grace; then it is cut off.
constexpr absl::Duration kShutdownMargin = absl::Seconds(2);

// Calls of one method and worker that wait to be accepted at the same time.
constexpr int kAcceptsPerMethod = 16;

int Millis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

void SetArguments(const config::Server& server, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(static_cast<int>(server.message_bytes_max));
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE,
                              static_cast<int>(server.metadata_bytes_max));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, server.concurrent_streams_max);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(server.keepalive_time));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(server.keepalive_timeout));
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              Millis(server.ping_interval_min));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  if (server.connection_age > absl::ZeroDuration()) {
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Millis(server.connection_age));
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                                Millis(server.connection_age_grace));
  }
  // Nobody reads what channelz would note of every call: there is no service for it.
  builder->AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // Two servers that share a port by mistake are worse than one that does not start.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  if (server.memory_quota_bytes > 0) {
    builder->SetResourceQuota(
        grpc::ResourceQuota("pingti").Resize(static_cast<size_t>(server.memory_quota_bytes)));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const std::shared_ptr<const exchange::Runtime>& runtime, telemetry::Registry& registry,
    telemetry::AccessLog* access_log, billing::LedgerClient* ledger) {
  std::unique_ptr<Server> made(new Server());
  made->ledger_ = ledger;
  const config::Config& config = runtime->config();
  grpc::EnableDefaultHealthCheckService(false);  // ours costs less, see health_call.h
  grpc::ServerBuilder builder;
  SetArguments(config.server, &builder);
  SetReflection(config.server.reflection, &builder);
  builder.AddListeningPort(config.listen.grpc, grpc::InsecureServerCredentials(), &made->port_);
  builder.RegisterService(&made->services_.completion);
  builder.RegisterService(&made->services_.models);
  builder.RegisterService(&made->services_.embedding);
  builder.RegisterService(&made->services_.accounts);
  builder.RegisterService(&made->services_.health);
  if (const auto& redis = config.quota.redis) {
    made->store_health_ = std::make_unique<quota::StoreHealth>(redis->address);
  }
  const auto learning = std::make_shared<exchange::Learning>();
  for (int i = 0; i < registry.workers(); ++i) {
    if (i % kWorkersPerQueue == 0) {
      made->queues_.push_back(std::make_unique<QueueThread>(builder.AddCompletionQueue()));
    }
    made->workers_.push_back(std::make_unique<WorkerThread>(i, runtime, registry, access_log,
                                                            made->store_health_.get(), learning,
                                                            ledger, made->queues_.back()->queue()));
  }
  made->server_ = builder.BuildAndStart();
  if (!made->server_ || made->port_ == 0) {
    if (made->server_) made->server_->Shutdown();
    made->Join();
    return absl::UnavailableError(base::StrCat("cannot listen on ", config.listen.grpc,
                                               ": is the port in use, or the address not one of "
                                               "this machine? Change listen.grpc or --grpc"));
  }
  made->StartThreads();
  made->services_.serving = true;
  return made;
}

Server::Server() = default;

Server::~Server() = default;

void Server::StartThreads() {
  for (int i = 0; i < kAcceptsPerMethod; ++i) {
    for (auto& worker : workers_) worker->WaitForCompletion(services_);
  }
  for (auto& worker : workers_) {
    worker->WaitForOthers(services_);
    worker->Start();
  }
  for (auto& queue : queues_) queue->Start();
}

void Server::Join() {
  for (auto& worker : workers_) worker->WaitForNoCalls();
  // All calls have said how they ended; what it answers goes to loops that still are there.
  if (ledger_ != nullptr) ledger_->Stop();
  for (auto& queue : queues_) queue->Join();
  for (auto& worker : workers_) worker->Join();
}

void Server::Reload(const std::shared_ptr<const exchange::Runtime>& runtime) {
  for (auto& worker : workers_) worker->SetRuntime(runtime);
}

void Server::StopServing() {
  services_.serving = false;
  for (auto& worker : workers_) worker->UpdateWatchers(false);
}

void Server::Drain(absl::Duration grace) {
  for (auto& worker : workers_) {
    worker->UpdateWatchers(true);
    worker->StopCallsAfter(grace);
  }
  server_->Shutdown(absl::ToChronoTime(base::SystemClock().Now()) +
                    absl::ToChronoMilliseconds(grace + kShutdownMargin));
  Join();
  server_.reset();
}

}  // namespace pingti::rpc
