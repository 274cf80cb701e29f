// What calls used and cost, summed up by what is asked for.
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/billing/ledger_sql.h"

namespace pingti::billing {
namespace {

using soci::into;
using soci::use;

constexpr int64_t kMicrosPerDay = int64_t{86'400} * 1'000'000;

// SQL of one question, and what its variables stand for. The caller's texts are variables, never
// part of the SQL; so is the name of a label, which neither engine takes for a path here.
class UsageQuery {
 public:
  UsageQuery(const UsageFilter& filter, storage::Engine engine)
      : filter_(filter),
        is_postgres_(engine == storage::Engine::kPostgres),
        from_(Bounded(filter.from)),
        until_(Bounded(filter.until)) {
    PINGTI_CHECK(!filter.group_by.empty(), "rows are of something");
    if (filter.after) after_day_ = filter.after->day - absl::CivilDay();
    texts_.reserve(2 * filter.labels.size());  // they stay where they are
  }

  std::vector<UsageRow> Run(soci::session& session) {
    // Its parts in the order of the text: that of the variables does not matter, that of the
    // columns does.
    soci::statement find(session);
    const std::string sql = base::StrCat(
        "SELECT ", Columns(&find),
        ", COUNT(*), CAST(SUM(input_tokens) AS BIGINT), "
        "CAST(SUM(cached_input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), "
        "CAST(SUM(charged) AS BIGINT), CAST(SUM(would_have_cost) AS BIGINT) FROM (",
        Calls(&find), ") AS found", Behind(&find), Order(), " LIMIT :max");
    find.exchange(into(row_.calls));
    find.exchange(into(row_.input_tokens));
    find.exchange(into(row_.cached_input_tokens));
    find.exchange(into(row_.output_tokens));
    find.exchange(into(row_.charged));
    find.exchange(into(row_.would_have_cost));
    find.exchange(use(filter_.limit, "max"));
    find.alloc();
    find.prepare(sql);
    find.define_and_bind();
    find.execute();
    std::vector<UsageRow> rows;
    while (find.fetch()) {
      if (has_day_) {
        row_.day = absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(day_ * kMicrosPerDay),
                                    absl::UTCTimeZone());
      }
      rows.push_back(row_);
    }
    return rows;
  }

 private:
  static std::string_view NameOf(UsageDimension dimension) {
    switch (dimension) {
      case UsageDimension::kDay:
        return "call_day";
      case UsageDimension::kTenant:
        return "tenant";
      case UsageDimension::kKey:
        return "key_id";
      case UsageDimension::kModel:
        return "model";
      case UsageDimension::kLabel:
        return "label";
    }
    base::CheckFailed(__FILE__, __LINE__, "known dimension", "UsageDimension out of range");
  }

  // Value of the label that the variable names; empty where a call has none. PostgreSQL has no text
  // with the character U+0000, which values could have in earlier versions.
  std::string LabelOf(std::string_view variable) const {
    return is_postgres_ ? base::StrCat(
                              "CASE WHEN strpos(labels, '\\u0000') > 0 THEN '' ELSE "
                              "COALESCE(CAST(NULLIF(labels, '') AS json) ->> CAST(:",
                              variable, " AS text), '') END")
                        : base::StrCat(
                              "COALESCE((SELECT value FROM json_each(NULLIF(labels, '')) "
                              "WHERE key = :",
                              variable, "), '')");
  }

  // What a dimension is in the table. Both engines order texts by their bytes.
  std::string SourceOf(UsageDimension dimension, soci::statement* find) {
    if (dimension == UsageDimension::kDay) {
      return base::StrCat("opened_at / ", kMicrosPerDay, " AS call_day");
    }
    const std::string_view name = NameOf(dimension);
    std::string source(name);
    if (dimension == UsageDimension::kLabel) {
      find->exchange(use(filter_.label, "label"));
      source = LabelOf("label");
    }
    return base::StrCat(source, is_postgres_ ? " COLLATE \"C\" AS " : " AS ", name);
  }

  std::string Columns(soci::statement* find) {
    std::string columns;
    for (const UsageDimension dimension : filter_.group_by) {
      base::StrAppend(&columns, columns.empty() ? "" : ", ", NameOf(dimension));
      if (dimension == UsageDimension::kDay) {
        has_day_ = true;
        find->exchange(into(day_));
      } else {
        find->exchange(into(TextOf(dimension)));
      }
    }
    return columns;
  }

  // The calls that count, with a column for each dimension.
  std::string Calls(soci::statement* find) {
    std::string sql = "SELECT ";
    for (const UsageDimension dimension : filter_.group_by) {
      base::StrAppend(&sql, SourceOf(dimension, find), ", ");
    }
    sql +=
        "input_tokens, cached_input_tokens, output_tokens, charged, "
        "COALESCE(would_have_cost, 0) AS would_have_cost FROM calls "
        "WHERE opened_at >= :since AND opened_at < :until";
    find->exchange(use(from_, "since"));
    find->exchange(use(until_, "until"));
    if (!filter_.tenant.empty()) {
      base::StrAppend(&sql, " AND ", IsOfTenant("calls", "last_call"));
      find->exchange(use(filter_.tenant, "of_tenant"));
    }
    const std::pair<const char*, const std::string*> texts[] = {{"key_id", &filter_.key_id},
                                                                {"model", &filter_.model}};
    for (const auto& [column, text] : texts) {
      if (text->empty()) continue;
      const std::string variable = base::StrCat("of_", column);
      base::StrAppend(&sql, " AND ", column, " = :", variable);
      find->exchange(use(*text, variable));
    }
    for (const auto& [name, value] : filter_.labels) {
      const std::string name_variable = base::StrCat("label_name_", texts_.size());
      const std::string value_variable = base::StrCat("label_value_", texts_.size());
      base::StrAppend(&sql, " AND ", LabelOf(name_variable), " = :", value_variable);
      find->exchange(use(texts_.emplace_back(name), name_variable));
      find->exchange(use(texts_.emplace_back(value), value_variable));
    }
    return sql;
  }

  std::string Behind(soci::statement* find) {
    if (!filter_.after) return "";
    std::string names;
    std::string variables;
    for (const UsageDimension dimension : filter_.group_by) {
      const std::string variable = base::StrCat("after_", NameOf(dimension));
      base::StrAppend(&names, names.empty() ? "" : ", ", NameOf(dimension));
      base::StrAppend(&variables, variables.empty() ? ":" : ", :", variable);
      switch (dimension) {
        case UsageDimension::kDay:
          find->exchange(use(after_day_, variable));
          break;
        case UsageDimension::kTenant:
          find->exchange(use(filter_.after->tenant, variable));
          break;
        case UsageDimension::kKey:
          find->exchange(use(filter_.after->key_id, variable));
          break;
        case UsageDimension::kModel:
          find->exchange(use(filter_.after->model, variable));
          break;
        case UsageDimension::kLabel:
          find->exchange(use(filter_.after->label, variable));
          break;
      }
    }
    return base::StrCat(" WHERE (", names, ") > (", variables, ")");
  }

  std::string Order() const {
    std::string numbers;
    for (size_t i = 1; i <= filter_.group_by.size(); ++i) {
      base::StrAppend(&numbers, i == 1 ? "" : ", ", i);
    }
    return base::StrCat(" GROUP BY ", numbers, " ORDER BY ", numbers);
  }

  std::string& TextOf(UsageDimension dimension) {
    switch (dimension) {
      case UsageDimension::kTenant:
        return row_.tenant;
      case UsageDimension::kKey:
        return row_.key_id;
      case UsageDimension::kModel:
        return row_.model;
      default:
        return row_.label;
    }
  }

  const UsageFilter& filter_;
  const bool is_postgres_;
  const int64_t from_;
  const int64_t until_;
  int64_t after_day_ = 0;
  std::vector<std::string> texts_;
  UsageRow row_;
  bool has_day_ = false;
  int64_t day_ = 0;
};

}  // namespace

std::vector<UsageRow> Ledger::SumUsage(const UsageFilter& filter) {
  BeforeCommit();
  return UsageQuery(filter, database_.engine()).Run(database_.session());
}

}  // namespace pingti::billing
