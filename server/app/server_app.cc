#include "server/app/server_app.h"

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "server/app/configuration.h"
#include "server/app/ledger.h"
#include "server/app/memory_use.h"
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

// The memory in use is looked at so often.
constexpr absl::Duration kMemoryInterval = absl::Milliseconds(250);

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

// True if a signal came within `delay`.
bool SignalWithin(const sigset_t& signals, absl::Duration delay) {
  const timespec time = absl::ToTimespec(delay);
  return sigtimedwait(&signals, nullptr, &time) > 0;
}

// SIGTERM or SIGINT. Until one comes, SIGHUP is served and the memory in use is looked at.
int WaitForEnd(rpc::Server& server, Configuration& configuration, billing::LedgerClient* ledger,
               telemetry::Gauge& memory_used) {
  sigset_t signals = EndSignals();
  sigaddset(&signals, SIGHUP);
  const timespec interval = absl::ToTimespec(kMemoryInterval);
  const MemoryUse memory;
  while (true) {
    memory_used.Set(memory.Thousandths());
    const int signal = sigtimedwait(&signals, nullptr, &interval);
    if (signal == SIGTERM || signal == SIGINT) return signal;
    if (signal != SIGHUP) continue;  // the time is over
    configuration.Reload([&](const auto& runtime) {
      if (ledger != nullptr) ledger->SetTerms(TermsOf(runtime->config()));
      server.Reload(runtime);
    });
  }
}

void Serve(rpc::Server& server, Configuration& configuration, billing::LedgerClient* ledger,
           telemetry::Gauge& memory_used) {
  const int signal = WaitForEnd(server, configuration, ledger, memory_used);
  // From now on SIGHUP stays blocked: a drain has nothing to reload.
  Log(LogLevel::kInfo, "draining", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  server.StopServing();
  const config::Server& config = configuration.config().server;
  bool at_once =
      config.drain_delay > absl::ZeroDuration() && SignalWithin(EndSignals(), config.drain_delay);
  server.Drain(at_once ? absl::ZeroDuration() : config.drain_grace);
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
  const config::Config& settings = configuration->config();
  telemetry::Registry registry(settings.server.workers);
  auto access_log =
      settings.features.access_record ? std::make_unique<telemetry::AccessLog>(registry) : nullptr;
  auto metrics = telemetry::MetricsServer::Start(settings.listen.metrics, registry);
  if (!metrics.ok()) return FailToStart(metrics.status().message());
  auto ledger = StartLedger(settings, registry.ledger());
  if (!ledger.ok()) return FailToStart(ledger.status().message());
  auto server =
      rpc::Server::Start(configuration->runtime(), registry, access_log.get(), ledger->get());
  if (!server.ok()) return FailToStart(server.status().message());

  SayListening("grpc", settings.listen.grpc, (*server)->port());
  SayListening("metrics", settings.listen.metrics, (*metrics)->port());
  Log(LogLevel::kInfo, "serving",
      {{"version", PINGTI_VERSION}, {"workers", base::StrCat(settings.server.workers)}});
  Serve(**server, *configuration, ledger->get(), registry.process().memory_used);
  server->reset();
  ledger->reset();
  metrics->reset();
  access_log.reset();
  transport::CleanUpCurl();
  return 0;
}

}  // namespace pingti::app
