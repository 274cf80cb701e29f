#include "server/tenancy/tenant_directory.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::tenancy {
namespace {

constexpr absl::Time kNow = absl::UnixEpoch();

config::KeyRecord RecordOf(const std::string& key) {
  const KeyHash hash = HashKey(key);
  config::KeyRecord record;
  record.public_id = std::string(*PublicIdOf(key));
  record.sha256.assign(reinterpret_cast<const char*>(hash.data()), hash.size());
  return record;
}

class TenantDirectoryTest : public ::testing::Test {
 protected:
  static config::Config MakeConfig() {
    config::Config config;
    config.tenants.resize(2);
    config.tenants[0].name = "acme";
    config.tenants[0].keys = {RecordOf("pt_one_secret1"), RecordOf("pt_two_secret2")};
    config.tenants[1].name = "duck";
    config.tenants[1].keys = {RecordOf("pt_three_secret3")};
    config.admin_keys.push_back({"finance", RecordOf("pt_boss_secret4")});
    return config;
  }
  const TenantDirectory directory_{MakeConfig()};
};

TEST_F(TenantDirectoryTest, FindsTheOwnerOfEachKey) {
  const auto one = directory_.Find("pt_one_secret1", kNow);
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->tenant, 0u);
  EXPECT_EQ(one->key_id, "one");
  EXPECT_EQ(directory_.Find("pt_two_secret2", kNow)->key_id, "two");
  EXPECT_EQ(directory_.Find("pt_three_secret3", kNow)->tenant, 1u);
}

TEST_F(TenantDirectoryTest, KeyIdOutlivesTheKeyThatWasAskedFor) {
  std::string key = "pt_one_secret1";
  const auto found = directory_.Find(key, kNow);
  key.assign(key.size(), 'x');
  EXPECT_EQ(found->key_id, "one");
}

TEST_F(TenantDirectoryTest, RefusesAWrongSecret) {
  EXPECT_FALSE(directory_.Find("pt_one_secret2", kNow).has_value());
  EXPECT_FALSE(directory_.Find("pt_one_secret", kNow).has_value());
  EXPECT_FALSE(directory_.Find("pt_one_secret11", kNow).has_value());
  EXPECT_FALSE(directory_.Find("pt_one_SECRET1", kNow).has_value());
}

TEST_F(TenantDirectoryTest, RefusesAnUnknownId) {
  EXPECT_FALSE(directory_.Find("pt_four_secret1", kNow).has_value());
}

TEST_F(TenantDirectoryTest, RefusesWhatIsNoKey) {
  EXPECT_FALSE(directory_.Find("", kNow).has_value());
  EXPECT_FALSE(directory_.Find("one", kNow).has_value());
  EXPECT_FALSE(directory_.Find(std::string(100'000, 'p'), kNow).has_value());
}

TEST_F(TenantDirectoryTest, AKeyEndsAtItsTime) {
  config::Config config = MakeConfig();
  config.tenants[0].keys[0].expires_at = kNow + absl::Hours(1);
  config.tenants[0].keys[0].models = {"gpt-4o"};
  const TenantDirectory directory(config);
  const auto before = directory.Find("pt_one_secret1", kNow + absl::Minutes(59));
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(std::vector<std::string>(before->key_models.begin(), before->key_models.end()),
            std::vector<std::string>{"gpt-4o"});
  EXPECT_FALSE(directory.Find("pt_one_secret1", kNow + absl::Hours(1)).has_value());
  EXPECT_TRUE(directory.Find("pt_two_secret2", kNow + absl::Hours(1)).has_value());
}

TEST_F(TenantDirectoryTest, AnAdminKeyIsNoTenants) {
  const auto owner = directory_.FindOwner("pt_boss_secret4", kNow);
  ASSERT_TRUE(owner.has_value());
  EXPECT_TRUE(owner->is_admin);
  EXPECT_EQ(owner->index, 0u);
  EXPECT_EQ(owner->key_id, "boss");
  EXPECT_FALSE(directory_.Find("pt_boss_secret4", kNow).has_value());
  EXPECT_FALSE(directory_.FindOwner("pt_boss_secret5", kNow).has_value());
  const auto tenant = directory_.FindOwner("pt_three_secret3", kNow);
  ASSERT_TRUE(tenant.has_value());
  EXPECT_FALSE(tenant->is_admin);
  EXPECT_EQ(tenant->index, 1u);
}

TEST_F(TenantDirectoryTest, AcceptsAKeyThatWasJustMade) {
  const NewKey made = MakeKey();
  config::Config config;
  config.tenants.resize(1);
  config.tenants[0].keys = {RecordOf(made.key)};
  EXPECT_TRUE(TenantDirectory(config).Find(made.key, kNow).has_value());
}

TEST(PeerTest, IsFoundByAnIdentityThatOneTenantHas) {
  config::Config config;
  for (const char* name : {"acme", "duck"}) {
    config::Tenant& tenant = config.tenants.emplace_back();
    tenant.name = name;
    tenant.identities = {"spiffe://company/" + tenant.name, tenant.name + ".test"};
  }
  const TenantDirectory directory(config);
  const auto find = [&](std::vector<std::string> identities) {
    return directory.FindPeer(identities);
  };
  EXPECT_EQ(find({"duck.test"})->tenant, 1u);
  EXPECT_EQ(find({"duck.test"})->key_id, "");
  EXPECT_EQ(find({"?", "spiffe://company/acme", "acme.test"})->tenant, 0u);
  EXPECT_FALSE(find({}));
  EXPECT_FALSE(find({"acme"}));
  EXPECT_FALSE(find({"acme.test", "duck.test"}));
}

}  // namespace
}  // namespace pingti::tenancy
