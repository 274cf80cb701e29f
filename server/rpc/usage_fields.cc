#include "server/rpc/usage_fields.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/civil_time.h"
#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/config/value.h"
#include "server/rpc/query_fields.h"

namespace pingti::rpc {
namespace {

using billing::UsageDimension;

// In a token, by the number of the dimension.
constexpr std::string_view kLetters = "dtkml";
static_assert(v1::UsageDimension_ARRAYSIZE == kLetters.size() + 1);

bool Has(const std::vector<UsageDimension>& dimensions, UsageDimension dimension) {
  return std::find(dimensions.begin(), dimensions.end(), dimension) != dimensions.end();
}

QueryError ReadGroups(const v1::ListUsageRequest& request, billing::UsageFilter* filter) {
  std::vector<UsageDimension> groups;
  for (const int number : request.group_by()) {
    if (number == v1::USAGE_DIMENSION_UNSPECIFIED || !v1::UsageDimension_IsValid(number)) {
      return model::InvalidField(
          "group_by", base::StrCat("has ", number,
                                   ", which is no dimension known to this version; write day, "
                                   "tenant, key, model or label"));
    }
    const auto dimension = static_cast<UsageDimension>(number - 1);
    if (Has(groups, dimension)) {
      return model::InvalidField(
          "group_by",
          base::StrCat("has ", v1::UsageDimension_Name(static_cast<v1::UsageDimension>(number)),
                       " twice; write it once"));
    }
    groups.push_back(dimension);
  }
  if (!groups.empty()) filter->group_by = groups;
  const bool has_label = Has(filter->group_by, UsageDimension::kLabel);
  if (has_label && request.label().empty()) {
    return model::InvalidField("label", "is empty; USAGE_DIMENSION_LABEL takes the label's name");
  }
  if (!has_label && !request.label().empty()) filter->group_by.push_back(UsageDimension::kLabel);
  return std::nullopt;
}

// What a token of this grouping begins with. The name of a label has no slash.
std::string HeadOf(const billing::UsageFilter& filter) {
  std::string head;
  for (const UsageDimension dimension : filter.group_by) {
    head += kLetters[static_cast<size_t>(dimension)];
  }
  return base::StrCat(head, "/", filter.label, "/");
}

// Takes `<bytes>:<value>` off the front.
std::optional<std::string> TakeValue(std::string_view* token) {
  const size_t colon = token->find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<int64_t> bytes = config::ParseInteger(token->substr(0, colon));
  token->remove_prefix(colon + 1);
  if (!bytes || *bytes < 0 || static_cast<uint64_t>(*bytes) > token->size()) return std::nullopt;
  std::string value(token->substr(0, static_cast<size_t>(*bytes)));
  token->remove_prefix(value.size());
  return value;
}

std::optional<billing::UsageKey> ParseToken(std::string_view token,
                                            const billing::UsageFilter& filter) {
  const std::string head = HeadOf(filter);
  if (!token.starts_with(head) || token.find('\0') != std::string_view::npos) return std::nullopt;
  token.remove_prefix(head.size());
  billing::UsageKey key;
  for (const UsageDimension dimension : filter.group_by) {
    std::optional<std::string> value = TakeValue(&token);
    if (!value) return std::nullopt;
    switch (dimension) {
      case UsageDimension::kDay: {
        const std::optional<absl::CivilDay> day = config::ParseDate(*value);
        if (!day) return std::nullopt;
        key.day = *day;
        break;
      }
      case UsageDimension::kTenant:
        key.tenant = *std::move(value);
        break;
      case UsageDimension::kKey:
        key.key_id = *std::move(value);
        break;
      case UsageDimension::kModel:
        key.model = *std::move(value);
        break;
      case UsageDimension::kLabel:
        key.label = *std::move(value);
        break;
    }
  }
  if (!token.empty()) return std::nullopt;
  return key;
}

const std::string& ValueOf(const v1::UsageRow& row, UsageDimension dimension) {
  switch (dimension) {
    case UsageDimension::kDay:
      return row.day();
    case UsageDimension::kTenant:
      return row.tenant();
    case UsageDimension::kKey:
      return row.key_id();
    case UsageDimension::kModel:
      return row.model();
    case UsageDimension::kLabel:
      return row.label_value();
  }
  base::CheckFailed(__FILE__, __LINE__, "known dimension", "UsageDimension out of range");
}

}  // namespace

QueryError ReadUsageFilter(const v1::ListUsageRequest& request, billing::UsageFilter* filter) {
  filter->model = request.model();
  filter->key_id = request.key_id();
  filter->labels = {request.labels().begin(), request.labels().end()};
  filter->label = request.label();
  if (auto error = ReadGroups(request, filter)) return error;
  if (request.page_token().empty()) return std::nullopt;
  filter->after = ParseToken(request.page_token(), *filter);
  if (!filter->after) return BadToken();
  return std::nullopt;
}

std::string UsageToken(const v1::UsageRow& row, const billing::UsageFilter& filter) {
  std::string token = HeadOf(filter);
  for (const UsageDimension dimension : filter.group_by) {
    const std::string& value = ValueOf(row, dimension);
    base::StrAppend(&token, value.size(), ":", value);
  }
  return token;
}

}  // namespace pingti::rpc
