#include "server/config/add_tenants.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/config/named.h"

namespace pingti::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

KeyRecord Key(const std::string& id) { return {.public_id = id, .sha256 = std::string(32, 'h')}; }

Tenant Stored(const std::string& name, const std::string& tier = "T") {
  Tenant tenant;
  tenant.name = name;
  tenant.tier = tier;
  tenant.keys = {Key("of" + name)};
  return tenant;
}

Config OfFiles() {
  Config config;
  config.tiers.emplace_back().name = "T";
  config.tenants = {Stored("filed")};
  config.tenants[0].models = {"gpt-4o"};
  return config;
}

TEST(AddTenantsTest, TheyFollowThoseOfTheFiles) {
  Config config = OfFiles();
  EXPECT_THAT(AddTenants({Stored("a"), Stored("b")}, &config), IsEmpty());
  ASSERT_THAT(config.tenants, SizeIs(3));
  EXPECT_EQ(config.tenants[0].name, "filed");
  EXPECT_EQ(config.tenants[2].name, "b");
  EXPECT_THAT(config.tenants[2].keys, SizeIs(1));
  EXPECT_THAT(config.tiers, SizeIs(1));
}

TEST(AddTenantsTest, ANameOfTheFilesIsTheirs) {
  Config config = OfFiles();
  EXPECT_THAT(AddTenants({Stored("filed")}, &config),
              ElementsAre("tenant filed of the database is left out: the configuration has one of "
                          "this name"));
  ASSERT_THAT(config.tenants, SizeIs(1));
  EXPECT_THAT(config.tenants[0].models, ElementsAre("gpt-4o"));
}

TEST(AddTenantsTest, AnIdentityOfTheFilesIsTheirs) {
  Config config = OfFiles();
  config.tenants[0].identities = {"filed.company"};
  Tenant stored = Stored("a");
  stored.identities = {"a.company", "filed.company"};
  EXPECT_THAT(AddTenants({stored}, &config),
              ElementsAre("identity filed.company of tenant a is left out: the configuration gives "
                          "it to a tenant"));
  EXPECT_THAT(config.tenants[1].identities, ElementsAre("a.company"));
}

TEST(AddTenantsTest, AKeyOfTheFilesIsTheirs) {
  Config config = OfFiles();
  Tenant stored = Stored("a");
  stored.keys.push_back(Key("offiled"));
  EXPECT_THAT(AddTenants({stored}, &config),
              ElementsAre("API key offiled of tenant a is left out: the configuration has one of "
                          "this public id"));
  ASSERT_THAT(Named(config.tenants, "a").keys, SizeIs(1));
  EXPECT_EQ(Named(config.tenants, "a").keys[0].public_id, "ofa");
}

TEST(AddTenantsTest, WithoutItsTierATenantIsClosed) {
  Config config = OfFiles();
  EXPECT_THAT(AddTenants({Stored("a", "gone"), Stored("b", "gone"), Stored("c")}, &config),
              ElementsAre("tenant a is closed: there is no tier gone any more",
                          "tenant b is closed: there is no tier gone any more"));
  EXPECT_TRUE(Named(config.tenants, "a").suspended);
  EXPECT_EQ(Named(config.tenants, "a").tier, kClosedTier);
  EXPECT_FALSE(Named(config.tenants, "c").suspended);
  ASSERT_THAT(config.tiers, SizeIs(2));
  EXPECT_EQ(config.tiers[1].name, kClosedTier);
  AddClosedTier(&config);
  EXPECT_THAT(config.tiers, SizeIs(2));
}

}  // namespace
}  // namespace pingti::config
