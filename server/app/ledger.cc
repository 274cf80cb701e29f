#include "server/app/ledger.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/money.h"
#include "server/base/random.h"
#include "server/base/request_id.h"
#include "server/base/strings.h"

namespace pingti::app {
namespace {

constexpr char kLedgerFile[] = "/ledger.db";

// Only for us: what tenants spend is nobody else's business.
absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return absl::FailedPreconditionError(base::StrCat("cannot make the folder ", path,
                                                    " for the ledger: ", std::strerror(errno),
                                                    "; change billing.data_dir or --data-dir"));
}

}  // namespace

billing::LedgerClient::Terms TermsOf(const config::Config& config) {
  const config::Billing& billing = config.billing;
  billing::LedgerClient::Terms terms;
  terms.plan.newcomer_bonus = billing.plan.newcomer_bonus;
  terms.plan.bonus_percent = billing.plan.bonus_percent;
  if (billing.plan.bonus_lifetime > absl::ZeroDuration()) {
    terms.plan.bonus_lifetime = billing.plan.bonus_lifetime;
  }
  terms.low_balance = billing.low_balance;
  terms.dead_after = billing.dead_after;
  for (const config::Tenant& tenant : config.tenants) terms.tenants.push_back(tenant.name);
  return terms;
}

absl::StatusOr<std::unique_ptr<billing::LedgerClient>> StartLedger(const config::Config& config,
                                                                   telemetry::LedgerStats& stats) {
  const config::Billing& billing = config.billing;
  if (!billing.has_ledger()) {
    base::Log(base::LogLevel::kInfo,
              "no ledger: nobody is charged (set --data-dir, billing.data_dir or "
              "billing.database)");
    return nullptr;
  }
  billing::LedgerClient::Options options;
  if (billing.database.empty()) {
    absl::Status made = MakeFolder(billing.data_dir);
    if (!made.ok()) return made;
    options.database.engine = storage::Engine::kSqlite;
    options.database.path = billing.data_dir + kLedgerFile;
  } else {
    options.database.engine = storage::Engine::kPostgres;
    options.database.connection = std::string(billing.database.Reveal());
  }
  const storage::Engine engine = options.database.engine;
  options.currency = std::string(base::CurrencyCode(billing.currency));
  options.owner = base::NewRequestId(base::SystemClock().Now(), *base::NewSeededRandom());
  options.stats = &stats;
  auto client = billing::LedgerClient::Start(std::move(options), TermsOf(config));
  if (!client.ok()) {
    return absl::Status(
        client.status().code(),
        base::StrCat("the ledger in ",
                     engine == storage::Engine::kSqlite ? billing.data_dir + kLedgerFile
                                                        : std::string("billing.database"),
                     " cannot be used: ", client.status().message()));
  }
  base::Log(base::LogLevel::kInfo, "ledger",
            {{"engine", storage::EngineName(engine)},
             {"currency", base::CurrencyCode(billing.currency)}});
  return client;
}

}  // namespace pingti::app
