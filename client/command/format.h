// Numbers for people, and from them.
//
// Thread-safety: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pingti/v1/usage.pb.h"

namespace pingti::command {

// `350 ms`, `1.2 s`, `2 min 5 s`, `3 h 12 min`. Rounded up: for "try again in" a shorter time
// would be wrong. Below zero as zero.
std::string FormatWait(std::chrono::milliseconds wait);

// `128,000`.
std::string FormatCount(std::int64_t count);

// `value` / 10^`digits`, exact, with at least `digits_min` digits after the point and no more zeros
// at the end than that: (2500000, 6, 0) is `2.5`.
std::string FormatUnits(std::int64_t value, int digits, int digits_min);

// Digits of a nano-unit behind the point of a unit.
inline constexpr int kNanoDigits = 9;

// The highest price, in pico-units per token: a unit.
inline constexpr std::int64_t kPicoMax = 1'000'000'000'000;

// A price in pico-units per token as units per million tokens: 2500000 is `2.5`.
std::string FormatPerMillion(std::int64_t pico);

// `0.00123 CNY`: exact, without trailing zeros beyond two decimals.
std::string FormatMoney(const v1::Money& money);

// What FormatUnits() writes: `text` x 10^`digits`, exact. Nothing: it is no decimal number, has
// more than `digits` digits after the point, or does not fit.
std::optional<std::int64_t> ParseUnits(std::string_view text, int digits);

// Amounts in nano-units with as many decimals as the finest of them needs, and at least two, so
// that their points stand below each other.
std::vector<std::string> FormatAmounts(const std::vector<std::int64_t>& nanos);

// Milliseconds of a protobuf duration, rounded up; 0 for negative ones.
std::chrono::milliseconds ToMilliseconds(const google::protobuf::Duration& duration);

}  // namespace pingti::command
