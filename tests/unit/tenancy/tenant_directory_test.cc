#include "server/tenancy/tenant_directory.h"

#include <string>

#include "gtest/gtest.h"

namespace pingti::tenancy {
namespace {

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
  const auto one = directory_.Find("pt_one_secret1");
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->tenant, 0u);
  EXPECT_EQ(one->key_id, "one");
  EXPECT_EQ(directory_.Find("pt_two_secret2")->key_id, "two");
  EXPECT_EQ(directory_.Find("pt_three_secret3")->tenant, 1u);
}

TEST_F(TenantDirectoryTest, KeyIdOutlivesTheKeyThatWasAskedFor) {
  std::string key = "pt_one_secret1";
  const auto found = directory_.Find(key);
  key.assign(key.size(), 'x');
  EXPECT_EQ(found->key_id, "one");
}

TEST_F(TenantDirectoryTest, RefusesAWrongSecret) {
  EXPECT_FALSE(directory_.Find("pt_one_secret2").has_value());
  EXPECT_FALSE(directory_.Find("pt_one_secret").has_value());
  EXPECT_FALSE(directory_.Find("pt_one_secret11").has_value());
  EXPECT_FALSE(directory_.Find("pt_one_SECRET1").has_value());
}

TEST_F(TenantDirectoryTest, RefusesAnUnknownId) {
  EXPECT_FALSE(directory_.Find("pt_four_secret1").has_value());
}

TEST_F(TenantDirectoryTest, RefusesWhatIsNoKey) {
  EXPECT_FALSE(directory_.Find("").has_value());
  EXPECT_FALSE(directory_.Find("one").has_value());
  EXPECT_FALSE(directory_.Find(std::string(100'000, 'p')).has_value());
}

TEST_F(TenantDirectoryTest, AnAdminKeyIsNoTenants) {
  const auto owner = directory_.FindOwner("pt_boss_secret4");
  ASSERT_TRUE(owner.has_value());
  EXPECT_TRUE(owner->is_admin);
  EXPECT_EQ(owner->index, 0u);
  EXPECT_EQ(owner->key_id, "boss");
  EXPECT_FALSE(directory_.Find("pt_boss_secret4").has_value());
  EXPECT_FALSE(directory_.FindOwner("pt_boss_secret5").has_value());
  const auto tenant = directory_.FindOwner("pt_three_secret3");
  ASSERT_TRUE(tenant.has_value());
  EXPECT_FALSE(tenant->is_admin);
  EXPECT_EQ(tenant->index, 1u);
}

TEST_F(TenantDirectoryTest, AcceptsAKeyThatWasJustMade) {
  const NewKey made = MakeKey();
  config::Config config;
  config.tenants.resize(1);
  config.tenants[0].keys = {RecordOf(made.key)};
  EXPECT_TRUE(TenantDirectory(config).Find(made.key).has_value());
}

}  // namespace
}  // namespace pingti::tenancy
