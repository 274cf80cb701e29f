// What callers are told of their quota: the `x-ratelimit-*` headers in OpenAI's formats, and the
// error of an empty bucket.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/exchange/response_sink.h"
#include "server/model/failure.h"
#include "server/quota/store.h"
#include "server/telemetry/call_stats.h"
#include "server/transport/http_transport.h"

namespace pingti::exchange {

// `x-ratelimit-limit-requests`, `-remaining-requests`, `-reset-requests` and the same for tokens,
// of the limits per minute; where there is none, of those per day; where there is neither, none.
// `remaining` is never below 0; `reset` is the time until the bucket is full.
void AddBucketHeaders(const quota::ScopeStates& states, ResponseSink& sink);

// A duration as OpenAI writes it: `12ms`, `8.64s`, `6m0s`, `7m12s`; rounded up to the millisecond.
std::string FormatReset(absl::Duration duration);

// QUOTA_EXCEEDED with the exact wait, EXCEEDS_LIMIT where no wait would help, or QUOTA_UNAVAILABLE
// where the shared store is down. `place` in the line of those that wait; 0: it did not wait.
model::CallError QuotaError(const quota::Refusal& refusal, int place);

// What the `x-ratelimit-*` headers of a provider's answer say of our limits there. `remaining` is
// what is left. Where that is nothing, `-reset-*` tells when there will be something: OpenAI names
// the time until its bucket is full (`12ms`, `6m0s`; others write plain seconds), so the first unit
// is there a window less one unit before it. A reset that is too short for that is not of a bucket
// that refills continuously, and all that is known is that it is full then. Headers that make no
// sense are passed over.
struct ProviderLimit {
  quota::Dimension dimension;
  int64_t remaining;
  absl::Duration
      not_before;  // from now, at most the window of the limit; zero: at once, or unknown
};
std::vector<ProviderLimit> ReadProviderLimits(const transport::HttpTransfer& transfer,
                                              const quota::BucketSet& limits);

// `of_key`: it is the API key's own limit.
void CountRefusal(const quota::Refusal& refusal, bool of_key, telemetry::QuotaStats& stats);

// A call's reservation of `reserved` tokens was settled with `settled`: what the metrics show of
// the buckets changes by the difference, and what was over the reservation is counted.
void CountSettlement(int64_t reserved, int64_t settled, telemetry::QuotaStats& stats);

}  // namespace pingti::exchange
