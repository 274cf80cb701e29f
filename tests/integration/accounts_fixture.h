// A server with accounts, two tenants and an administrator; its ledger is in SQLite.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/integration/world.h"

namespace pingti::integration {

inline constexpr int64_t kUnit = 1'000'000'000;

class AccountsTest : public testing::Test {
 protected:
  explicit AccountsTest(bool has_ledger = true)
      : server_("providers: [{name: simulated, dialect: openai, no_key: true, base_url: \"" +
                provider_.base_url() + "\"}]\n" + "billing: {" +
                (has_ledger ? "data_dir: \"" + testing::TempDir() + "ledger-" + key_.key + "\", "
                            : "") +
                R"(plan: {newcomer_bonus: 100, bonus_percent: 50}}
models:
  - name: large
    provider: simulated
    context_tokens: 100000
    prices:
      - {since: 2023-01-01, currency: CNY, input: 24, output: 24}
      - {since: 2024-06-01, currency: CNY, input: 20, output: 20, source: a page,
         source_date: 2024-05-30, verified: true}
  - {name: middle, provider: simulated, context_tokens: 100000}
  - {name: middle/2, provider: simulated, context_tokens: 100000}
tiers:
  - {name: Roomy, other_classes: {requests_per_minute: 10000000, tokens_per_minute: 1000000000}}
tenants:
  - {name: acme, tier: Roomy, keys: [{record: ")" +
                key_.record + R"("}]}
  - {name: duck, tier: Roomy}
admin_keys: [{name: finance, record: ")" +
                admin_key_.record + "\"}]\n") {}

  void TearDown() override {
    EXPECT_EQ(server_.Scrape().Sum("pingti_bugs_total"), 0);
    server_.StopCleanly();
  }

  client::Client Tenant() const { return server_.Client(key_.key); }
  client::Client Admin() const { return server_.Client(admin_key_.key); }

  static v1::TopUpRequest Payment(const std::string& reference, int64_t units,
                                  const std::string& tenant = "acme") {
    v1::TopUpRequest request;
    request.set_tenant(tenant);
    request.mutable_amount()->set_currency("CNY");
    request.mutable_amount()->set_nano_units(units * kUnit);
    request.set_reference(reference);
    return request;
  }

  v1::Balance BalanceOf(const std::string& tenant) const {
    v1::GetBalanceRequest request;
    request.set_tenant(tenant);
    const auto balance = Admin().GetBalance(request);
    EXPECT_TRUE(balance.ok()) << balance.error().message;
    return balance.ok() ? balance->balance() : v1::Balance();
  }

  CommandEnd Pingti(std::vector<std::string> arguments) const {
    return RunCommand(server_, std::move(arguments),
                      {{"PINGTI_API_KEY", key_.key}, {"PINGTI_ADMIN_KEY", admin_key_.key}});
  }

  Provider provider_;
  const ApiKey key_ = MakeApiKey();
  const ApiKey admin_key_ = MakeApiKey();
  Server server_;
};

class NoLedgerTest : public AccountsTest {
 protected:
  NoLedgerTest() : AccountsTest(/*has_ledger=*/false) {}
};

}  // namespace pingti::integration
