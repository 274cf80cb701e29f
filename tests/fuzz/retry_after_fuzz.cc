// When a provider asks to come back, and what is kept of its text, on any bytes: a wait is bounded
// and does not grow while time goes on, and what is kept is short, clean and stays as it is.
//
// Input: the value of Retry-After, a line end, that of retry-after-ms, a line end, then a text.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/base/text.h"
#include "server/providers/retry_after.h"
#include "server/providers/upstream_text.h"

namespace pingti::providers {
namespace {

using Wait = std::optional<absl::Duration>;

const absl::Time kNow = absl::FromUnixSeconds(784'111'777);

std::string_view TakeLine(std::string_view* input) {
  const size_t end = input->find('\n');
  const std::string_view line = input->substr(0, end);
  input->remove_prefix(end == std::string_view::npos ? input->size() : end + 1);
  return line;
}

Wait Bounded(const Wait& wait) {
  PINGTI_CHECK(!wait || (*wait >= absl::ZeroDuration() && *wait <= kRetryAfterMax),
               "a wait is bounded");
  return wait;
}

void CheckHeaders(std::string_view seconds, std::string_view millis) {
  const Wait both = Bounded(ParseRetryAfter(seconds, millis, kNow));
  const Wait of_millis = Bounded(ParseRetryAfter("", millis, kNow));
  const Wait of_seconds = Bounded(ParseRetryAfter(seconds, "", kNow));
  PINGTI_CHECK(both == (of_millis ? of_millis : of_seconds), "milliseconds win");
  const std::string spaced = base::StrCat(" \t", seconds, " ");
  PINGTI_CHECK(ParseRetryAfter(spaced, "", kNow) == of_seconds, "spaces around it mean nothing");
  const Wait later = ParseRetryAfter(seconds, "", kNow + absl::Hours(1));
  PINGTI_CHECK(later.has_value() == of_seconds.has_value(), "time makes no value bad");
  PINGTI_CHECK(!later || *later <= *of_seconds, "nobody waits longer for having come later");
}

void CheckText(std::string_view text) {
  PINGTI_CHECK(Bounded(RetryAfterInText(text)) ==
                   RetryAfterInText(absl::AsciiStrToUpper(base::AbslView(text))),
               "upper case means the same");
  const std::string kept = UpstreamText(text);
  PINGTI_CHECK(kept.size() <= kUpstreamTextBytesMax, "kept text is bounded");
  PINGTI_CHECK(base::IsValidUtf8(kept), "kept text is valid UTF-8");
  for (const char c : kept) {
    PINGTI_CHECK(!absl::ascii_iscntrl(static_cast<unsigned char>(c)), "it has no control signs");
  }
  PINGTI_CHECK(UpstreamText(kept) == kept, "what is clean stays as it is");
}

}  // namespace
}  // namespace pingti::providers

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view seconds = pingti::providers::TakeLine(&input);
  const std::string_view millis = pingti::providers::TakeLine(&input);
  pingti::providers::CheckHeaders(seconds, millis);
  pingti::providers::CheckText(input);
  return 0;
}
