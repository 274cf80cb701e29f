#include "tests/integration/ledger_world.h"

#include <gtest/gtest.h>

#include <utility>

namespace pingti::integration {
namespace {

constexpr int kTransfersMax = 1'000'000;

// $NAME$ is filled in.
constexpr char kConfig[] = R"(
server: {workers: 2}
billing: {currency: CNY, plan: $PLAN$, dead_after: 2s, $WHERE$}
providers:
  - {name: alpha, dialect: openai, base_url: "$URL$", no_key: true}
models:
  - name: chat
    provider: alpha
    context_tokens: 100000
    prices: [{since: 2024-06-01, currency: CNY, input: 20, output: 20}]
tiers:
  - {name: Roomy, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
tenants: [{name: acme, tier: Roomy, keys: [{record: "$RECORD$"}]}]
)";

void Fill(std::string* text, const std::string& name, const std::string& value) {
  text->replace(text->find(name), name.size(), value);
}

}  // namespace

LedgerWorld::LedgerWorld(storage::Engine engine, const std::string& plan)
    : engine_(engine), plan_(plan) {
  if (engine == storage::Engine::kPostgres) {
    postgres_ = std::make_unique<testing_postgres::PostgresServer>();
  }
}

std::unique_ptr<Server> LedgerWorld::Start(const Process::Environment& environment) const {
  std::string config = kConfig;
  Fill(&config, "$PLAN$", plan_);
  Fill(&config, "$WHERE$",
       postgres_ ? "database: \"" + postgres_->connection() + "\""
                 : "data_dir: \"" + folder_.path() + "\"");
  Fill(&config, "$URL$", provider_.base_url());
  Fill(&config, "$RECORD$", key_.record);
  return std::make_unique<Server>(config, environment);
}

storage::DatabaseOptions LedgerWorld::options() const {
  if (postgres_) {
    return {.engine = engine_, .path = "", .connection = postgres_->connection()};
  }
  return {.engine = engine_, .path = folder_.path() + "/ledger.db", .connection = ""};
}

void LedgerWorld::Do(const std::function<void(billing::Ledger&)>& work) const {
  auto database = storage::Database::Open(options());
  ASSERT_TRUE(database.ok()) << database.status();
  const absl::Status status = (*database)->Transact([&] { work(billing::Ledger::Of(**database)); });
  EXPECT_TRUE(status.ok()) << status;
}

std::map<std::string, int64_t> LedgerWorld::Charges() const {
  std::map<std::string, int64_t> charges;
  Do([&](billing::Ledger& ledger) {
    for (const billing::Transfer& transfer :
         ledger.ListTransfers({.tenant = "", .kind = "charge", .limit = kTransfersMax})) {
      charges[transfer.request_id] += transfer.nano;
    }
  });
  return charges;
}

void LedgerWorld::ExpectSound() const {
  Do([&](billing::Ledger& ledger) {
    const billing::VerifyReply reply = ledger.Verify();
    for (const billing::Finding& finding : reply.findings) {
      ADD_FAILURE() << finding.tenant << ": " << finding.what;
    }
    EXPECT_GT(reply.transfers, 0);
    EXPECT_EQ(ledger.OpenHolds().first, 0);
  });
}

}  // namespace pingti::integration
