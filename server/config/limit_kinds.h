// The limits that a class of models or an API key may have, by their names in files, database and
// errors, in the order of quota::Dimension.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "server/config/config.h"

namespace pingti::config {

inline constexpr int64_t kRequestsMax = 1'000'000'000;
inline constexpr int64_t kTokensMax = 10'000'000'000;
inline constexpr int64_t kCallsAtOnceMax = 1'000'000;

struct LimitKind {
  std::string_view name;
  std::optional<Limit> ClassLimits::* limit;
  int64_t max;   // of the limit
  bool refills;  // with time, so that it may have a burst
};

inline constexpr std::array<LimitKind, 5> kLimitKinds = {{
    {"requests_per_minute", &ClassLimits::requests_per_minute, kRequestsMax, true},
    {"tokens_per_minute", &ClassLimits::tokens_per_minute, kTokensMax, true},
    {"requests_per_day", &ClassLimits::requests_per_day, kRequestsMax, true},
    {"tokens_per_day", &ClassLimits::tokens_per_day, kTokensMax, true},
    {"calls_at_once", &ClassLimits::calls_at_once, kCallsAtOnceMax, false},
}};

// Null: there is none of this name.
inline const LimitKind* FindLimitKind(std::string_view name) {
  for (const LimitKind& kind : kLimitKinds) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace pingti::config
