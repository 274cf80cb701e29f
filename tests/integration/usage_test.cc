// What calls used and cost, by what is asked for, and the list of prices; by gRPC and as commands.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/accounts_fixture.h"

namespace pingti::integration {
namespace {

using testing::HasSubstr;
using testing::Not;

using UsageTest = AccountsTest;
using PricesTest = NoLedgerTest;

TEST_F(UsageTest, UsageIsWhatCallsWereCharged) {
  int64_t charged = 0;
  int64_t input = 0;
  int64_t output = 0;
  for (int i = 0; i < 3; ++i) {
    const auto answer = Tenant().Generate(Ask("Hello " + std::to_string(i), "large"));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    charged += answer->cost().charged().nano_units();
    input += answer->usage().input_tokens();
    output += answer->usage().output_tokens();
  }
  EXPECT_FALSE(Tenant().Generate(Ask("Hello [sim:status=500]", "large")).ok());
  EXPECT_GT(charged, 0);
  // A post is durable a moment after the answer.
  EXPECT_TRUE(Eventually([&] {
    const v1::Balance balance = BalanceOf("acme");
    return balance.held().nano_units() == 0 &&
           balance.total().nano_units() == 100 * kUnit - charged;
  })) << BalanceOf("acme").ShortDebugString();

  v1::ListUsageRequest request;
  request.set_page_size(1);
  const auto usage = Tenant().ListUsage(request);
  ASSERT_TRUE(usage.ok()) << usage.error().message;
  ASSERT_EQ(usage->rows_size(), 1);
  const v1::UsageRow& row = usage->rows(0);
  EXPECT_EQ(row.tenant(), "acme");
  EXPECT_EQ(row.model(), "large");
  EXPECT_EQ(row.calls(), 4);
  EXPECT_EQ(row.input_tokens(), input);
  EXPECT_EQ(row.output_tokens(), output);
  EXPECT_EQ(row.charged().nano_units(), charged);
  EXPECT_EQ(usage->next_page_token(), "");
  EXPECT_EQ(Admin().VerifyLedger()->findings_size(), 0);

  const std::string month = row.day().substr(0, 7);
  const CommandEnd csv = Pingti({"statement", "--month", month});
  EXPECT_EQ(csv.code, 0) << csv.errors;
  EXPECT_THAT(csv.output, HasSubstr("newcomer"));
  EXPECT_THAT(csv.output, HasSubstr(row.day() + ",calls,," + row.key_id() + ",large,4,"));
  EXPECT_THAT(csv.output, Not(HasSubstr("another month")));
  EXPECT_THAT(Pingti({"usage"}).output, HasSubstr("large"));
}

TEST_F(UsageTest, PagesOfUsageHaveEachRowOnce) {
  const std::vector<std::string> models = {"large", "middle", "middle/2"};
  for (const std::string& model : models) {
    ASSERT_TRUE(Tenant().Generate(Ask("Hello", model)).ok()) << model;
  }
  std::vector<std::string> listed;
  EXPECT_TRUE(Eventually([&] {
    listed.clear();
    v1::ListUsageRequest request;
    request.set_page_size(1);
    do {
      const auto page = Tenant().ListUsage(request);
      if (!page.ok()) return false;
      for (const v1::UsageRow& row : page->rows()) listed.push_back(row.model());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return listed.size() >= models.size();
  }));
  EXPECT_EQ(listed, models);  // unless midnight passed meanwhile
  const CommandEnd csv = Pingti({"usage", "--csv"});
  EXPECT_EQ(std::count(csv.output.begin(), csv.output.end(), '\n'), 4) << csv.output;
}

TEST_F(UsageTest, UsageByLabelByGrpcAndCommand) {
  const std::string chinese = "研发 'A' \"b\"";
  for (const auto& [team, model] : std::vector<std::pair<std::string, std::string>>{
           {chinese, "large"}, {chinese, "middle"}, {"ops", "large"}, {"", "large"}}) {
    v1::CompletionSpec spec = Ask("Hello", model);
    if (!team.empty()) (*spec.mutable_labels())["cost.team"] = team;
    ASSERT_TRUE(Tenant().Generate(spec).ok());
  }
  v1::ListUsageRequest request;
  request.set_label("cost.team");
  request.add_group_by(v1::USAGE_DIMENSION_LABEL);
  request.add_group_by(v1::USAGE_DIMENSION_MODEL);
  request.set_page_size(1);
  std::vector<std::string> listed;
  EXPECT_TRUE(Eventually([&] {
    listed.clear();
    request.clear_page_token();
    do {
      const auto page = Tenant().ListUsage(request);
      if (!page.ok()) return false;
      for (const v1::UsageRow& row : page->rows()) {
        EXPECT_EQ(row.day() + row.tenant() + row.key_id(), "");
        listed.push_back(row.label_value() + " " + row.model() + " " + std::to_string(row.calls()));
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return listed.size() == 4;
  }));
  EXPECT_EQ(listed, (std::vector<std::string>{" large 1", "ops large 1", chinese + " large 1",
                                              chinese + " middle 1"}));

  const CommandEnd csv = Pingti(
      {"usage", "--csv", "--by", "model", "--with-label", "cost.team=" + chinese, "-m", "middle"});
  EXPECT_EQ(csv.code, 0) << csv.errors;
  EXPECT_THAT(csv.output, HasSubstr("model,calls,"));
  EXPECT_THAT(csv.output, HasSubstr("\nmiddle,1,"));
  EXPECT_EQ(std::count(csv.output.begin(), csv.output.end(), '\n'), 2) << csv.output;
  const CommandEnd table = Pingti({"usage", "--by", "label", "--label", "cost.team"});
  EXPECT_EQ(table.code, 0) << table.errors;
  EXPECT_THAT(table.output, HasSubstr("LABEL cost.team"));
  EXPECT_THAT(table.output, HasSubstr(chinese));
  EXPECT_THAT(Pingti({"usage", "--json", "--label", "cost.team"}).output,
              HasSubstr("\"label_value\":\"ops\""));
  // A name that no label has is a mistake, not an empty list.
  const CommandEnd odd = Pingti({"usage", "--label", "$.'team"});
  EXPECT_NE(odd.code, 0);
  EXPECT_THAT(odd.errors, HasSubstr("label"));

  const auto field = [](const client::Error& error) {
    return error.field_violations.empty() ? error.reason : error.field_violations[0].field;
  };
  v1::ListUsageRequest wrong;
  wrong.set_label("团队");
  EXPECT_EQ(field(Tenant().ListUsage(wrong).error()), "label");
  wrong.clear_label();
  (*wrong.mutable_labels())["a\"b"] = "x";
  EXPECT_EQ(field(Tenant().ListUsage(wrong).error()), "labels");
  wrong.clear_labels();
  (*wrong.mutable_labels())["team"] = std::string("a\0b", 3);
  EXPECT_EQ(field(Tenant().ListUsage(wrong).error()), "labels[team]");
  wrong.clear_labels();
  for (int i = 0; i < 17; ++i) (*wrong.mutable_labels())["l" + std::to_string(i)] = "x";
  EXPECT_EQ(field(Tenant().ListUsage(wrong).error()), "labels");
  wrong.clear_labels();
  wrong.set_model("a\nb");
  EXPECT_EQ(field(Tenant().ListUsage(wrong).error()), "model");
}

TEST_F(PricesTest, PricesAreThereForEveryKeyPageByPage) {
  v1::ListPricesRequest request;
  const auto in_force = Tenant().ListPrices(request);
  ASSERT_TRUE(in_force.ok()) << in_force.error().message;
  const auto same = Admin().ListPrices(request);
  ASSERT_TRUE(same.ok()) << same.error().message;
  EXPECT_EQ(same->SerializeAsString(), in_force->SerializeAsString());
  const auto find = [](const v1::ListPricesResponse& response, const std::string& model) {
    for (const v1::ListedPrice& listed : response.prices()) {
      if (listed.model() == model) return listed;
    }
    return v1::ListedPrice();
  };
  const v1::ListedPrice large = find(*in_force, "large");
  EXPECT_EQ(large.provider(), "simulated");
  EXPECT_EQ(large.price().input_pico_per_token(), 20'000'000);
  EXPECT_EQ(large.price().version(), "large@2024-06-01");
  EXPECT_TRUE(large.current());
  EXPECT_EQ(large.price().source(), "a page");
  EXPECT_EQ(large.price().source_date(), "2024-05-30");
  EXPECT_EQ(find(*in_force, "middle").model(), "");  // it has none

  request.set_all_versions(true);
  const auto all = Tenant().ListPrices(request);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(in_force->prices_size(), 1);
  ASSERT_EQ(all->prices_size(), 2);
  EXPECT_EQ(all->prices(0).until(), "2024-06-01");
  EXPECT_FALSE(all->prices(0).current());
  request.set_page_size(1);
  v1::ListPricesResponse paged;
  do {
    const auto page = Tenant().ListPrices(request);
    ASSERT_TRUE(page.ok()) << page.error().message;
    ASSERT_EQ(page->prices_size(), 1);
    paged.mutable_prices()->MergeFrom(page->prices());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(paged.SerializeAsString(), all->SerializeAsString());

  const auto field = [](const client::Error& error) {
    return error.field_violations.empty() ? error.reason : error.field_violations[0].field;
  };
  for (const char* token : {"x", "large@", "large@2024-06-31", "2024-06-01"}) {
    request.set_page_token(token);
    EXPECT_EQ(field(Tenant().ListPrices(request).error()), "page_token") << token;
  }
  request.clear_page_token();
  request.set_provider("simulat");
  EXPECT_EQ(field(Tenant().ListPrices(request).error()), "provider");
  request.set_provider("simulated");
  request.set_model("larg");
  EXPECT_EQ(field(Tenant().ListPrices(request).error()), "model");

  const CommandEnd table = Pingti({"prices", "list", "--provider", "simulated"});
  EXPECT_EQ(table.code, 0) << table.errors;
  EXPECT_THAT(table.output, HasSubstr("large  simulated  2024-06-01  CNY"));
  const CommandEnd csv = Pingti({"prices", "list", "-m", "large", "--all", "--csv"});
  EXPECT_EQ(csv.code, 0) << csv.errors;
  EXPECT_THAT(csv.output, HasSubstr("\nlarge,simulated,large,large@2024-06-01,2024-06-01,,true,CNY,"
                                    "20,20,20,0,CNY,1,,a page,2024-05-30,true\n"));
  EXPECT_THAT(Pingti({"prices", "list", "--json"}).output, HasSubstr("\"version\":\"large@2024"));
  // An administrator who has no other key.
  const CommandEnd admin =
      RunCommand(server_, {"prices", "list"}, {{"PINGTI_ADMIN_KEY", admin_key_.key}});
  EXPECT_EQ(admin.code, 0) << admin.errors;
}

}  // namespace
}  // namespace pingti::integration
