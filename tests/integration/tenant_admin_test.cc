// Tenants and keys by an administrator, on the real server with its ledger in SQLite: the library
// and the commands.
#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/integration/world.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kUnit = 1'000'000'000;

class TenantAdminTest : public testing::Test {
 protected:
  TenantAdminTest()
      : server_("providers: [{name: simulated, dialect: openai, no_key: true, base_url: \"" +
                provider_.base_url() + "\"}]\n" + "billing: {data_dir: \"" + testing::TempDir() +
                "ledger-" + key_.key + R"(",
  plan: {newcomer_bonus: 100, tier_on_top_up: Tier3}}
models:
  - name: chat
    provider: simulated
    context_tokens: 100000
    prices: [{since: 2024-06-01, currency: CNY, input: 20, output: 20, verified: true}]
  - {name: other, provider: simulated, context_tokens: 100000}
tiers:
  - {name: Free, other_classes: {requests_per_minute: 1000000, tokens_per_minute: 100000000}}
  - {name: Tier3, other_classes: {requests_per_minute: 1000000, tokens_per_minute: 100000000}}
tenants: [{name: filed, tier: Free, identities: [filed.company], keys: [{record: ")" +
                key_.record + R"("}]}]
admin_keys: [{name: finance, record: ")" +
                admin_key_.record + "\"}]\n") {}

  void TearDown() override {
    EXPECT_EQ(server_.Scrape().Sum("pingti_bugs_total"), 0);
    const auto verified = Admin().VerifyLedger();
    ASSERT_TRUE(verified.ok());
    EXPECT_EQ(verified->findings_size(), 0);
    server_.StopCleanly();
  }

  client::Client Admin() const { return server_.Client(admin_key_.key); }

  // What the end of a request says: empty, or the reason.
  template <typename T>
  static std::string Told(const client::Result<T>& result) {
    return result.ok() ? "" : result.error().reason;
  }
  std::string Called(const std::string& key, const std::string& model = "chat") const {
    return Told(server_.Client(key).Generate(Ask("Hello", model)));
  }
  bool SoonCalled(const std::string& key, const std::string& reason) const {
    return Eventually([&] { return Called(key) == reason; });
  }

  v1::Tenant Create(const std::string& tenant) const {
    v1::CreateTenantRequest request;
    request.set_tenant(tenant);
    request.set_tier("Free");
    const auto made = Admin().CreateTenant(request);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return made.ok() ? made->tenant() : v1::Tenant();
  }
  v1::CreateKeyResponse CreateKey(const std::string& tenant) const {
    v1::CreateKeyRequest request;
    request.set_tenant(tenant);
    request.set_name("batch");
    const auto made = Admin().CreateKey(request);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return made.ok() ? *made : v1::CreateKeyResponse();
  }
  template <typename Request>
  static Request Of(const std::string& tenant) {
    Request request;
    request.set_tenant(tenant);
    return request;
  }

  CommandEnd Pingti(std::vector<std::string> arguments) const {
    return RunCommand(server_, std::move(arguments),
                      {{"PINGTI_API_KEY", key_.key}, {"PINGTI_ADMIN_KEY", admin_key_.key}});
  }
  // Its output without the newline at its end.
  std::string Run(std::vector<std::string> arguments) {
    CommandEnd ended = Pingti(std::move(arguments));
    EXPECT_EQ(ended.code, 0) << ended.errors;
    if (ended.output.ends_with('\n')) ended.output.pop_back();
    return ended.output;
  }

  Provider provider_;
  const ApiKey key_ = MakeApiKey();
  const ApiKey admin_key_ = MakeApiKey();
  Server server_;
};

TEST_F(TenantAdminTest, ATenantIsMadeServedAndDeleted) {
  const v1::Tenant tenant = Create("acme");
  EXPECT_EQ(tenant.name(), "acme");
  EXPECT_EQ(tenant.tier(), "Free");
  EXPECT_EQ(tenant.state(), v1::TENANT_STATE_ACTIVE);
  EXPECT_GT(tenant.create_time().seconds(), 1'700'000'000);
  const v1::CreateKeyResponse made = CreateKey("acme");
  EXPECT_THAT(made.secret(), HasSubstr("pt_" + made.key().id() + "_"));
  EXPECT_TRUE(SoonCalled(made.secret(), ""));
  const auto balance = Admin().GetBalance(Of<v1::GetBalanceRequest>("acme"));
  ASSERT_TRUE(balance.ok());
  EXPECT_LE(balance->balance().total().nano_units(), 100 * kUnit);

  EXPECT_EQ(Told(Admin().SuspendTenant(Of<v1::SuspendTenantRequest>("acme"))), "");
  EXPECT_TRUE(SoonCalled(made.secret(), "TENANT_SUSPENDED"));
  EXPECT_EQ(Told(Admin().ResumeTenant(Of<v1::ResumeTenantRequest>("acme"))), "");
  EXPECT_TRUE(SoonCalled(made.secret(), ""));
  ASSERT_TRUE(Eventually([&] {
    return Told(Admin().DeleteTenant(Of<v1::DeleteTenantRequest>("acme"))) != "TENANT_IN_USE";
  }));
  EXPECT_TRUE(SoonCalled(made.secret(), "KEY_INVALID"));
  v1::CreateTenantRequest again = Of<v1::CreateTenantRequest>("acme");
  again.set_tier("Free");
  EXPECT_EQ(Told(Admin().CreateTenant(again)), "TENANT_NAME_TAKEN");
  // Its account stays.
  EXPECT_EQ(Told(Admin().GetBalance(Of<v1::GetBalanceRequest>("acme"))), "");
}

TEST_F(TenantAdminTest, ATenantInUseIsNotDeleted) {
  Create("acme");
  const v1::CreateKeyResponse made = CreateKey("acme");
  ASSERT_TRUE(SoonCalled(made.secret(), ""));
  auto stream =
      server_.Client(made.secret()).Stream(Ask("Slow [sim:chunks=1000,chunk_interval_ms=20]"));
  ASSERT_TRUE(stream.Next());
  const auto refused = Admin().DeleteTenant(Of<v1::DeleteTenantRequest>("acme"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "TENANT_IN_USE");
  EXPECT_THAT(refused.error().metadata.at("held"), HasSubstr("CNY"));
  stream.Cancel();
  stream.Finish();
}

TEST_F(TenantAdminTest, TheFirstTopUpLiftsTheTier) {
  Create("acme");
  v1::TopUpRequest payment = Of<v1::TopUpRequest>("acme");
  payment.mutable_amount()->set_nano_units(1);
  payment.set_reference("receipt-1");
  ASSERT_EQ(Told(Admin().TopUp(payment)), "");
  const auto listed = Admin().ListTenants({});
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->tenants_size(), 1);
  EXPECT_EQ(listed->tenants(0).tier(), "Tier3");
}

TEST_F(TenantAdminTest, AKeyIsRotatedWithOverlapAndRevoked) {
  Create("acme");
  v1::CreateKeyRequest wanted = Of<v1::CreateKeyRequest>("acme");
  wanted.set_name("批处理");
  wanted.add_models("chat");
  wanted.mutable_lifetime()->set_seconds(3'600);
  const auto old = Admin().CreateKey(wanted);
  ASSERT_TRUE(old.ok()) << old.error().message;
  EXPECT_EQ(old->key().expire_time().seconds() - old->key().create_time().seconds(), 3'600);
  ASSERT_TRUE(SoonCalled(old->secret(), ""));
  EXPECT_EQ(Called(old->secret(), "other"), "MODEL_NOT_ALLOWED");
  v1::RotateKeyRequest rotate = Of<v1::RotateKeyRequest>("acme");
  rotate.set_key_id(old->key().id());
  rotate.mutable_overlap()->set_seconds(600);
  const auto next = Admin().RotateKey(rotate);
  ASSERT_TRUE(next.ok()) << next.error().message;
  EXPECT_EQ(next->key().name(), "批处理");
  EXPECT_EQ(next->key().models(0), "chat");
  ASSERT_TRUE(SoonCalled(next->secret(), ""));
  EXPECT_EQ(Called(old->secret()), "");
  EXPECT_EQ(Told(Admin().RotateKey(rotate)), "KEY_ENDED");
  v1::RevokeKeyRequest revoke = Of<v1::RevokeKeyRequest>("acme");
  revoke.set_key_id(old->key().id());
  EXPECT_EQ(Told(Admin().RevokeKey(revoke)), "");
  EXPECT_TRUE(SoonCalled(old->secret(), "KEY_INVALID"));
  EXPECT_EQ(Called(next->secret()), "");
  v1::ListKeysRequest list = Of<v1::ListKeysRequest>("acme");
  list.set_page_size(1);
  int keys = 0;
  do {
    const auto page = Admin().ListKeys(list);
    ASSERT_TRUE(page.ok());
    ASSERT_EQ(page->keys_size(), 1);
    const bool is_old = page->keys(0).id() == old->key().id();
    EXPECT_EQ(page->keys(0).has_revoke_time(), is_old);
    EXPECT_EQ(page->keys(0).replaced_by(), is_old ? next->key().id() : "");
    list.set_page_token(page->next_page_token());
    ++keys;
  } while (!list.page_token().empty());
  EXPECT_EQ(keys, 2);
}

TEST_F(TenantAdminTest, OnlyAnAdministratorMayAndMistakesAreNamed) {
  const client::Client tenant = server_.Client(key_.key);
  EXPECT_EQ(Told(tenant.ListTenants({})), "NOT_ADMIN");
  EXPECT_EQ(Told(tenant.ListKeys(Of<v1::ListKeysRequest>("filed"))), "NOT_ADMIN");
  EXPECT_EQ(Told(tenant.SuspendTenant(Of<v1::SuspendTenantRequest>("filed"))), "NOT_ADMIN");
  // Those of the configuration are managed there.
  const auto filed = Admin().SuspendTenant(Of<v1::SuspendTenantRequest>("filed"));
  ASSERT_FALSE(filed.ok());
  EXPECT_EQ(filed.error().reason, "TENANT_UNKNOWN");
  EXPECT_THAT(filed.error().message, HasSubstr("of the configuration"));
  v1::CreateTenantRequest create = Of<v1::CreateTenantRequest>("filed");
  create.set_tier("Free");
  EXPECT_EQ(Told(Admin().CreateTenant(create)), "TENANT_NAME_TAKEN");
  create.set_tenant("Acme");
  EXPECT_EQ(Told(Admin().CreateTenant(create)), "FIELD_INVALID");
  create.set_tenant("acme");
  create.set_tier("Tier9");
  const auto tier = Admin().CreateTenant(create);
  ASSERT_FALSE(tier.ok());
  EXPECT_THAT(tier.error().message, HasSubstr("Free, Tier3"));
  Create("acme");
  v1::CreateKeyRequest key = Of<v1::CreateKeyRequest>("acme");
  EXPECT_EQ(Told(Admin().CreateKey(key)), "FIELD_INVALID");  // no name
  key.set_name("batch");
  key.add_models("gpt-9");
  EXPECT_EQ(Told(Admin().CreateKey(key)), "FIELD_INVALID");
  key.clear_models();
  key.mutable_lifetime()->set_seconds(-1);
  EXPECT_EQ(Told(Admin().CreateKey(key)), "FIELD_INVALID");
  key.mutable_lifetime()->set_seconds(0);
  EXPECT_EQ(Told(Admin().CreateKey(key)), "FIELD_INVALID");
  for (const std::string& id : {std::string("nobody"), std::string("x\0y", 3), std::string()}) {
    v1::RevokeKeyRequest revoke = Of<v1::RevokeKeyRequest>("acme");
    revoke.set_key_id(id);
    EXPECT_EQ(Told(Admin().RevokeKey(revoke)), "KEY_UNKNOWN");
  }
}

TEST_F(TenantAdminTest, AnIdentityIsOneTenants) {
  Create("acme");
  Create("other");
  v1::SetIdentitiesRequest request = Of<v1::SetIdentitiesRequest>("acme");
  request.add_identities("spiffe://company/acme");
  request.add_identities("a.acme");
  const auto set = Admin().SetIdentities(request);
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_THAT(set->tenant().identities(), testing::ElementsAre("a.acme", "spiffe://company/acme"));
  request.set_tenant("other");
  const auto taken = Admin().SetIdentities(request);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().reason, "IDENTITY_TAKEN");
  EXPECT_EQ(taken.error().code, grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(taken.error().metadata.at("identity"), "a.acme");
  EXPECT_THAT(Run({"tenant", "list"}), HasSubstr("a.acme, spiffe://company/acme"));
  // It may change hands at once.
  EXPECT_THAT(Run({"tenant", "set-identities", "acme", "--none"}), Not(HasSubstr("a.acme")));
  EXPECT_EQ(Told(Admin().SetIdentities(request)), "");
  // Those of the configuration, and what is none.
  EXPECT_THAT(Pingti({"tenant", "set-identities", "acme", "filed.company"}).errors,
              HasSubstr("filed.company is taken for another tenant"));
  request.set_identities(1, request.identities(0));
  const auto twice = Admin().SetIdentities(request);
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(twice.error().message, HasSubstr("identities[1]: is there twice"));
  request.set_identities(1, "a\nb");
  EXPECT_EQ(Told(Admin().SetIdentities(request)), "FIELD_INVALID");
  request.set_identities(1, "b.acme");
  for (int i = 2; i < 16; ++i) request.add_identities("n" + std::to_string(i));
  EXPECT_EQ(Told(Admin().SetIdentities(request)), "");
  request.add_identities("n16");
  const auto many = Admin().SetIdentities(request);
  ASSERT_FALSE(many.ok());
  EXPECT_THAT(many.error().message, HasSubstr("has 17 identities; at most 16"));
  EXPECT_EQ(Told(server_.Client(key_.key).SetIdentities(request)), "NOT_ADMIN");
}

TEST_F(TenantAdminTest, AKeyHasLimitsOfItsOwn) {
  Create("acme");
  v1::CreateKeyRequest request = Of<v1::CreateKeyRequest>("acme");
  request.set_name("batch");
  v1::KeyLimit* limit = request.add_limits();
  limit->set_limit(2);
  const auto wrong = Admin().CreateKey(request);
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.error().message, HasSubstr("limits[0].dimension"));
  limit->set_dimension(v1::QUOTA_DIMENSION_REQUESTS_PER_DAY);
  const auto made = Admin().CreateKey(request);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->key().limits(0).limit(), 2);
  ASSERT_TRUE(SoonCalled(made->secret(), ""));
  EXPECT_EQ(Called(made->secret()), "");
  EXPECT_EQ(Called(made->secret()), "QUOTA_EXCEEDED");
  const std::string other = CreateKey("acme").secret();
  EXPECT_TRUE(SoonCalled(other, ""));
  const std::string secret =
      Run({"key", "create", "acme", "--name", "n", "--limit", "calls_at_once=0"});
  EXPECT_TRUE(SoonCalled(secret, "MODEL_NOT_ALLOWED")) << Called(secret);  // 0: no access
  EXPECT_THAT(Run({"key", "list", "acme"}), HasSubstr("requests_per_day=2"));
  EXPECT_THAT(Run({"key", "list", "acme"}), HasSubstr("calls_at_once=0"));
}

TEST_F(TenantAdminTest, AKeyDoesWhatItHasTheRightTo) {
  Create("acme");
  v1::CreateKeyRequest request = Of<v1::CreateKeyRequest>("acme");
  request.set_name("accounting");
  request.add_rights(v1::KEY_RIGHT_READ_ACCOUNT);
  const auto reader = Admin().CreateKey(request);
  ASSERT_TRUE(reader.ok()) << reader.error().message;
  EXPECT_EQ(reader->key().rights_size(), 1);
  ASSERT_TRUE(SoonCalled(reader->secret(), "RIGHT_MISSING"));
  const auto refused = server_.Client(reader->secret()).Generate(Ask("Hello", "chat"));
  EXPECT_EQ(refused.error().code, grpc::StatusCode::PERMISSION_DENIED);
  const client::Client accounting = server_.Client(reader->secret());
  EXPECT_EQ(Told(accounting.GetBalance({})), "");
  EXPECT_EQ(Told(accounting.ListTransfers({})), "");
  EXPECT_EQ(Told(accounting.ListUsage({})), "");
  EXPECT_EQ(Told(accounting.GetQuota()), "");
  EXPECT_EQ(Told(accounting.VerifyLedger()), "NOT_ADMIN");
  const std::string writer = Run({"key", "create", "acme", "--name", "app", "--right", "complete"});
  ASSERT_TRUE(SoonCalled(writer, ""));
  const client::Client app = server_.Client(writer);
  EXPECT_EQ(Told(app.GetBalance({})), "RIGHT_MISSING");
  EXPECT_EQ(Told(app.ListTransfers({})), "RIGHT_MISSING");
  EXPECT_EQ(Told(app.ListUsage({})), "RIGHT_MISSING");
  EXPECT_THAT(Run({"key", "list", "acme"}), HasSubstr("read_account"));
}

// A word costs 0.00002 CNY, a call with "Hello" some of them.
TEST_F(TenantAdminTest, AKeySpendsItsBudgetAndNoMore) {
  Create("acme");
  v1::CreateKeyRequest request = Of<v1::CreateKeyRequest>("acme");
  request.set_name("intern");
  request.mutable_budget()->mutable_amount()->set_nano_units(kUnit / 50);
  const auto wrong = Admin().CreateKey(request);
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.error().message, HasSubstr("budget.period"));
  request.mutable_budget()->set_period(v1::BUDGET_PERIOD_MONTH);
  const auto made = Admin().CreateKey(request);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->key().budget().amount().currency(), "CNY");
  ASSERT_TRUE(SoonCalled(made->secret(), ""));
  const client::Client intern = server_.Client(made->secret());
  // A stream that would cost more than the budget ends with it.
  auto stream = intern.Stream(Ask("Slow [sim:chunks=5000,chunk_interval_ms=1]"));
  while (stream.Next()) {
  }
  const client::Error& ended = stream.Finish();
  EXPECT_EQ(ended.reason, "KEY_BUDGET_EXHAUSTED") << ended.message;
  EXPECT_THAT(ended.metadata, testing::Contains(testing::Key("cost")));
  ASSERT_TRUE(SoonCalled(made->secret(), "KEY_BUDGET_EXHAUSTED"));
  const auto refused = intern.Generate(Ask("Hello", "chat"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(refused.error().metadata.at("budget"), "0.02 CNY");
  EXPECT_EQ(refused.error().metadata.at("period"), "month");
  EXPECT_THAT(refused.error().metadata.at("resets_at"), HasSubstr("-01T00:00:00Z"));
  // The tenant still has money, and its other keys serve.
  EXPECT_TRUE(SoonCalled(CreateKey("acme").secret(), ""));
  EXPECT_EQ(Told(intern.GetBalance({})), "");
  EXPECT_THAT(Run({"key", "list", "acme"}), HasSubstr("0.02 CNY/month"));
}

TEST_F(TenantAdminTest, TheCommandsDoTheSame) {
  EXPECT_THAT(Run({"tenant", "create", "acme", "--tier", "Free"}), HasSubstr("active"));
  const std::string secret =
      Run({"key", "create", "acme", "--name", "批处理", "--lifetime", "90d"});
  EXPECT_TRUE(SoonCalled(secret, ""));
  const std::string keys = Run({"key", "list", "acme"});
  EXPECT_THAT(keys, HasSubstr("批处理"));
  EXPECT_THAT(keys, Not(HasSubstr(secret.substr(16))));
  const std::string id = secret.substr(3, secret.find('_', 3) - 3);
  const std::string next = Run({"key", "rotate", "acme", id, "--overlap", "1d"});
  EXPECT_TRUE(SoonCalled(next, ""));
  EXPECT_EQ(Called(secret), "");
  EXPECT_THAT(Run({"key", "revoke", "acme", id}), HasSubstr("is revoked"));
  EXPECT_TRUE(SoonCalled(secret, "KEY_INVALID"));
  EXPECT_THAT(Run({"tenant", "set-tier", "acme", "Tier3"}), HasSubstr("Tier3"));
  EXPECT_THAT(Run({"tenant", "suspend", "acme"}), HasSubstr("suspended"));
  EXPECT_THAT(Run({"tenant", "resume", "acme"}), HasSubstr("active"));
  EXPECT_THAT(Run({"tenant", "list", "--json"}), HasSubstr("TENANT_STATE_ACTIVE"));
  ASSERT_TRUE(Eventually([&] { return Pingti({"tenant", "delete", "acme"}).code == 0; }));
  EXPECT_THAT(Run({"tenant", "list"}), HasSubstr("no tenants"));
  EXPECT_THAT(Run({"tenant", "list", "--deleted"}), HasSubstr("deleted"));
  const CommandEnd unknown = Pingti({"tenant", "suspend", "nobody"});
  EXPECT_NE(unknown.code, 0);
  EXPECT_THAT(unknown.errors, HasSubstr("there is no tenant nobody"));
}

}  // namespace
}  // namespace pingti::integration
