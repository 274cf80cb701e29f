#include "server/rpc/usage_fields.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pingti::rpc {
namespace {

using billing::UsageDimension;

// The field that is wrong, or nothing.
std::string Wrong(const v1::ListUsageRequest& request) {
  billing::UsageFilter filter;
  const QueryError error = ReadUsageFilter(request, &filter);
  if (!error) return "";
  EXPECT_EQ(error->reason, model::ErrorReason::kFieldInvalid);
  return error->fields.empty() ? error->message : error->fields[0].field;
}

billing::UsageFilter Read(const v1::ListUsageRequest& request) {
  billing::UsageFilter filter;
  const QueryError error = ReadUsageFilter(request, &filter);
  EXPECT_FALSE(error) << error->message;
  return filter;
}

v1::ListUsageRequest By(const std::vector<v1::UsageDimension>& dimensions,
                        const std::string& label = "") {
  v1::ListUsageRequest request;
  for (const v1::UsageDimension dimension : dimensions) request.add_group_by(dimension);
  request.set_label(label);
  return request;
}

TEST(UsageFieldsTest, TheDefaultIsDayTenantKeyModelAndThenTheLabel) {
  std::vector<UsageDimension> usual = {UsageDimension::kDay, UsageDimension::kTenant,
                                       UsageDimension::kKey, UsageDimension::kModel};
  EXPECT_EQ(Read(By({})).group_by, usual);
  usual.push_back(UsageDimension::kLabel);
  EXPECT_EQ(Read(By({}, "team")).group_by, usual);
  EXPECT_EQ(Read(By({v1::USAGE_DIMENSION_MODEL}, "team")).group_by,
            (std::vector<UsageDimension>{UsageDimension::kModel, UsageDimension::kLabel}));
  EXPECT_EQ(Read(By({v1::USAGE_DIMENSION_LABEL, v1::USAGE_DIMENSION_DAY}, "team")).group_by,
            (std::vector<UsageDimension>{UsageDimension::kLabel, UsageDimension::kDay}));
}

TEST(UsageFieldsTest, WhatMakesNoSenseIsNamed) {
  EXPECT_EQ(Wrong(By({v1::USAGE_DIMENSION_UNSPECIFIED})), "group_by");
  EXPECT_EQ(Wrong(By({static_cast<v1::UsageDimension>(6)})), "group_by");
  EXPECT_EQ(Wrong(By({static_cast<v1::UsageDimension>(-1)})), "group_by");
  EXPECT_EQ(Wrong(By({v1::USAGE_DIMENSION_DAY, v1::USAGE_DIMENSION_DAY})), "group_by");
  EXPECT_EQ(Wrong(By({v1::USAGE_DIMENSION_LABEL})), "label");
}

v1::UsageRow OddRow() {
  v1::UsageRow row;
  row.set_day("2024-02-29");
  row.set_tenant("acme");
  row.set_key_id("k1");
  row.set_model("a/b:3");
  row.set_label_value("12:团队/\"x\"\n");
  return row;
}

TEST(UsageFieldsTest, ATokenGoesOnWhereItsRowStands) {
  v1::ListUsageRequest request = By({}, "team");
  request.set_page_token(UsageToken(OddRow(), Read(request)));
  const billing::UsageFilter filter = Read(request);
  ASSERT_TRUE(filter.after);
  EXPECT_EQ(filter.after->day, absl::CivilDay(2024, 2, 29));
  EXPECT_EQ(filter.after->tenant, "acme");
  EXPECT_EQ(filter.after->key_id, "k1");
  EXPECT_EQ(filter.after->model, "a/b:3");
  EXPECT_EQ(filter.after->label, OddRow().label_value());
}

TEST(UsageFieldsTest, ATokenIsGoodForItsOwnGroupingOnly) {
  const std::string token = UsageToken(OddRow(), Read(By({}, "team")));
  const std::vector<v1::ListUsageRequest> others = {
      By({}), By({}, "tea"), By({}, "team2"), By({v1::USAGE_DIMENSION_DAY}, "team"),
      By({v1::USAGE_DIMENSION_TENANT, v1::USAGE_DIMENSION_DAY, v1::USAGE_DIMENSION_KEY,
          v1::USAGE_DIMENSION_MODEL},
         "team")};
  for (v1::ListUsageRequest other : others) {
    other.set_page_token(token);
    EXPECT_EQ(Wrong(other), "page_token");
  }
  // Nor is a part of it, or more than it.
  v1::ListUsageRequest request = By({}, "team");
  for (size_t length = 1; length < token.size(); ++length) {
    request.set_page_token(token.substr(0, length));
    EXPECT_EQ(Wrong(request), "page_token") << length;
  }
  for (const char* more : {"x", "1:", "0:"}) {
    request.set_page_token(token + more);
    EXPECT_EQ(Wrong(request), "page_token") << more;
  }
  for (const char* value : {"dtkml/team/-1:", "dtkml/team/99999999999999999999:x",
                            "dtkml/team/10:2024-02-30", "2024-06-27/acme/k1/m", "dtkml"}) {
    request.set_page_token(value);
    EXPECT_EQ(Wrong(request), "page_token") << value;
  }
  std::string zero = token;
  zero.back() = '\0';
  request.set_page_token(zero);
  EXPECT_EQ(Wrong(request), "page_token");
}

}  // namespace
}  // namespace pingti::rpc
