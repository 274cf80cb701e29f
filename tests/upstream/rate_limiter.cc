#include "tests/upstream/rate_limiter.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "server/base/strings.h"

namespace pingti::upstream {
namespace {

constexpr double kWindowMs = 60'000;

double Refilled(double used, int64_t limit, double elapsed_ms) {
  return std::max(0.0, used - static_cast<double>(limit) * elapsed_ms / kWindowMs);
}

// Milliseconds until `used` has shrunk by `excess`. The bucket's arithmetic is in doubles, so a
// thousandth of a millisecond is not worth a whole one.
int64_t TimeFor(double excess, int64_t limit) {
  double ms = excess / static_cast<double>(limit) * kWindowMs;
  return std::max<int64_t>(0, static_cast<int64_t>(std::ceil(ms - 1e-3)));
}

void AddHeaders(std::string_view kind, int64_t limit, double used, LimitVerdict* verdict) {
  auto left = std::max<int64_t>(
      0, static_cast<int64_t>(std::floor(static_cast<double>(limit) - used + 1e-6)));
  auto& headers = verdict->headers;
  headers.emplace_back(base::StrCat("x-ratelimit-limit-", kind), std::to_string(limit));
  headers.emplace_back(base::StrCat("x-ratelimit-remaining-", kind), std::to_string(left));
  headers.emplace_back(base::StrCat("x-ratelimit-reset-", kind), GoDuration(TimeFor(used, limit)));
}

// True if the dimension admits it; else the refusal is written down.
bool Fits(std::string_view type, std::string_view unit, int64_t limit, double used,
          int64_t requested, LimitVerdict* verdict) {
  if (limit <= 0) return true;
  double after = used + static_cast<double>(requested);
  if (after <= static_cast<double>(limit) + 1e-6) return true;
  verdict->admitted = false;
  verdict->too_large = requested > limit;
  verdict->type = type;
  verdict->unit = unit;
  verdict->limit = limit;
  verdict->used = static_cast<int64_t>(std::ceil(used - 1e-6));
  verdict->requested = requested;
  verdict->wait_ms = TimeFor(after - static_cast<double>(limit), limit);
  return false;
}

}  // namespace

LimitVerdict RateLimiter::Take(std::string_view api_key, int64_t rpm, int64_t tpm, int64_t tokens,
                               int64_t now_ns) {
  base::MutexLock lock(mu_);
  LimitVerdict verdict;
  std::string key(api_key);
  if (!buckets_.contains(key) && buckets_.size() >= kBucketsMax) MakeRoom();
  Bucket& bucket = buckets_.try_emplace(std::move(key), Bucket{.at_ns = now_ns}).first->second;
  double elapsed_ms = std::max(0.0, static_cast<double>(now_ns - bucket.at_ns) / 1e6);
  bucket.used_requests = Refilled(bucket.used_requests, rpm, elapsed_ms);
  bucket.used_tokens = Refilled(bucket.used_tokens, tpm, elapsed_ms);
  bucket.at_ns = now_ns;
  if (Fits("requests", "requests per min (RPM)", rpm, bucket.used_requests, 1, &verdict) &&
      Fits("tokens", "tokens per min (TPM)", tpm, bucket.used_tokens, tokens, &verdict)) {
    if (rpm > 0) bucket.used_requests += 1;
    if (tpm > 0) bucket.used_tokens += static_cast<double>(tokens);
  }
  if (rpm > 0) AddHeaders("requests", rpm, bucket.used_requests, &verdict);
  if (tpm > 0) AddHeaders("tokens", tpm, bucket.used_tokens, &verdict);
  return verdict;
}

void RateLimiter::MakeRoom() {
  std::erase_if(buckets_, [](const auto& entry) {
    return entry.second.used_requests == 0 && entry.second.used_tokens == 0;
  });
  if (buckets_.size() >= kBucketsMax) buckets_.erase(buckets_.begin());
}

void RateLimiter::Reset() {
  base::MutexLock lock(mu_);
  buckets_.clear();
}

std::string GoDuration(int64_t ms) {
  if (ms == 0) return "0s";
  if (ms < 1000) return base::StrCat(ms, "ms");
  int64_t minutes = ms / 60'000;
  int64_t rest = ms % 60'000;
  std::string seconds = std::to_string(rest / 1000);
  if (rest % 1000 != 0) {
    seconds += absl::StrFormat(".%03d", rest % 1000);
    seconds.erase(seconds.find_last_not_of('0') + 1);
  }
  std::string text = seconds + "s";
  if (minutes == 0) return text;
  text = base::StrCat(minutes % 60, "m", text);
  return minutes < 60 ? text : base::StrCat(minutes / 60, "h", text);
}

std::string RefusalMessage(const LimitVerdict& verdict, std::string_view model) {
  if (verdict.too_large) {
    return base::StrCat("Request too large for ", model, " in organization org-simulated on ",
                        verdict.unit, ": Limit ", verdict.limit, ", Requested ", verdict.requested,
                        ". The input or output tokens must be reduced in order to run "
                        "successfully. Visit https://platform.openai.com/account/rate-limits to "
                        "learn more.");
  }
  return base::StrCat("Rate limit reached for ", model, " in organization org-simulated on ",
                      verdict.unit, ": Limit ", verdict.limit, ", Used ", verdict.used,
                      ", Requested ", verdict.requested, ". Please try again in ",
                      GoDuration(verdict.wait_ms),
                      ". Visit https://platform.openai.com/account/rate-limits to learn more.");
}

}  // namespace pingti::upstream
