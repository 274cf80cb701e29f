#include "server/routing/health.h"

#include <algorithm>
#include <utility>

namespace pingti::routing {
namespace {

using model::FailureClass;

// 5 failures in a row, or half of at least 20 attempts, open a breaker by default.
constexpr int kAttemptsPerFailure = 4;
// Share of the newest attempt in the smoothed latency.
constexpr double kNewestShare = 0.2;

template <typename Map, typename Key, typename Make>
auto FindOrMake(Map* map, Key key, Make make) {
  auto it = map->find(key);
  if (it == map->end()) it = map->emplace(std::move(key), make()).first;
  return it->second;
}

template <typename Map>
void PruneMap(Map* map) {
  std::erase_if(*map, [](const auto& entry) { return entry.second.use_count() == 1; });
}

}  // namespace

std::shared_ptr<ProviderHealth> HealthBook::Provider(const std::string& name) {
  return FindOrMake(&providers_, name, [] { return std::make_shared<ProviderHealth>(); });
}

std::shared_ptr<KeyHealth> HealthBook::Key(const std::string& provider, const std::string& key) {
  return FindOrMake(&keys_, std::pair(provider, key), [] { return std::make_shared<KeyHealth>(); });
}

std::shared_ptr<TargetHealth> HealthBook::Target(const std::string& provider,
                                                 const std::string& key,
                                                 const std::string& upstream_model,
                                                 const BreakerOptions& options) {
  return FindOrMake(&targets_, std::tuple(provider, key, upstream_model),
                    [&] { return std::make_shared<TargetHealth>(options); });
}

void HealthBook::Prune() {
  PruneMap(&providers_);
  PruneMap(&keys_);
  PruneMap(&targets_);
}

BreakerOptions BreakerOptionsOf(const config::Routing& routing) {
  BreakerOptions options;
  options.failures_in_a_row = routing.breaker_failures;
  options.attempts_min = kAttemptsPerFailure * routing.breaker_failures;
  options.open_for = routing.breaker_open_for;
  options.open_for_max = std::max(routing.breaker_open_for, routing.breaker_open_for_max);
  return options;
}

bool IsUsable(const Place& place, base::Instant now) {
  return place.provider->out.over(now) && place.key->bench.over(now) &&
         place.target->breaker.Allows(now);
}

bool NoteStart(const Place& place, base::Instant now) {
  place.target->Remember(now);
  ++place.target->in_flight;
  return place.target->breaker.OnStart();
}

void NoteEnd(const Place& place) { --place.target->in_flight; }

HealthChange NoteSuccess(const Place& place, bool probe, bool stream, absl::Duration latency,
                         base::Instant now) {
  TargetHealth& target = *place.target;
  target.Remember(now);
  HealthChange change;
  change.breaker_closed = probe && target.breaker.open();
  target.breaker.OnSuccess(probe, now);
  target.failures_in_a_row = 0;
  place.provider->hosts_unknown = 0;
  const double seconds = absl::ToDoubleSeconds(latency);
  target.latency_seconds =
      target.latency_seconds == 0
          ? seconds
          : target.latency_seconds * (1 - kNewestShare) + seconds * kNewestShare;
  if (stream) target.first_token.Add(now, latency);
  return change;
}

HealthChange NoteFailure(const Place& place, bool probe, const model::Failure& failure,
                         const config::Routing& routing, base::Instant now) {
  TargetHealth& target = *place.target;
  target.Remember(now);
  const FailureClass why = failure.failure_class;
  const Verdict verdict = VerdictOf(why);
  HealthChange change;
  ++target.failures_in_a_row;
  if (verdict.counts) {
    const bool was_open = target.breaker.open();
    change.breaker_opened = target.breaker.OnFailure(probe, now) && !was_open;
  } else {
    target.breaker.OnNeither(probe);
  }
  int& hosts_unknown = place.provider->hosts_unknown;
  hosts_unknown = why == FailureClass::kHostUnknown ? hosts_unknown + 1 : 0;
  switch (verdict.bench) {
    case Bench::kNothing:
      break;
    case Bench::kKeyAsAsked: {
      const absl::Duration asked = failure.retry_after.value_or(kRateLimitedFor);
      const bool was_over = place.key->bench.over(now);
      place.key->bench.Prolong(now + std::min(asked, routing.rate_limited_for_max), why);
      // "Come back at once" rests for no time.
      change.key_benched = was_over && !place.key->bench.over(now);
      break;
    }
    case Bench::kKey:
      change.key_benched = place.key->bench.over(now);
      place.key->bench.Prolong(now + routing.refused_key_for, why);
      break;
    case Bench::kProviderIfRepeated:
      if (hosts_unknown < kHostUnknownMax) break;
      [[fallthrough]];
    case Bench::kProvider:
      change.provider_out = place.provider->out.over(now);
      place.provider->out.Prolong(now + routing.lost_provider_for, why);
      break;
  }
  return change;
}

void NoteAbandoned(const Place& place, bool probe) { place.target->breaker.OnNeither(probe); }

}  // namespace pingti::routing
