#include "server/exchange/rate_limit_headers.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include "absl/strings/ascii.h"
#include "server/base/strings.h"

namespace pingti::exchange {
namespace {

struct HeaderNames {
  const char* limit;
  const char* remaining;
  const char* reset;
};

constexpr HeaderNames kRequests = {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
                                   "x-ratelimit-reset-requests"};
constexpr HeaderNames kTokens = {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens",
                                 "x-ratelimit-reset-tokens"};

// A reset above this is no duration: some providers send the time of day, in seconds since 1970.
constexpr absl::Duration kResetMax = absl::Hours(24);
// Resets are rounded, to a second by some.
constexpr absl::Duration kResetRounding = absl::Seconds(1);

int64_t MillisUp(absl::Duration duration) {
  return absl::ToInt64Milliseconds(duration + absl::Milliseconds(1) - absl::Nanoseconds(1));
}

void AddHeaders(const HeaderNames& names, const quota::Bucket::State& state, ResponseSink& sink) {
  sink.AddHeader(names.limit, base::StrCat(state.limit));
  sink.AddHeader(names.remaining, base::StrCat(std::max<int64_t>(0, state.remaining)));
  sink.AddHeader(names.reset, FormatReset(state.full_in));
}

std::optional<int64_t> NumberOf(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// `12ms`, `8.64s`, `6m0s`, or a plain number of seconds.
std::optional<absl::Duration> ResetOf(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const bool plain = absl::ascii_isdigit(static_cast<unsigned char>(text.back()));
  absl::Duration reset;
  if (!absl::ParseDuration(base::StrCat(text, plain ? "s" : ""), &reset)) return std::nullopt;
  if (reset <= absl::ZeroDuration() || reset > kResetMax) return std::nullopt;
  return reset;
}

// When an empty bucket of `limit` per `window`, which is full in `full_in`, has its first unit.
absl::Duration FirstUnitIn(absl::Duration full_in, int64_t limit, absl::Duration window) {
  const absl::Duration first = full_in - (window - window / limit);
  if (first < -kResetRounding) return full_in;
  return std::clamp(first, absl::ZeroDuration(), window);
}

// Providers do not say whether they mean the limit per minute or per day; the number tells where it
// is that of our limit per day.
quota::Dimension DimensionMeant(const quota::BucketSet& limits, std::optional<int64_t> limit,
                                quota::Dimension minute, quota::Dimension day) {
  const auto& of_day = limits.limit(day);
  return of_day && (!limits.limit(minute) || limit == of_day->limit) ? day : minute;
}

}  // namespace

void AddBucketHeaders(const quota::ScopeStates& states, ResponseSink& sink) {
  using quota::Dimension;
  const auto add = [&](const HeaderNames& names, Dimension minute, Dimension day) {
    const auto& of_minute = states[static_cast<size_t>(minute)];
    const auto& state = of_minute ? of_minute : states[static_cast<size_t>(day)];
    if (state) AddHeaders(names, *state, sink);
  };
  add(kRequests, Dimension::kRequestsPerMinute, Dimension::kRequestsPerDay);
  add(kTokens, Dimension::kTokensPerMinute, Dimension::kTokensPerDay);
}

std::vector<ProviderLimit> ReadProviderLimits(const transport::HttpTransfer& transfer,
                                              const quota::BucketSet& limits) {
  using quota::Dimension;
  std::vector<ProviderLimit> found;
  const auto read = [&](const HeaderNames& names, Dimension minute, Dimension day) {
    const auto remaining = NumberOf(transfer.header(names.remaining));
    if (!remaining) return;
    const auto limit = NumberOf(transfer.header(names.limit));
    const Dimension dimension = DimensionMeant(limits, limit, minute, day);
    absl::Duration not_before;
    if (const auto reset = ResetOf(transfer.header(names.reset)); reset && *remaining == 0) {
      const auto& ours = limits.limit(dimension);
      const int64_t size = limit.value_or(ours ? ours->limit : 0);
      not_before = FirstUnitIn(*reset, std::max<int64_t>(1, size), quota::WindowOf(dimension));
    }
    found.push_back({dimension, *remaining, not_before});
  };
  read(kRequests, Dimension::kRequestsPerMinute, Dimension::kRequestsPerDay);
  read(kTokens, Dimension::kTokensPerMinute, Dimension::kTokensPerDay);
  return found;
}

std::string FormatReset(absl::Duration duration) {
  const int64_t millis = MillisUp(duration);
  if (millis < 1000) return millis == 0 ? "0s" : base::StrCat(millis, "ms");
  const int64_t minutes = millis / 60'000;
  const int64_t rest = millis % 60'000;
  std::string seconds = base::StrCat(rest / 1000);
  if (rest % 1000 != 0) {
    std::string fraction = base::StrCat(1000 + rest % 1000).substr(1);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    base::StrAppend(&seconds, ".", fraction);
  }
  if (minutes == 0) return seconds + "s";
  if (minutes < 60) return base::StrCat(minutes, "m", seconds, "s");
  return base::StrCat(minutes / 60, "h", minutes % 60, "m", seconds, "s");
}

model::CallError QuotaError(const quota::Refusal& refusal, int place) {
  const std::string& subject = refusal.scope->subject();
  model::CallError error;
  if (refusal.store_down) {
    error.reason = model::ErrorReason::kQuotaUnavailable;
    error.message = "the quotas cannot be checked now";
    if (refusal.scope->when_store_is_down() == config::StoreDownPolicy::kDeny) {
      error.message += ", and the tier admits nothing then";
    }
    error.retry_delay = refusal.wait;
    return error;
  }
  const std::string_view dimension = quota::DimensionName(refusal.dimension);
  error.metadata["bucket"] = base::StrCat(subject, "/", dimension);
  error.metadata["limit"] = base::StrCat(refusal.state.limit);
  error.metadata["requested"] = base::StrCat(refusal.requested);
  if (refusal.wait == absl::InfiniteDuration()) {
    error.reason = model::ErrorReason::kExceedsLimit;
    error.message = base::StrCat("the request needs ", refusal.requested, " of ", dimension,
                                 ", more than the whole limit of ", refusal.state.capacity);
    return error;
  }
  error.reason = model::ErrorReason::kQuotaExceeded;
  error.metadata["remaining"] = base::StrCat(refusal.state.remaining);
  error.metadata["reset_ms"] = base::StrCat(MillisUp(refusal.state.full_in));
  if (place > 0) {
    error.metadata["position"] = base::StrCat(place);
    error.metadata["expected_wait_ms"] = base::StrCat(MillisUp(refusal.wait));
  }
  error.retry_delay = refusal.wait;
  const std::string description =
      base::StrCat(dimension, ": limit ", refusal.state.limit, ", left ", refusal.state.remaining,
                   ", requested ", refusal.requested);
  error.message = base::StrCat("quota exceeded: ", description);
  error.quotas.push_back({subject, description});
  return error;
}

void CountRefusal(const quota::Refusal& refusal, bool of_key, telemetry::QuotaStats& stats) {
  if (refusal.store_down) {
    stats.store_down.Add();
  } else if (refusal.wait == absl::InfiniteDuration()) {
    stats.too_large.Add();
  } else {
    auto& refused = of_key ? stats.refused_by_key : stats.refused;
    refused[static_cast<int>(refusal.dimension)].Add();
  }
}

void CountSettlement(int64_t reserved, int64_t settled, telemetry::QuotaStats& stats) {
  stats.settled_tokens.Add(settled);
  if (settled > reserved) stats.overrun_tokens.Add(settled - reserved);
  for (int i = 0; i < quota::kDimensionCount; ++i) {
    telemetry::QuotaLevel& level = stats.levels[i];
    if (!quota::CountsTokens(static_cast<quota::Dimension>(i)) || level.limit.value() == 0)
      continue;
    level.remaining.Set(level.remaining.value() + reserved - settled);
  }
}

}  // namespace pingti::exchange
