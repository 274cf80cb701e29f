#include "server/app/configuration.h"

#include <string>
#include <utility>
#include <vector>

#include "server/app/server_app.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/strings.h"
#include "server/config/diagnostics.h"
#include "server/config/load.h"
#include "server/config/reload.h"

namespace pingti::app {
namespace {

using base::Log;
using base::LogLevel;

absl::StatusOr<config::LoadResult> Read(const Flags& flags) {
  auto loaded = config::Load(flags.config, config::ProcessEnvironment());
  if (!loaded.ok()) return loaded.status();
  config::Config& config = loaded->config;
  if (flags.grpc) config.listen.grpc = *flags.grpc;
  if (flags.metrics) config.listen.metrics = *flags.metrics;
  if (flags.data_dir) {
    config.billing.data_dir = *flags.data_dir;
    config.billing.database = {};
  }
  if (config.server.workers == 0) config.server.workers = GrantedCpus();
  return loaded;
}

absl::StatusOr<std::shared_ptr<const exchange::Runtime>> MakeRuntime(
    config::Config config, const exchange::Runtime* previous) {
  return exchange::Runtime::Make(std::make_shared<const config::Config>(std::move(config)),
                                 previous, base::SystemClock().MonotonicNow());
}

}  // namespace

Configuration::Configuration(const Flags& flags, std::shared_ptr<const exchange::Runtime> runtime)
    : flags_(flags), runtime_(std::move(runtime)) {}

absl::StatusOr<Configuration> Configuration::Load(const Flags& flags) {
  auto loaded = Read(flags);
  if (!loaded.ok()) return loaded.status();
  for (const std::string& note : loaded->notes) Log(LogLevel::kInfo, note);
  auto runtime = MakeRuntime(std::move(loaded->config), nullptr);
  if (!runtime.ok()) return runtime.status();
  return Configuration(flags, *std::move(runtime));
}

void Configuration::Reload(
    absl::FunctionRef<void(const std::shared_ptr<const exchange::Runtime>&)> use) {
  auto loaded = Read(flags_);
  absl::Status status = loaded.status();
  std::vector<std::string> kept;
  if (status.ok()) {
    kept = config::KeepWhatTakesARestart(config(), &loaded->config);
    auto runtime = MakeRuntime(std::move(loaded->config), runtime_.get());
    status = runtime.status();
    if (status.ok()) runtime_ = *std::move(runtime);
  }
  if (!status.ok()) {
    Log(LogLevel::kError, "configuration not reloaded, the one before stays",
        {{"file", flags_.config}, {"errors", std::string(status.message())}});
    return;
  }
  use(runtime_);
  for (const std::string& note : loaded->notes) Log(LogLevel::kInfo, note);
  if (!kept.empty()) {
    Log(LogLevel::kWarning, "these settings have changed and take a restart",
        {{"settings", config::Enumerate(kept, " and ")}});
  }
  Log(LogLevel::kInfo, "configuration reloaded",
      {{"file", flags_.config},
       {"tenants", base::StrCat(config().tenants.size())},
       {"models", base::StrCat(config().models.size())}});
}

}  // namespace pingti::app
