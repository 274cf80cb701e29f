#include "server/admission/authenticate.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::admission {
namespace {

constexpr absl::Time kNow = absl::UnixEpoch();

using ::testing::HasSubstr;
using ::testing::Not;

config::Config MakeConfig() {
  config::Config config;
  for (const char* name : {"acme", "duck"}) {
    config::Tenant& tenant = config.tenants.emplace_back();
    tenant.name = name;
    const std::string key = "pt_" + std::string(name) + "_s3cret";
    const tenancy::KeyHash hash = tenancy::HashKey(key);
    tenant.keys.push_back({name, std::string(hash.begin(), hash.end())});
  }
  config.tenants[1].suspended = true;
  const tenancy::KeyHash hash = tenancy::HashKey("pt_boss_s3cret");
  config.admin_keys.push_back({"finance", {"boss", std::string(hash.begin(), hash.end())}});
  return config;
}

class AuthenticateTest : public ::testing::Test {
 protected:
  // The name of the tenant, or of the reason of the refusal.
  std::string Who(std::string_view authorization) {
    const auto who = Authenticate(authorization, directory_, config_, kNow);
    if (const auto* error = std::get_if<model::CallError>(&who)) {
      EXPECT_THAT(error->message, Not(HasSubstr("s3cret")));
      return std::string(model::ErrorReasonName(error->reason));
    }
    return config_.tenants[std::get<tenancy::Identity>(who).tenant].name;
  }

  const config::Config config_ = MakeConfig();
  const tenancy::TenantDirectory directory_{config_};
};

TEST_F(AuthenticateTest, AValidKeyIsItsTenant) { EXPECT_EQ(Who("Bearer pt_acme_s3cret"), "acme"); }

TEST_F(AuthenticateTest, TheSchemeIsReadInAnyCase) {
  EXPECT_EQ(Who("bearer pt_acme_s3cret"), "acme");
  EXPECT_EQ(Who("BEARER pt_acme_s3cret"), "acme");
}

TEST_F(AuthenticateTest, NoKeyIsMissing) { EXPECT_EQ(Who(""), "KEY_MISSING"); }

TEST_F(AuthenticateTest, AnythingElseIsInvalid) {
  for (const char* authorization :
       {"Bearer", "Bearer ", "Bearer pt_acme_wrong", "Bearer pt_nobody_s3cret", "pt_acme_s3cret",
        "Basic pt_acme_s3cret", "Bearer  pt_acme_s3cret", "Bearer pt_acme_s3cret ",
        "Bearer \xff\xfe"}) {
    EXPECT_EQ(Who(authorization), "KEY_INVALID") << authorization;
  }
}

TEST_F(AuthenticateTest, WithoutAKeyAPeerIsTheTenantThatHasItsIdentity) {
  config::Config config = MakeConfig();
  config.tenants[0].identities = {"spiffe://company/acme", "acme.test"};
  config.tenants[1].identities = {"spiffe://company/duck"};
  const tenancy::TenantDirectory directory(config);
  const auto who = [&](std::string_view authorization, const std::vector<std::string>& peer) {
    const auto found = Authenticate({authorization, peer}, directory, config, kNow);
    if (const auto* error = std::get_if<model::CallError>(&found)) {
      return std::string(model::ErrorReasonName(error->reason));
    }
    const auto& identity = std::get<tenancy::Identity>(found);
    EXPECT_EQ(identity.key_id, authorization.empty() ? "" : "acme");
    return config.tenants[identity.tenant].name;
  };
  EXPECT_EQ(who("", {"spiffe://company/acme"}), "acme");
  EXPECT_EQ(who("", {"other", "acme.test", "spiffe://company/acme"}), "acme");
  EXPECT_EQ(who("", {"spiffe://company/duck"}), "TENANT_SUSPENDED");
  EXPECT_EQ(who("", {"spiffe://company/acme", "spiffe://company/duck"}), "KEY_MISSING");
  for (const char* other : {"", "spiffe://company/acm", "spiffe://company/acme/", "ACME.test"}) {
    EXPECT_EQ(who("", {other}), "KEY_MISSING") << other;
  }
  // A key that is sent decides, also a wrong one.
  EXPECT_EQ(who("Bearer pt_acme_s3cret", {"spiffe://company/duck"}), "acme");
  EXPECT_EQ(who("Bearer pt_acme_wrong", {"spiffe://company/acme"}), "KEY_INVALID");
  const auto unknown =
      AuthenticateOwner({"", std::vector<std::string>{"nobody"}}, directory, config, kNow);
  EXPECT_THAT(std::get<model::CallError>(unknown).message, HasSubstr("the peer's certificate"));
}

TEST_F(AuthenticateTest, AKeyMayDoWhatItHasTheRightTo) {
  config::Config config = MakeConfig();
  config.tenants[0].keys[0].rights.complete = false;
  const tenancy::TenantDirectory directory(config);
  const auto who = Authenticate("Bearer pt_acme_s3cret", directory, config, kNow);
  const auto& identity = std::get<tenancy::Identity>(who);
  EXPECT_FALSE(CheckRight(identity, config::KeyRight::kReadAccount));
  const auto refused = CheckRight(identity, config::KeyRight::kComplete);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->reason, model::ErrorReason::kRightMissing);
  EXPECT_EQ(refused->code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(refused->metadata.at("right"), "complete");
}

TEST_F(AuthenticateTest, WrongSecretAndUnknownIdLookTheSame) {
  const auto wrong = Authenticate("Bearer pt_acme_wrong", directory_, config_, kNow);
  const auto unknown = Authenticate("Bearer pt_nobody_wrong", directory_, config_, kNow);
  EXPECT_EQ(std::get<model::CallError>(wrong).message, std::get<model::CallError>(unknown).message);
}

TEST_F(AuthenticateTest, AnAdministratorIsLetInOnlyWhereAsked) {
  EXPECT_EQ(Who("Bearer pt_boss_s3cret"), "KEY_INVALID");
  const auto refused = Authenticate("Bearer pt_boss_s3cret", directory_, config_, kNow);
  EXPECT_THAT(std::get<model::CallError>(refused).message, HasSubstr("administrator"));
  const auto owner = AuthenticateOwner("Bearer pt_boss_s3cret", directory_, config_, kNow);
  EXPECT_TRUE(std::get<tenancy::KeyOwner>(owner).is_admin);
  const auto tenant = AuthenticateOwner("Bearer pt_acme_s3cret", directory_, config_, kNow);
  EXPECT_FALSE(std::get<tenancy::KeyOwner>(tenant).is_admin);
  const auto suspended = AuthenticateOwner("Bearer pt_duck_s3cret", directory_, config_, kNow);
  EXPECT_EQ(std::get<model::CallError>(suspended).reason, model::ErrorReason::kTenantSuspended);
}

TEST_F(AuthenticateTest, ASuspendedTenantIsToldSoOnlyWithAValidKey) {
  EXPECT_EQ(Who("Bearer pt_duck_s3cret"), "TENANT_SUSPENDED");
  EXPECT_EQ(Who("Bearer pt_duck_wrong"), "KEY_INVALID");
}

TEST_F(AuthenticateTest, AnExpiredKeyIsAnsweredAsOneThatNeverWas) {
  config::Config config = MakeConfig();
  config.tenants[0].keys[0].expires_at = kNow;
  const tenancy::TenantDirectory directory(config);
  const auto at = [&](absl::Time now) {
    return Authenticate("Bearer pt_acme_s3cret", directory, config, now);
  };
  EXPECT_TRUE(std::holds_alternative<tenancy::Identity>(at(kNow - absl::Microseconds(1))));
  const auto expired = at(kNow);
  const auto unknown = Authenticate("Bearer pt_nobody_s3cret", directory, config, kNow);
  ASSERT_TRUE(std::holds_alternative<model::CallError>(expired));
  EXPECT_EQ(std::get<model::CallError>(expired).reason, model::ErrorReason::kKeyInvalid);
  EXPECT_EQ(std::get<model::CallError>(expired).message,
            std::get<model::CallError>(unknown).message);
}

class CheckModelAllowedTest : public ::testing::Test {
 protected:
  // The message of the refusal; empty: none.
  std::string Check(const std::string& model) {
    const auto error = CheckModelAllowed(config_, {0, "one", key_models_}, model);
    if (!error) return "";
    EXPECT_EQ(error->reason, model::ErrorReason::kModelNotAllowed);
    EXPECT_EQ(error->code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(error->metadata.at("model"), model);
    return error->message;
  }

  config::Config config_ = MakeConfig();
  std::vector<std::string> key_models_;
};

TEST_F(CheckModelAllowedTest, EmptyListsAllowAll) { EXPECT_EQ(Check("gpt-4o"), ""); }

TEST_F(CheckModelAllowedTest, ATenantsListAllowsWhatIsInIt) {
  config_.tenants[0].models = {"gpt-4o"};
  EXPECT_EQ(Check("gpt-4o"), "");
  EXPECT_EQ(Check("yi-large"), "tenant acme may not use model yi-large");
}

TEST_F(CheckModelAllowedTest, AKeysListAllowsWhatIsInBoth) {
  config_.tenants[0].models = {"gpt-4o", "yi-large"};
  key_models_ = {"gpt-4o", "yi-medium"};
  EXPECT_EQ(Check("gpt-4o"), "");
  EXPECT_EQ(Check("yi-large"), "API key one may not be used for model yi-large");
  EXPECT_EQ(Check("yi-medium"), "tenant acme may not use model yi-medium");
}

}  // namespace
}  // namespace pingti::admission
