#include "server/providers/retry_after.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "absl/strings/ascii.h"
#include "server/base/strings.h"

namespace pingti::providers {
namespace {

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// Takes digits, with at most one dot among them, off the front; false where there are none.
bool TakeNumber(std::string_view* text, double* number) {
  size_t size = 0;
  int dots = 0;
  while (size < text->size() &&
         (IsDigit((*text)[size]) || ((*text)[size] == '.' && size > 0 && dots++ == 0))) {
    ++size;
  }
  // A full stop after the number is not part of it.
  if (size > 0 && (*text)[size - 1] == '.') --size;
  if (size == 0) return false;
  auto result = std::from_chars(text->data(), text->data() + size, *number);
  if (result.ec != std::errc()) return false;
  text->remove_prefix(size);
  return true;
}

std::string_view Trimmed(std::string_view text) {
  absl::string_view trimmed = absl::StripAsciiWhitespace(base::AbslView(text));
  return {trimmed.data(), trimmed.size()};
}

absl::Duration Bounded(absl::Duration wait) {
  return std::clamp(wait, absl::ZeroDuration(), kRetryAfterMax);
}

std::optional<absl::Duration> PlainNumber(std::string_view text, absl::Duration unit) {
  text = Trimmed(text);
  double number = 0;
  if (!TakeNumber(&text, &number) || !text.empty()) return std::nullopt;
  return Bounded(number * unit);
}

std::optional<absl::Duration> Date(std::string_view text, absl::Time now) {
  text = Trimmed(text);
  // All three forms begin with the name of a day; the parser also takes words like "infinite".
  if (text.empty() || !absl::ascii_isupper(static_cast<unsigned char>(text[0]))) {
    return std::nullopt;
  }
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    absl::Time when;
    if (absl::ParseTime(format, base::AbslView(text), &when, nullptr)) return Bounded(when - now);
  }
  return std::nullopt;
}

// The unit that `word` (lower case letters) names; zero: none.
absl::Duration Unit(std::string_view word) {
  if (word == "ms" || word.starts_with("millisecond")) return absl::Milliseconds(1);
  if (word == "s" || word.starts_with("sec")) return absl::Seconds(1);
  if (word == "m" || word.starts_with("min")) return absl::Minutes(1);
  if (word == "h" || word.starts_with("hour")) return absl::Hours(1);
  if (word == "d" || word.starts_with("day")) return absl::Hours(24);
  return absl::ZeroDuration();
}

}  // namespace

std::optional<absl::Duration> ParseRetryAfter(std::string_view retry_after,
                                              std::string_view retry_after_ms, absl::Time now) {
  if (auto wait = PlainNumber(retry_after_ms, absl::Milliseconds(1))) return wait;
  if (auto wait = PlainNumber(retry_after, absl::Seconds(1))) return wait;
  return Date(retry_after, now);
}

std::optional<absl::Duration> RetryAfterInText(std::string_view message) {
  std::string lower = absl::AsciiStrToLower(base::AbslView(message));
  std::string_view text = lower;
  size_t at = text.find("try again ");
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + sizeof("try again ") - 1);
  if (text.starts_with("in ")) {
    text.remove_prefix(sizeof("in ") - 1);
  } else if (text.starts_with("after ")) {
    text.remove_prefix(sizeof("after ") - 1);
  } else {
    return std::nullopt;
  }
  absl::Duration wait;
  bool any = false;
  double number = 0;
  // Parts like those of "1h2m3.5s".
  while (TakeNumber(&text, &number)) {
    if (text.starts_with(' ')) text.remove_prefix(1);
    auto is_letter = [](char c) { return absl::ascii_islower(static_cast<unsigned char>(c)); };
    size_t size =
        static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_letter) - text.begin());
    absl::Duration unit = Unit(text.substr(0, size));
    if (unit == absl::ZeroDuration()) break;
    wait += number * unit;
    any = true;
    text.remove_prefix(size);
  }
  if (!any) return std::nullopt;
  return Bounded(wait);
}

}  // namespace pingti::providers
