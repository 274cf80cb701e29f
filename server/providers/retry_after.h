// When a provider asks to be left alone until: the dialects of Retry-After.
//
// Pure functions. All of them give a time to wait from 0 to kRetryAfterMax; nothing where the
// provider said nothing usable.
#pragma once

#include <optional>
#include <string_view>

#include "absl/time/time.h"

namespace pingti::providers {

// Longer waits than this are cut to it: some providers send days.
inline constexpr absl::Duration kRetryAfterMax = absl::Hours(24);

// `retry_after_ms` (milliseconds, may have a fraction) wins over `retry_after`: seconds, with or
// without a fraction, or a date in one of the three forms of RFC 9110, section 5.6.7. A date in the
// past is 0.
std::optional<absl::Duration> ParseRetryAfter(std::string_view retry_after,
                                              std::string_view retry_after_ms, absl::Time now);

// The wait that an error message speaks of: "try again in 18.642s", "... in 7m12s", "... in 644ms",
// "try again after 1 seconds".
std::optional<absl::Duration> RetryAfterInText(std::string_view message);

}  // namespace pingti::providers
