// Amounts of money and prices, as integers: no floating point anywhere.
//
// An amount counts nano-units of its currency (1 unit = 1,000,000,000 nano), a price pico-units for
// each token (1 unit per million tokens = 1,000,000 pico): published prices are exact. Arithmetic
// never wraps: what does not fit says so.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/numeric/int128.h"

namespace pingti::base {

enum class Currency { kCny, kUsd };
inline constexpr int kCurrencyCount = 2;

std::string_view CurrencyCode(Currency currency);  // ISO 4217
std::optional<Currency> ParseCurrency(std::string_view code);

inline constexpr int64_t kNanoPerUnit = 1'000'000'000;
inline constexpr int64_t kPicoPerNano = 1'000;
// 1 unit per million tokens.
inline constexpr int64_t kPicoPerUnitPerMillion = 1'000'000;

struct Money {
  int64_t nano = 0;
  Currency currency = Currency::kCny;

  friend bool operator==(const Money&, const Money&) = default;
};

// `text` is a decimal number like `20`, `-0.5` or `2.25`, without exponent, sign `+`, or spaces;
// the result is `text` x 10^`digits`. Nothing where it is none, has more than `digits` digits after
// the point, or does not fit.
std::optional<int64_t> ParseDecimal(std::string_view text, int digits);

// `value` / 10^`digits` as a decimal number with at least `digits_min` digits after the point and
// no more zeros at the end than that: (2500000000, 9, 2) is `2.50`.
std::string FormatDecimal(int64_t value, int digits, int digits_min);

// `2.50 CNY`.
std::string FormatMoney(Money money);

// `numerator` / `denominator`, rounded up (to positive infinity). Nothing where it does not fit.
// REQUIRES: denominator > 0.
std::optional<int64_t> DivideUp(absl::int128 numerator, absl::int128 denominator);

}  // namespace pingti::base
