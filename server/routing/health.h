// What a worker has seen of the places where calls can be served, and what it therefore does not
// use for now.
//
// Each worker sees for itself; nothing is shared, so nothing is locked. What is known survives a
// reload of the configuration. Pure: time comes in as a value. Thread-safety: none; belongs to a
// worker's loop thread.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/config/targets.h"
#include "server/model/failure.h"
#include "server/routing/breaker.h"
#include "server/routing/failure_table.h"
#include "server/routing/recent_times.h"
#include "server/routing/retry_budget.h"

namespace pingti::routing {

// Look-ups of a host that fail in a row before its provider counts as gone: a resolver may hiccup.
inline constexpr int kHostUnknownMax = 3;
// A key that is rate limited without being told for how long rests for this time.
inline constexpr absl::Duration kRateLimitedFor = absl::Seconds(1);
// The load that a target has shown counts less and less, and after this time without an attempt
// nothing: else one that was slow or failed once would never be tried beside a better one.
inline constexpr absl::Duration kLoadRememberedFor = absl::Seconds(10);

// Something that is not used until a time, and why.
struct Rest {
  base::Instant until;
  model::FailureClass cause = model::FailureClass::kCancelled;
  bool shown = false;  // a gauge counts it; the next attempt takes it back

  bool over(base::Instant now) const { return now >= until; }
  // Never shortens what is longer.
  void Prolong(base::Instant to, model::FailureClass why) {
    if (to <= until) return;
    until = to;
    cause = why;
  }
};

// A provider as a whole.
struct ProviderHealth {
  Rest out;
  RetryBudget budget;
  int hosts_unknown = 0;  // in a row
};

// One of our keys at a provider.
struct KeyHealth {
  Rest bench;
};

// A model at a provider with one of our keys.
struct TargetHealth {
  explicit TargetHealth(const BreakerOptions& options) : breaker(options) {}

  // Higher is worse: how long an attempt is likely to take here, with those that are under way.
  // Failures in a row count like answers that take a second more each.
  double Load(base::Instant now) const {
    constexpr double kLeastSeconds = 1e-3;  // also of a target that nobody has tried yet
    const double left = absl::FDivDuration(forgotten_at - now, kLoadRememberedFor);
    const double known = (latency_seconds + failures_in_a_row) * std::clamp(left, 0.0, 1.0);
    return (kLeastSeconds + known) * (1.0 + in_flight);
  }
  void Remember(base::Instant now) { forgotten_at = now + kLoadRememberedFor; }

  Breaker breaker;
  RecentTimes first_token;     // of streams
  double latency_seconds = 0;  // to the first content, or to the whole of a unary answer; smoothed
  int failures_in_a_row = 0;   // of any class
  int in_flight = 0;
  base::Instant forgotten_at = base::Instant::InfiniteFuture();  // latency and failures
};

// All of them, by name. Bounded by the configuration: Prune() forgets what it no longer has.
class HealthBook {
 public:
  // Never null; the same object for the same names.
  std::shared_ptr<ProviderHealth> Provider(const std::string& name);
  std::shared_ptr<KeyHealth> Key(const std::string& provider, const std::string& key);
  std::shared_ptr<TargetHealth> Target(const std::string& provider, const std::string& key,
                                       const std::string& upstream_model,
                                       const BreakerOptions& options);
  // Forgets what nobody but this book holds.
  void Prune();

 private:
  std::map<std::string, std::shared_ptr<ProviderHealth>> providers_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<KeyHealth>> keys_;
  std::map<std::tuple<std::string, std::string, std::string>, std::shared_ptr<TargetHealth>>
      targets_;
};

BreakerOptions BreakerOptionsOf(const config::Routing& routing);

// What an attempt is made with.
struct Place {
  ProviderHealth* provider = nullptr;
  KeyHealth* key = nullptr;
  TargetHealth* target = nullptr;
};

// Whether nothing there rests, so that an attempt may begin.
bool IsUsable(const Place& place, base::Instant now);

// What the result of an attempt has changed, for counters and the log.
struct HealthChange {
  bool breaker_opened = false;  // and was closed before
  bool breaker_closed = false;
  bool key_benched = false;   // and was not before
  bool provider_out = false;  // and was not before
};

// An attempt begins; NoteEnd() ends it. True: it is a breaker's probe, which the first of its
// results has to say.
bool NoteStart(const Place& place, base::Instant now);
void NoteEnd(const Place& place);

// It is being answered: its content began (`stream`), or it is whole, after `latency`.
HealthChange NoteSuccess(const Place& place, bool probe, bool stream, absl::Duration latency,
                         base::Instant now);
// It failed, be it after a success.
HealthChange NoteFailure(const Place& place, bool probe, const model::Failure& failure,
                         const config::Routing& routing, base::Instant now);
// It has no result: the caller left, or the server stops.
void NoteAbandoned(const Place& place, bool probe);

}  // namespace pingti::routing
