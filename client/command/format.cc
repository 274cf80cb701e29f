#include "client/command/format.h"

#include <algorithm>
#include <limits>

namespace pingti::command {
namespace {

constexpr std::int64_t kMsPerSecond = 1000;
constexpr std::int64_t kMsPerMinute = 60 * kMsPerSecond;
constexpr std::int64_t kMinutesPerHour = 60;

std::int64_t DividedUp(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }

}  // namespace

std::string FormatWait(std::chrono::milliseconds wait) {
  const std::int64_t ms = std::max<std::int64_t>(wait.count(), 0);
  if (ms < kMsPerSecond) return std::to_string(ms) + " ms";
  const std::int64_t tenths = DividedUp(ms, kMsPerSecond / 10);
  if (tenths < 600) {
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
  }
  const std::int64_t seconds = DividedUp(ms, kMsPerSecond);
  if (seconds < 3600) {
    return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
  }
  const std::int64_t minutes = DividedUp(ms, kMsPerMinute);
  return std::to_string(minutes / kMinutesPerHour) + " h " +
         std::to_string(minutes % kMinutesPerHour) + " min";
}

std::string FormatCount(std::int64_t count) {
  std::string digits = std::to_string(count);
  const std::size_t first = count < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string FormatUnits(std::int64_t value, int digits, int digits_min) {
  const auto bits = static_cast<std::uint64_t>(value);
  std::uint64_t rest = value < 0 ? 0 - bits : bits;
  std::string decimals;
  for (int i = 0; i < digits; ++i, rest /= 10) {
    decimals.insert(decimals.begin(), static_cast<char>('0' + rest % 10));
  }
  while (decimals.size() > static_cast<std::size_t>(digits_min) && decimals.back() == '0') {
    decimals.pop_back();
  }
  return (value < 0 ? "-" : "") + std::to_string(rest) + (decimals.empty() ? "" : ".") + decimals;
}

std::string FormatPerMillion(std::int64_t pico) {
  constexpr int kPicoPerMillionDigits = 6;
  return FormatUnits(pico, kPicoPerMillionDigits, 0);
}

std::string FormatMoney(const v1::Money& money) {
  return FormatUnits(money.nano_units(), kNanoDigits, 2) + " " + money.currency();
}

std::optional<std::int64_t> ParseUnits(std::string_view text, int digits) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string all(text.substr(0, point));
  const std::string_view decimals = text.substr(std::min(point + 1, text.size()));
  // `1.` is a slip.
  if (all.empty() || (point < text.size() && decimals.empty())) return std::nullopt;
  if (decimals.size() > static_cast<std::size_t>(digits)) return std::nullopt;
  all += decimals;
  all.append(static_cast<std::size_t>(digits) - decimals.size(), '0');
  std::int64_t value = 0;
  for (const char c : all) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, c - '0', &value)) {
      return std::nullopt;
    }
  }
  return negative ? -value : value;
}

std::vector<std::string> FormatAmounts(const std::vector<std::int64_t>& nanos) {
  int digits = 2;
  for (const std::int64_t nano : nanos) {
    std::int64_t rest = nano;
    int needed = kNanoDigits;
    while (needed > digits && rest % 10 == 0) {
      rest /= 10;
      --needed;
    }
    digits = std::max(digits, needed);
  }
  std::vector<std::string> texts;
  texts.reserve(nanos.size());
  for (const std::int64_t nano : nanos) texts.push_back(FormatUnits(nano, kNanoDigits, digits));
  return texts;
}

std::chrono::milliseconds ToMilliseconds(const google::protobuf::Duration& duration) {
  constexpr std::int64_t kSecondsMax = std::numeric_limits<std::int64_t>::max() / 10'000;
  if (duration.seconds() < 0 || duration.nanos() < 0) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(std::min(duration.seconds(), kSecondsMax) * kMsPerSecond +
                                   DividedUp(duration.nanos(), 1'000'000));
}

}  // namespace pingti::command
