#include "server/app/server_app.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "server/app/configuration.h"
#include "server/app/key_use_writer.h"
#include "server/app/ledger.h"
#include "server/app/memory_use.h"
#include "server/app/stored_tenants.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/strings.h"
#include "server/rpc/server.h"
#include "server/telemetry/access_log.h"
#include "server/telemetry/metrics_server.h"
#include "server/transport/curl_transport.h"

namespace pingti::app {
namespace {

using base::Log;
using base::LogLevel;

// The memory in use and the tenants are looked at so often.
constexpr absl::Duration kInterval = absl::Milliseconds(250);

// Each call in flight may need two descriptors; the soft limit of 1,024 is soon used up.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

int FailToStart(absl::string_view why) {
  std::fprintf(stderr, "pingti-server: %.*s\n", static_cast<int>(why.size()), why.data());
  return 1;
}

void SayListening(const char* what, const std::string& address, int port) {
  const std::string host = address.substr(0, address.rfind(':'));
  std::printf("%s listening on %s:%d\n", what, host.c_str(), port);
  std::fflush(stdout);
}

// What the main thread looks after.
struct Parts {
  rpc::Server& server;
  Configuration& configuration;
  billing::LedgerClient* ledger;  // null: there is none
  StoredTenants* tenants;         // null: without a ledger
  KeyUseWriter* key_uses;         // null: without a ledger
  telemetry::ProcessStats& stats;
};

void CountTenants(const Configuration& configuration, telemetry::ProcessStats& stats) {
  const size_t configured = configuration.file().tenants.size();
  stats.tenants_configured.Set(static_cast<int64_t>(configured));
  stats.tenants_stored.Set(
      static_cast<int64_t>(configuration.config().tenants.size() - configured));
}

void TakeTenants(const Parts& parts) {
  auto news = parts.tenants->Take();
  if (!news) return;
  parts.configuration.SetStoredTenants(std::move(news->tenants), [&](const auto& runtime) {
    parts.server.Reload(runtime);
    CountTenants(parts.configuration, parts.stats);
    parts.stats.tenant_changes.Add(news->changes);
  });
}

// What has to be done now and then while calls are served.
void DoRound(const Parts& parts) {
  if (parts.tenants != nullptr) TakeTenants(parts);
  if (parts.key_uses != nullptr) {
    parts.key_uses->Round(parts.configuration.runtime(), base::SystemClock().MonotonicNow());
  }
}

void Reload(const Parts& parts) {
  parts.configuration.Reload([&](const auto& runtime) {
    if (parts.ledger != nullptr) parts.ledger->SetTerms(TermsOf(parts.configuration.file()));
    parts.server.Reload(runtime);
    CountTenants(parts.configuration, parts.stats);
  });
}

// True if a signal came within `delay`. Calls are still served meanwhile, so tenants are looked at.
bool SignalWithin(const Parts& parts, absl::Duration delay) {
  const sigset_t signals = EndSignals();
  for (; delay > absl::ZeroDuration(); delay -= kInterval) {
    const timespec time = absl::ToTimespec(std::min(delay, kInterval));
    if (sigtimedwait(&signals, nullptr, &time) > 0) return true;
    DoRound(parts);
  }
  return false;
}

// SIGTERM or SIGINT. Until one comes, SIGHUP is served, and the memory in use and the tenants of
// the database are looked at.
int WaitForEnd(const Parts& parts) {
  sigset_t signals = EndSignals();
  sigaddset(&signals, SIGHUP);
  const timespec interval = absl::ToTimespec(kInterval);
  const MemoryUse memory;
  while (true) {
    parts.stats.memory_used.Set(memory.Thousandths());
    const int signal = sigtimedwait(&signals, nullptr, &interval);
    if (signal == SIGTERM || signal == SIGINT) return signal;
    DoRound(parts);
    if (signal == SIGHUP) Reload(parts);  // else the time is over
  }
}

void Serve(const Parts& parts) {
  const int signal = WaitForEnd(parts);
  // From now on SIGHUP stays blocked: a drain has nothing to reload.
  Log(LogLevel::kInfo, "draining", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  parts.server.StopServing();
  const config::Server& config = parts.configuration.file().server;
  const bool at_once = SignalWithin(parts, config.drain_delay);
  // The ledger is stopped with the last call; few begin from now on.
  if (parts.key_uses != nullptr) parts.key_uses->Write(parts.configuration.runtime());
  parts.server.Drain(at_once ? absl::ZeroDuration() : config.drain_grace);
  Log(LogLevel::kInfo, "stopped");
}

}  // namespace

int RunServer(const Flags& flags) {
  // Before any thread starts: only the main thread takes these, by sigwait.
  sigset_t signals = EndSignals();
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();

  transport::InitialiseCurl();
  auto configuration = Configuration::Load(flags);
  if (!configuration.ok()) return FailToStart(configuration.status().message());
  const config::Config& settings = configuration->file();
  telemetry::Registry registry(settings.server.workers);
  auto access_log =
      settings.features.access_record ? std::make_unique<telemetry::AccessLog>(registry) : nullptr;
  auto metrics = telemetry::MetricsServer::Start(settings.listen.metrics, registry);
  if (!metrics.ok()) return FailToStart(metrics.status().message());
  auto ledger = StartLedger(settings, registry.ledger());
  if (!ledger.ok()) return FailToStart(ledger.status().message());
  std::unique_ptr<StoredTenants> tenants;
  if (*ledger != nullptr) {
    tenants = std::make_unique<StoredTenants>(DatabaseOf(settings.billing));
    auto news = tenants->Take();
    if (news) configuration->SetStoredTenants(std::move(news->tenants), [](const auto&) {});
  }
  CountTenants(*configuration, registry.process());
  auto server =
      rpc::Server::Start(configuration->runtime(), registry, access_log.get(), ledger->get());
  if (!server.ok()) return FailToStart(server.status().message());

  SayListening("grpc", settings.listen.grpc, (*server)->port());
  SayListening("metrics", settings.listen.metrics, (*metrics)->port());
  Log(LogLevel::kInfo, "serving",
      {{"version", PINGTI_VERSION}, {"workers", base::StrCat(settings.server.workers)}});
  std::unique_ptr<KeyUseWriter> key_uses;
  if (*ledger != nullptr) key_uses = std::make_unique<KeyUseWriter>(**ledger);
  Serve(
      {**server, *configuration, ledger->get(), tenants.get(), key_uses.get(), registry.process()});
  server->reset();
  tenants.reset();
  ledger->reset();
  metrics->reset();
  access_log.reset();
  transport::CleanUpCurl();
  return 0;
}

}  // namespace pingti::app
