// What a provider says of our limits there, on any headers: the wait never exceeds the window, what
// it corrects stays a bucket, and a reset that we write ourselves is read as it was meant.
//
// Input: a byte that says which limits we know, then six lines: limit, remaining and reset of the
// requests, and the same of the tokens.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/exchange/rate_limit_headers.h"
#include "server/quota/bucket_set.h"
#include "server/quota/dimension.h"

namespace pingti::exchange {
namespace {

using quota::Dimension;

constexpr const char* kNames[] = {"x-ratelimit-limit-requests",   "x-ratelimit-remaining-requests",
                                  "x-ratelimit-reset-requests",   "x-ratelimit-limit-tokens",
                                  "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"};
const base::Instant kNow = base::Instant::FromNanos(1'000'000'000'000);

// An answer of which only the headers are asked for.
class Headers final : public transport::HttpTransfer {
 public:
  void Set(const char* name, std::string_view value) { values_[name] = std::string(value); }

  int status() const override { return 429; }
  std::string_view header(std::string_view name) const override {
    const auto it = values_.find(name);
    return it == values_.end() ? std::string_view() : it->second;
  }
  std::string_view body() const override { return {}; }
  void Consume(size_t /*bytes*/) override {}
  bool done() const override { return true; }
  transport::TransportError error() const override { return transport::TransportError::kNone; }
  std::string_view error_text() const override { return {}; }
  bool connected() const override { return true; }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

config::ClassLimits LimitsOf(unsigned bits) {
  config::ClassLimits limits;
  if ((bits & 1) != 0) limits.requests_per_minute = 500;
  if ((bits & 2) != 0) limits.tokens_per_minute = 30'000;
  if ((bits & 4) != 0) limits.requests_per_day = 10'000;
  if ((bits & 8) != 0) limits.tokens_per_day = quota::kBucketLimitMax;
  return limits;
}

void CheckLimits(const Headers& headers, unsigned bits) {
  quota::BucketSet set("provider:fuzz", LimitsOf(bits));
  const std::vector<ProviderLimit> found = ReadProviderLimits(headers, set);
  PINGTI_CHECK(found.size() <= 2, "one for requests and one for tokens");
  for (const ProviderLimit& limit : found) {
    PINGTI_CHECK(limit.remaining >= 0, "nothing less than nothing is left");
    PINGTI_CHECK(limit.not_before >= absl::ZeroDuration() &&
                     limit.not_before <= quota::WindowOf(limit.dimension),
                 "a wait is within the window");
    PINGTI_CHECK(limit.remaining == 0 || limit.not_before == absl::ZeroDuration(),
                 "nobody waits for what is there");
    set.Correct(limit.dimension, limit.remaining, limit.not_before, kNow);
    const auto state = set.Read(limit.dimension, kNow);
    if (!state) continue;
    PINGTI_CHECK(state->remaining <= state->capacity, "a bucket has a size");
    PINGTI_CHECK(state->remaining <= limit.remaining, "it has no more than it was said to have");
    PINGTI_CHECK(state->full_in >= absl::ZeroDuration(), "it is full at last");
  }
}

// With a limit of one, the first unit is there when the bucket is full.
void CheckOwnReset(std::string_view bytes) {
  uint64_t number = 1;
  for (const char c : bytes.substr(0, 8)) number = number * 31 + static_cast<uint8_t>(c);
  const absl::Duration wanted = absl::Microseconds(1 + number % 60'000'000);
  Headers headers;
  headers.Set(kNames[0], "1");
  headers.Set(kNames[1], "0");
  headers.Set(kNames[2], FormatReset(wanted));
  const quota::BucketSet set("provider:fuzz", LimitsOf(1));
  const std::vector<ProviderLimit> found = ReadProviderLimits(headers, set);
  PINGTI_CHECK(found.size() == 1, "what we write can be read");
  PINGTI_CHECK(
      found[0].not_before >= wanted && found[0].not_before < wanted + absl::Milliseconds(1),
      "it is rounded up to the millisecond");
}

void Run(std::string_view input) {
  if (input.empty()) return;
  const auto bits = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  CheckOwnReset(input);
  Headers headers;
  for (const char* name : kNames) {
    const size_t end = std::min(input.find('\n'), input.size());
    headers.Set(name, input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  CheckLimits(headers, bits);
}

}  // namespace
}  // namespace pingti::exchange

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::exchange::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
