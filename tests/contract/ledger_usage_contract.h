// Of the ledger's contract: usage by what is asked for, labels among it.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/telemetry/access_record.h"
#include "tests/contract/ledger_fixture.h"

namespace pingti::billing {

// Usage by label, with texts that could mean something to SQL, to JSON or to a path in it.
class UsageByLabel : public LedgerContract {
 protected:
  using Labels = std::map<std::string, std::string>;

  void Call(const Labels& labels, int64_t cost, const std::string& model = "m",
            const std::string& key = "k") {
    const std::string id = std::to_string(++calls_);
    HoldRequest request = Request(id, cost);
    request.model = model;
    request.key_id = key;
    Hold(request);
    CallEnd end = EndOf(id, cost);
    if (!labels.empty()) end.labels = telemetry::LabelsJson(labels);
    End(end);
  }

  std::vector<UsageRow> Sum(const UsageFilter& filter) {
    std::vector<UsageRow> rows;
    Do([&](Ledger& ledger) { rows = ledger.SumUsage(filter); });
    return rows;
  }
  // Value and charge of each row.
  using Sums = std::vector<std::pair<std::string, int64_t>>;
  Sums SumBy(const std::string& label) {
    Sums sums;
    for (const UsageRow& row : Sum({.group_by = {UsageDimension::kLabel}, .label = label})) {
      EXPECT_EQ(row.day + row.tenant + row.key_id + row.model, "");
      sums.emplace_back(row.label, row.charged);
    }
    return sums;
  }
  int64_t ChargedWith(const Labels& labels) {
    int64_t charged = 0;
    for (const UsageRow& row : Sum({.labels = labels})) charged += row.charged;
    return charged;
  }

  int calls_ = 0;
};

// What a label may be called and what it may say, as far as the ledger goes.
inline const std::vector<std::string>& OddTexts() {
  static const std::vector<std::string> texts = {
      "team", "team.name", "$.team",   "$",           "team[0]", "a b", "\"team\"",
      "it's", "\\u0041",   "\\",       "团队",        ":label",  "?",   "%",
      "_",    "#-1",       "{}",       "null",        "0",       "A",   "😀",
      "é",    "e\u0301",   "\n\t\x01", "' OR 1=1 --", "\\\"",    "/",   "z"};
  return texts;
}

TEST_P(UsageByLabel, EachNameIsItself) {
  OpenAccount(kAcme, 1'000'000);
  // Each name in a call of its own, beside one that all have.
  int64_t cost = 0;
  for (const std::string& name : OddTexts()) {
    Call({{name, "v"}, {"all", name}}, ++cost);
  }
  Call({}, ++cost);
  const int64_t sum = cost * (cost + 1) / 2;
  int64_t own = 0;
  for (const std::string& name : OddTexts()) {
    ++own;
    EXPECT_EQ(SumBy(name), (Sums{{"", sum - own}, {"v", own}})) << name;
    EXPECT_EQ(ChargedWith({{name, "v"}}), own) << name;
    EXPECT_EQ(ChargedWith({{"all", name}, {name, "v"}}), own) << name;
    EXPECT_EQ(ChargedWith({{name, "v"}, {"all", "other"}}), 0) << name;
    EXPECT_EQ(ChargedWith({{name, ""}}), sum - own) << name;
    EXPECT_EQ(ChargedWith({{name, "V"}}), 0) << name;
  }
  EXPECT_EQ(SumBy("Team"), (Sums{{"", sum}}));
  EXPECT_EQ(SumBy("al"), (Sums{{"", sum}}));
}

TEST_P(UsageByLabel, EachValueIsItselfInTheOrderOfItsBytes) {
  OpenAccount(kAcme, 1'000'000);
  Sums expected;
  for (const std::string& value : OddTexts()) {
    const auto cost = static_cast<int64_t>(expected.size()) + 1;
    Call({{"team", value}, {"other", "x"}}, cost);
    expected.emplace_back(value, cost);
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(SumBy("team"), expected);
  for (const auto& [value, cost] : expected) {
    EXPECT_EQ(ChargedWith({{"team", value}}), cost) << value;
  }
  // Page by page.
  UsageFilter filter{.group_by = {UsageDimension::kLabel}, .label = "team", .limit = 1};
  Sums paged;
  for (size_t page = 0; page <= expected.size(); ++page) {
    const std::vector<UsageRow> rows = Sum(filter);
    if (rows.empty()) break;
    paged.emplace_back(rows.at(0).label, rows.at(0).charged);
    filter.after = UsageKey{.label = rows.at(0).label};
  }
  EXPECT_EQ(paged, expected);
}

TEST_P(UsageByLabel, AnyGroupingInAnyOrderHasEachCallOnceAlsoPageByPage) {
  OpenAccount(kAcme, 1'000'000);
  const auto first_day = absl::CivilDay(2024, 6, 27);
  int64_t cost = 0;
  for (int day = 0; day < 2; ++day) {
    for (const char* model : {"b/c", "a", "Z"}) {
      for (const char* key : {"k2", "k1"}) {
        Call({{"team", "red"}, {"no", "1"}}, ++cost, model, key);
        Call({{"team", "Blue"}}, ++cost, model, key);
        Call({}, ++cost, model, key);
      }
    }
    now_ += absl::Hours(24);
  }
  using D = UsageDimension;
  const std::vector<std::vector<D>> groupings = {
      {D::kDay},
      {D::kModel},
      {D::kLabel, D::kDay},
      {D::kModel, D::kDay},
      {D::kKey},
      {D::kTenant, D::kKey},
      {D::kDay, D::kModel, D::kKey},
      {D::kLabel, D::kModel},
      {D::kLabel},
      {D::kTenant},
      {D::kKey, D::kLabel, D::kModel, D::kDay, D::kTenant}};
  for (const std::vector<D>& grouping : groupings) {
    const auto key_of = [&](const UsageRow& row) {
      std::vector<std::string> key;
      for (const D dimension : grouping) {
        key.push_back(dimension == D::kDay      ? row.day
                      : dimension == D::kTenant ? row.tenant
                      : dimension == D::kKey    ? row.key_id
                      : dimension == D::kModel  ? row.model
                                                : row.label);
      }
      return key;
    };
    UsageFilter filter{.group_by = grouping, .label = "team", .limit = 1000};
    std::vector<std::vector<std::string>> whole;
    int64_t charged = 0;
    for (const UsageRow& row : Sum(filter)) {
      whole.push_back(key_of(row));
      charged += row.charged;
    }
    EXPECT_EQ(charged, cost * (cost + 1) / 2);
    EXPECT_TRUE(std::is_sorted(whole.begin(), whole.end()));
    EXPECT_EQ(std::adjacent_find(whole.begin(), whole.end()), whole.end());
    std::vector<std::vector<std::string>> paged;
    filter.limit = 2;
    for (size_t page = 0; page <= whole.size(); ++page) {
      const std::vector<UsageRow> rows = Sum(filter);
      if (rows.empty()) break;
      for (const UsageRow& row : rows) paged.push_back(key_of(row));
      const UsageRow& last = rows.back();
      const int day = last.day == "2024-06-28" ? 1 : 0;
      filter.after = UsageKey{first_day + day, last.tenant, last.key_id, last.model, last.label};
    }
    EXPECT_EQ(paged, whole);
  }
}

TEST_P(UsageByLabel, FiltersAreExact) {
  OpenAccount(kAcme, 1'000);
  Call({{"team", "red"}}, 1, "gpt-4o", "k1");
  Call({{"team", "red"}, {"stage", "x"}}, 2, "gpt-4o", "k2");
  Call({{"team", "blue"}}, 4, "gpt-4", "k1");
  Call({}, 8, "it's", "k1");
  const auto charged = [&](UsageFilter filter) {
    filter.group_by = {UsageDimension::kTenant};
    const std::vector<UsageRow> rows = Sum(filter);
    return rows.empty() ? 0 : rows.at(0).charged;
  };
  EXPECT_EQ(charged({}), 15);
  EXPECT_EQ(charged({.model = "gpt-4o"}), 3);
  EXPECT_EQ(charged({.model = "gpt-4"}), 4);
  EXPECT_EQ(charged({.model = "it's"}), 8);
  EXPECT_EQ(charged({.key_id = "k1"}), 13);
  EXPECT_EQ(charged({.key_id = "k1", .labels = {{"team", "red"}}}), 1);
  EXPECT_EQ(charged({.labels = {{"team", "red"}, {"stage", ""}}}), 1);
  EXPECT_EQ(charged({.labels = {{"team", "red"}, {"stage", "x"}}}), 2);
  EXPECT_EQ(charged({.labels = {{"team", ""}}}), 8);
  EXPECT_EQ(charged({.tenant = "duck"}), 0);
  EXPECT_EQ(charged({.tenant = kAcme, .model = "' OR ''='"}), 0);
}

TEST_P(UsageByLabel, ACallWhoseProcessDiedKeepsItsLabels) {
  OpenAccount(kAcme, 100);
  Hold(Request("a", 20));
  CallEnd so_far = EndOf("a", 9);
  so_far.labels = telemetry::LabelsJson({{"team", "red"}});
  Do([&](Ledger& ledger) { ledger.NoteDelivered(so_far); });
  now_ += absl::Hours(1);
  Do([&](Ledger& ledger) { EXPECT_EQ(ledger.RecoverCalls(now_, now_, 10), 1); });
  EXPECT_EQ(SumBy("team"), (Sums{{"red", 9}}));
}

}  // namespace pingti::billing
