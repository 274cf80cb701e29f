#include "client/command/quota_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <string>

namespace pingti::command {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;

// 2024-06-25 10:00:00 UTC, in a zone that is eight hours ahead: 18:00.
constexpr std::int64_t kNow = 1'719'309'600;

class QuotaTableTest : public ::testing::Test {
 protected:
  QuotaTableTest() {
    ::setenv("TZ", "UTC-8", 1);
    ::tzset();
    quota_.set_tenant("acme");
    quota_.set_tier("Tier3");
  }
  ~QuotaTableTest() override {
    ::unsetenv("TZ");
    ::tzset();
  }

  // Full again after `full_in` seconds.
  v1::QuotaBucket& Add(const std::string& name, v1::QuotaDimension dimension, std::int64_t limit,
                       std::int64_t remaining, std::int64_t full_in) {
    v1::QuotaBucket& bucket = *quota_.add_buckets();
    bucket.set_name(name);
    bucket.set_dimension(dimension);
    bucket.set_limit(limit);
    bucket.set_capacity(limit);
    bucket.set_remaining(remaining);
    bucket.mutable_full_in()->set_seconds(full_in);
    bucket.mutable_full_at()->set_seconds(kNow + full_in);
    return bucket;
  }

  std::string Table(QuotaLook look = {}) const { return QuotaTable(quota_, look); }

  v1::GetQuotaResponse quota_;
};

TEST_F(QuotaTableTest, HasEveryDimension) {
  const std::string scope = "tenant:acme/class:gpt-4o/";
  Add(scope + "requests_per_minute", v1::QUOTA_DIMENSION_REQUESTS_PER_MINUTE, 5000, 5000, 0);
  Add(scope + "tokens_per_minute", v1::QUOTA_DIMENSION_TOKENS_PER_MINUTE, 600'000, -30'000, 63);
  Add(scope + "requests_per_day", v1::QUOTA_DIMENSION_REQUESTS_PER_DAY, 10'000, 7500, 6 * kHour);
  Add(scope + "tokens_per_day", v1::QUOTA_DIMENSION_TOKENS_PER_DAY, 1'000'000, 100'000,
      21 * kHour + 36 * kMinute);
  Add(scope + "calls_at_once", v1::QUOTA_DIMENSION_CALLS_AT_ONCE, 100, 97, 0);
  EXPECT_EQ(
      Table(),
      "tenant acme, Tier3\n\n"
      "BUCKET                                LIMIT     LEFT                          FULL AGAIN IN "
      " AT\n"
      "class:gpt-4o/requests_per_minute      5,000    5,000  [####################]            "
      "now\n"
      "class:gpt-4o/tokens_per_minute      600,000  -30,000  [--------------------]      1 min 3 s"
      "  18:01:03\n"
      "class:gpt-4o/requests_per_day        10,000    7,500  [###############-----]      6 h 0 min"
      "  2024-06-26 00:00:00\n"
      "class:gpt-4o/tokens_per_day       1,000,000  100,000  [##------------------]    21 h 36 min"
      "  2024-06-26 15:36:00\n"
      "class:gpt-4o/calls_at_once              100       97  [###################-]   as calls end"
      "\n");
}

TEST_F(QuotaTableTest, KeepsTheNamesOfOtherOwnersWhole) {
  Add("tenant:acme/key:ab12/tokens_per_day", v1::QUOTA_DIMENSION_TOKENS_PER_DAY, 100, 100, 0);
  Add("tenant:acme2/class:yi/tokens_per_day", v1::QUOTA_DIMENSION_TOKENS_PER_DAY, 100, 100, 0);
  EXPECT_THAT(Table(), HasSubstr("\nkey:ab12/tokens_per_day "));
  EXPECT_THAT(Table(), HasSubstr("\ntenant:acme2/class:yi/tokens_per_day "));
}

TEST_F(QuotaTableTest, SaysWhatSetsABucketApart) {
  v1::QuotaBucket& burst = Add("burst", v1::QUOTA_DIMENSION_TOKENS_PER_MINUTE, 600'000, 30'000, 3);
  burst.set_capacity(60'000);
  EXPECT_THAT(Table(), HasSubstr("  30,000  [##########----------]"));
  EXPECT_THAT(Table(), HasSubstr("18:00:03  at most 60,000 in one go\n"));
  burst.set_shadow(true);
  EXPECT_THAT(Table(), HasSubstr("at most 60,000 in one go, not enforced\n"));
  burst.set_capacity(0);  // a server that does not know of bursts
  EXPECT_THAT(Table(), HasSubstr("18:00:03  not enforced\n"));
  EXPECT_THAT(Table(), HasSubstr("  30,000  [#-------------------]"));
}

TEST_F(QuotaTableTest, ShowsAClosedClass) {
  Add("closed", v1::QUOTA_DIMENSION_REQUESTS_PER_MINUTE, 0, 0, 0);
  EXPECT_THAT(Table(), HasSubstr("closed      0     0  [--------------------]          never"));
  EXPECT_THAT(Table(), HasSubstr("no access\n"));
}

TEST_F(QuotaTableTest, SaysWhereThereIsNoLimit) {
  EXPECT_EQ(Table(), "tenant acme, Tier3\n\nno limits\n");
}

TEST_F(QuotaTableTest, ColoursByWhatIsLeft) {
  v1::QuotaBucket& bucket = Add("b", v1::QUOTA_DIMENSION_TOKENS_PER_MINUTE, 100, 100, 0);
  const QuotaLook look{.color = true, .blocks = true};
  EXPECT_THAT(Table(look), HasSubstr("\x1b[32m████████████████████\x1b[0m"));
  bucket.set_remaining(19);
  EXPECT_THAT(Table(look), HasSubstr("\x1b[33m████░░░░░░░░░░░░░░░░\x1b[0m"));
  bucket.set_remaining(0);
  EXPECT_THAT(Table(look), HasSubstr("\x1b[31m░░░░░░░░░░░░░░░░░░░░\x1b[0m"));
  EXPECT_THAT(Table({.color = false, .blocks = true}), Not(HasSubstr("\x1b")));
}

TEST_F(QuotaTableTest, ANameCannotBreakTheTable) {
  Add("evil\x1b[2J\nname", v1::QUOTA_DIMENSION_TOKENS_PER_MINUTE, 100, 100, 0);
  quota_.set_tier("Tier\n3");
  const std::string table = Table();
  EXPECT_THAT(table, Not(HasSubstr("\x1b")));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 4);
}

TEST(QuotaBarTest, ShowsTheShareThatIsLeft) {
  EXPECT_EQ(QuotaBar(100, 100, false), "[####################]");
  EXPECT_EQ(QuotaBar(50, 100, false), "[##########----------]");
  EXPECT_EQ(QuotaBar(0, 100, false), "[--------------------]");
  EXPECT_EQ(QuotaBar(-40, 100, false), "[--------------------]");
  EXPECT_EQ(QuotaBar(200, 100, false), "[####################]");
  EXPECT_EQ(QuotaBar(5, 0, false), "[--------------------]");
  EXPECT_EQ(QuotaBar(50, 100, true), "██████████░░░░░░░░░░");
}

}  // namespace
}  // namespace pingti::command
