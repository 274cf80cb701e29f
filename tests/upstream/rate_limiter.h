// The simulated provider's own limits: requests and tokens per minute for each API key, as OpenAI
// enforces them.
//
// A bucket holds one minute's limit and refills continuously. A refused request takes nothing. The
// time to wait follows wait = (used + requested - limit) / limit x 60 s, to the millisecond.
//
// Thread-safe: one lock, taken only where a limit is set.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/base/mutex.h"

namespace pingti::upstream {

struct LimitVerdict {
  bool admitted = true;
  bool too_large = false;  // more than the whole bucket: waiting does not help
  std::string_view type;   // of a refusal: "requests" or "tokens"
  std::string_view unit;   // "requests per min (RPM)" or "tokens per min (TPM)"
  int64_t limit = 0;
  int64_t used = 0;
  int64_t requested = 0;
  int64_t wait_ms = 0;
  // x-ratelimit-*, of admitted and refused requests.
  std::vector<std::pair<std::string, std::string>> headers;
};

// API keys whose buckets are kept; with more, the buckets that are full again are dropped, and if
// there are none, an arbitrary one.
inline constexpr size_t kBucketsMax = 10'000;

class RateLimiter {
 public:
  // `rpm`, `tpm`: 0 means no such limit.
  LimitVerdict Take(std::string_view api_key, int64_t rpm, int64_t tpm, int64_t tokens,
                    int64_t now_ns);
  void Reset();

 private:
  struct Bucket {
    double used_requests = 0;
    double used_tokens = 0;
    int64_t at_ns = 0;
  };

  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  base::Mutex mu_;
  std::unordered_map<std::string, Bucket> buckets_ ABSL_GUARDED_BY(mu_);
};

// A time as Go prints it, as in OpenAI's headers and messages: 644ms, 18.642s, 7m12s.
std::string GoDuration(int64_t ms);

// The message of OpenAI's 429 for a refusal.
std::string RefusalMessage(const LimitVerdict& verdict, std::string_view model);

}  // namespace pingti::upstream
