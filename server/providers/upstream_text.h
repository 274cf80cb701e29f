// The beginning of what a provider wrote, made safe for Failure::upstream_text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pingti::providers {

inline constexpr size_t kUpstreamTextBytesMax = 256;

// At most kUpstreamTextBytesMax bytes of `bytes`: control characters and white space become single
// spaces, what is not ASCII or valid UTF-8 becomes `?`, and what looks like a key (`sk-...`, or a
// run of 24 or more letters and digits that has both) becomes `[redacted]`, because providers like
// to quote the key that they refuse.
std::string UpstreamText(std::string_view bytes);

}  // namespace pingti::providers
