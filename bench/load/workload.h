// What is asked of the provider, and how its answers are recognised.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "bench/load/options.h"

namespace pingti::bench {

// The prompt: the marker that steers the simulated provider, then plain words up to
// Options::prompt_bytes.
std::string MakePrompt(const Options& options);

// The body of an OpenAI chat request with that prompt.
std::string MakeHttpBody(const Options& options);

// Calls `found(send_ns)` for each send time (`t=<ns>;`) in `text` and returns how many there were.
// Counting by send times stays right where a gateway joins chunks into one message.
template <typename Found>
int64_t ScanSendTimes(std::string_view text, Found found) {
  constexpr std::ptrdiff_t kDigitsMin =
      6;  // a word of the answer that looks like a send time is shorter
  int64_t count = 0;
  size_t at = 0;
  while ((at = text.find("t=", at)) != std::string_view::npos) {
    at += 2;
    int64_t send_ns = 0;
    const char* begin = text.data() + at;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(begin, end, send_ns);
    if (error != std::errc() || stop == end || *stop != ';' || stop - begin < kDigitsMin) continue;
    ++count;
    found(send_ns);
  }
  return count;
}

}  // namespace pingti::bench
