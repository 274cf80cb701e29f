#include "client/command/format.h"

#include <algorithm>
#include <limits>

namespace pingti::command {
namespace {

constexpr std::int64_t kMsPerSecond = 1000;
constexpr std::int64_t kMsPerMinute = 60 * kMsPerSecond;
constexpr std::int64_t kMinutesPerHour = 60;
constexpr int kNanoDigits = 9;

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

std::string FormatMoney(const v1::Money& money) {
  return FormatUnits(money.nano_units(), kNanoDigits, 2) + " " + money.currency();
}

std::chrono::milliseconds ToMilliseconds(const google::protobuf::Duration& duration) {
  constexpr std::int64_t kSecondsMax = std::numeric_limits<std::int64_t>::max() / 10'000;
  if (duration.seconds() < 0 || duration.nanos() < 0) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(std::min(duration.seconds(), kSecondsMax) * kMsPerSecond +
                                   DividedUp(duration.nanos(), 1'000'000));
}

}  // namespace pingti::command
