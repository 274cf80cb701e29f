#include "server/app/configuration.h"

#include <string>
#include <utility>
#include <vector>

#include "server/app/server_app.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/strings.h"
#include "server/config/add_tenants.h"
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

// A budget that nobody keeps would be none.
absl::Status CheckBudgets(const config::Config& config) {
  if (config.billing.has_ledger()) return absl::OkStatus();
  for (const config::Tenant& tenant : config.tenants) {
    for (const config::KeyRecord& key : tenant.keys) {
      if (!key.budget) continue;
      return absl::InvalidArgumentError(
          base::StrCat("API key ", key.public_id, " of tenant ", tenant.name,
                       " has a budget, which takes a ledger: set --data-dir, billing.data_dir or "
                       "billing.database, or remove the budget"));
    }
  }
  return absl::OkStatus();
}

struct Made {
  absl::StatusOr<std::shared_ptr<const exchange::Runtime>> runtime;
  std::vector<std::string> notes;  // about the tenants of the database
};

Made MakeRuntime(config::Config config, std::vector<config::Tenant> stored,
                 const exchange::Runtime* previous) {
  std::vector<std::string> notes = config::AddTenants(std::move(stored), &config);
  return {exchange::Runtime::Make(std::make_shared<const config::Config>(std::move(config)),
                                  previous, base::SystemClock().MonotonicNow()),
          std::move(notes)};
}

}  // namespace

Configuration::Configuration(const Flags& flags, config::Config file,
                             std::shared_ptr<const exchange::Runtime> runtime)
    : flags_(flags), file_(std::move(file)), runtime_(std::move(runtime)) {}

absl::StatusOr<Configuration> Configuration::Load(const Flags& flags) {
  auto loaded = Read(flags);
  if (!loaded.ok()) return loaded.status();
  if (absl::Status budgets = CheckBudgets(loaded->config); !budgets.ok()) return budgets;
  for (const std::string& note : loaded->notes) Log(LogLevel::kInfo, note);
  Made made = MakeRuntime(loaded->config, {}, nullptr);
  if (!made.runtime.ok()) return made.runtime.status();
  return Configuration(flags, std::move(loaded->config), *std::move(made.runtime));
}

void Configuration::Reload(Use use) {
  auto loaded = Read(flags_);
  absl::Status status = loaded.status();
  std::vector<std::string> kept;
  std::vector<std::string> notes;
  if (status.ok()) {
    kept = config::KeepWhatTakesARestart(file_, &loaded->config);
    status = CheckBudgets(loaded->config);
  }
  if (status.ok()) {
    Made made = MakeRuntime(loaded->config, stored_, runtime_.get());
    status = made.runtime.status();
    if (status.ok()) {
      runtime_ = *std::move(made.runtime);
      file_ = std::move(loaded->config);
      notes = std::move(made.notes);
    }
  }
  if (!status.ok()) {
    Log(LogLevel::kError, "configuration not reloaded, the one before stays",
        {{"file", flags_.config}, {"errors", std::string(status.message())}});
    return;
  }
  use(runtime_);
  for (const std::string& note : loaded->notes) Log(LogLevel::kInfo, note);
  logged_.clear();
  LogOnce(notes);
  if (!kept.empty()) {
    Log(LogLevel::kWarning, "these settings have changed and take a restart",
        {{"settings", config::Enumerate(kept, " and ")}});
  }
  Log(LogLevel::kInfo, "configuration reloaded",
      {{"file", flags_.config},
       {"tenants", base::StrCat(config().tenants.size())},
       {"models", base::StrCat(config().models.size())}});
}

void Configuration::SetStoredTenants(std::vector<config::Tenant> stored, Use use) {
  stored_ = std::move(stored);
  Made made = MakeRuntime(file_, stored_, runtime_.get());
  if (!made.runtime.ok()) {
    Log(LogLevel::kError, "tenants of the database not taken over, those before stay",
        {{"cause", std::string(made.runtime.status().message())}});
    return;
  }
  runtime_ = *std::move(made.runtime);
  use(runtime_);
  LogOnce(made.notes);
}

void Configuration::LogOnce(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) {
    if (logged_.insert(note).second) Log(LogLevel::kWarning, note);
  }
}

}  // namespace pingti::app
