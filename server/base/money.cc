#include "server/base/money.h"

#include <algorithm>
#include <limits>

#include "server/base/check.h"
#include "server/base/strings.h"

namespace pingti::base {
namespace {

constexpr int kDigitsMax = 18;  // 10^18 is the largest power of ten in an int64
constexpr int kUnitDigits = 9;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string_view CurrencyCode(Currency currency) {
  switch (currency) {
    case Currency::kCny:
      return "CNY";
    case Currency::kUsd:
      return "USD";
  }
  return "";
}

std::optional<Currency> ParseCurrency(std::string_view code) {
  if (code == "CNY") return Currency::kCny;
  if (code == "USD") return Currency::kUsd;
  return std::nullopt;
}

std::optional<int64_t> ParseDecimal(std::string_view text, int digits) {
  PINGTI_CHECK(digits >= 0 && digits <= kDigitsMax, "a constant of the caller's");
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
  if (whole.empty() || (point != std::string_view::npos && fraction.empty())) return std::nullopt;
  if (!std::all_of(whole.begin(), whole.end(), IsDigit) ||
      !std::all_of(fraction.begin(), fraction.end(), IsDigit)) {
    return std::nullopt;
  }
  while (fraction.ends_with('0')) fraction.remove_suffix(1);
  if (fraction.size() > static_cast<size_t>(digits)) return std::nullopt;
  int64_t value = 0;
  const auto add = [&](char c) {
    const int64_t digit = c - '0';
    return !__builtin_mul_overflow(value, 10, &value) &&
           !(negative ? __builtin_sub_overflow(value, digit, &value)
                      : __builtin_add_overflow(value, digit, &value));
  };
  for (char c : whole) {
    if (!add(c)) return std::nullopt;
  }
  for (int i = 0; i < digits; ++i) {
    const size_t at = static_cast<size_t>(i);
    if (!add(at < fraction.size() ? fraction[at] : '0')) return std::nullopt;
  }
  return value;
}

std::string FormatDecimal(int64_t value, int digits, int digits_min) {
  PINGTI_CHECK(digits >= 0 && digits <= kDigitsMax && digits_min <= digits,
               "constants of the caller's");
  uint64_t rest = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string fraction;
  for (int i = 0; i < digits; ++i) {
    fraction.push_back(static_cast<char>('0' + rest % 10));
    rest /= 10;
  }
  std::reverse(fraction.begin(), fraction.end());
  while (fraction.size() > static_cast<size_t>(std::max(digits_min, 0)) && fraction.back() == '0') {
    fraction.pop_back();
  }
  return StrCat(value < 0 ? "-" : "", rest, fraction.empty() ? "" : ".", fraction);
}

std::string FormatMoney(Money money) {
  return StrCat(FormatDecimal(money.nano, kUnitDigits, 2), " ", CurrencyCode(money.currency));
}

std::optional<int64_t> DivideUp(absl::int128 numerator, absl::int128 denominator) {
  PINGTI_CHECK(denominator > 0, "a scale");
  absl::int128 quotient = numerator / denominator;
  if (numerator % denominator > 0) ++quotient;  // division rounds to zero
  if (quotient > std::numeric_limits<int64_t>::max() ||
      quotient < std::numeric_limits<int64_t>::min()) {
    return std::nullopt;
  }
  return static_cast<int64_t>(quotient);
}

}  // namespace pingti::base
