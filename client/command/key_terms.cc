#include "client/command/key_terms.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>

#include "client/command/format.h"

namespace pingti::command {
namespace {

// By the number of the dimension, as in the server's configuration.
constexpr std::array<std::string_view, 6> kDimensions = {"",
                                                         "requests_per_minute",
                                                         "tokens_per_minute",
                                                         "requests_per_day",
                                                         "tokens_per_day",
                                                         "calls_at_once"};
static_assert(v1::QuotaDimension_ARRAYSIZE == kDimensions.size());

constexpr std::array<std::string_view, 3> kRights = {"", "complete", "read_account"};
static_assert(v1::KeyRight_ARRAYSIZE == kRights.size());

constexpr std::string_view kShadow = ":shadow";

std::optional<std::int64_t> ParseNumber(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0) return std::nullopt;
  return number;
}

}  // namespace

std::optional<v1::KeyLimit> ParseKeyLimit(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  v1::KeyLimit limit;
  for (std::size_t i = 1; i < kDimensions.size(); ++i) {
    if (kDimensions[i] == text.substr(0, equals)) {
      limit.set_dimension(static_cast<v1::QuotaDimension>(i));
    }
  }
  if (limit.dimension() == v1::QUOTA_DIMENSION_UNSPECIFIED) return std::nullopt;
  std::string_view number = text.substr(equals + 1);
  if (number.ends_with(kShadow)) {
    limit.set_shadow(true);
    number.remove_suffix(kShadow.size());
  }
  if (const std::size_t colon = number.find(':'); colon != std::string_view::npos) {
    const auto burst = ParseNumber(number.substr(colon + 1));
    if (!burst || *burst == 0) return std::nullopt;
    limit.set_burst(*burst);
    number = number.substr(0, colon);
  }
  const auto parsed = ParseNumber(number);
  if (!parsed) return std::nullopt;
  limit.set_limit(*parsed);
  return limit;
}

std::optional<v1::KeyRight> ParseKeyRight(std::string_view text) {
  for (std::size_t i = 1; i < kRights.size(); ++i) {
    if (kRights[i] == text) return static_cast<v1::KeyRight>(i);
  }
  return std::nullopt;
}

std::string FormatKeyRights(const v1::Key& key) {
  std::string text;
  for (const int right : key.rights()) {
    if (!text.empty()) text += ", ";
    const auto index = static_cast<std::size_t>(right);
    text += index < kRights.size() ? kRights[index] : "?";
  }
  return text;
}

std::optional<v1::KeyBudget> ParseKeyBudget(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  v1::KeyBudget budget;
  if (text.substr(slash) == "/day") budget.set_period(v1::BUDGET_PERIOD_DAY);
  if (text.substr(slash) == "/month") budget.set_period(v1::BUDGET_PERIOD_MONTH);
  if (budget.period() == v1::BUDGET_PERIOD_UNSPECIFIED) return std::nullopt;
  const auto nano = ParseUnits(text.substr(0, slash), kNanoDigits);
  if (!nano || *nano <= 0) return std::nullopt;
  budget.mutable_amount()->set_nano_units(*nano);
  return budget;
}

std::string FormatKeyBudget(const v1::Key& key) {
  if (!key.has_budget()) return "";
  return FormatMoney(key.budget().amount()) +
         (key.budget().period() == v1::BUDGET_PERIOD_DAY ? "/day" : "/month");
}

std::string FormatKeyLimits(const v1::Key& key) {
  std::string text;
  for (const v1::KeyLimit& limit : key.limits()) {
    if (!text.empty()) text += ", ";
    const auto dimension = static_cast<std::size_t>(limit.dimension());
    // A newer server may have more of them.
    text += dimension < kDimensions.size() ? kDimensions[dimension] : "?";
    text += "=" + std::to_string(limit.limit());
    if (limit.burst() > 0) text += ":" + std::to_string(limit.burst());
    if (limit.shadow()) text += kShadow;
  }
  return text;
}

}  // namespace pingti::command
