// Texts of callers and providers on any bytes: what is UTF-8 is told as the RFC's table does,
// cleaned texts are clean and short, and tokens are counted the same however a text is cut.
//
// Input: two bytes that say where to cut, one that says how long a cleaned text may be, the text.
#include <cstdint>
#include <string>
#include <string_view>

#include "server/base/check.h"
#include "server/base/text.h"
#include "server/quota/token_counter.h"
#include "server/telemetry/utf8.h"

namespace pingti {
namespace {

constexpr size_t kHeadBytes = 3;
// The heaviest two bytes: a digit after anything else counts 1.45, a four-byte sign 2 for four.
constexpr int64_t kTokensPerByteMax = 2;

// The slow and obvious way, by the code point.
bool ReferenceIsUtf8(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const size_t size = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size == 0 || size > text.size() || lead > 0xf7) return false;
    uint32_t point = size == 1 ? lead : lead & (0x7fu >> size);
    for (size_t i = 1; i < size; ++i) {
      const auto next = static_cast<unsigned char>(text[i]);
      if (next >> 6 != 2) return false;
      point = point << 6 | (next & 0x3fu);
    }
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
      return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

void Run(std::string_view input) {
  if (input.size() < kHeadBytes) return;
  const auto byte = [input](size_t at) { return static_cast<unsigned char>(input[at]); };
  const std::string_view text = input.substr(kHeadBytes);
  const size_t cut = ((byte(0) << 8) | byte(1)) % (text.size() + 1);
  const size_t bytes_max = byte(2);

  const bool valid = base::IsValidUtf8(text);
  PINGTI_CHECK(valid == ReferenceIsUtf8(text), "the reference agrees");
  const std::string clean = telemetry::CleanUtf8(text, bytes_max);
  PINGTI_CHECK(base::IsValidUtf8(clean) && clean.size() <= bytes_max, "it is clean and short");
  PINGTI_CHECK(telemetry::CleanUtf8(clean, bytes_max) == clean, "what is clean stays as it is");
  if (valid) PINGTI_CHECK(text.starts_with(clean), "what was clean is only cut");

  const int64_t tokens = quota::EstimateTextTokens(text);
  PINGTI_CHECK(tokens >= 0 && tokens <= static_cast<int64_t>(text.size()) * kTokensPerByteMax,
               "a token has bytes");
  quota::TokenCounter counter;
  counter.Add(text.substr(0, cut));
  const int64_t before = counter.tokens();
  counter.Add(text.substr(cut));
  PINGTI_CHECK(counter.tokens() == tokens, "a cut changes nothing");
  PINGTI_CHECK(before <= tokens, "more text is not fewer tokens");
}

}  // namespace
}  // namespace pingti

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
