#include "tests/simulation/health_model.h"

#include <algorithm>

#include "server/base/strings.h"

namespace pingti::simulation {
namespace {

using model::FailureClass;

constexpr int64_t kWindowSeconds = 10;
constexpr int kHostUnknownMax = 3;

int64_t SecondOf(base::Instant when) { return when.nanos() / 1'000'000'000; }

bool IsTheTargetsFault(FailureClass failure) {
  switch (failure) {
    case FailureClass::kServerError:
    case FailureClass::kConnect:
    case FailureClass::kHostUnknown:
    case FailureClass::kFirstTokenTimeout:
    case FailureClass::kStalled:
    case FailureClass::kCut:
    case FailureClass::kMalformed:
    case FailureClass::kTotalTimeout:
      return true;
    default:
      return false;
  }
}

void Prolong(base::Instant to, base::Instant* until) { *until = std::max(*until, to); }

}  // namespace

NextStep NextStepAfter(FailureClass failure) {
  switch (failure) {
    case FailureClass::kRateLimited:
    case FailureClass::kOutOfCredit:
    case FailureClass::kBadKey:
      return NextStep::kNextKey;
    case FailureClass::kOverloaded:
    case FailureClass::kServerError:
    case FailureClass::kConnect:
    case FailureClass::kCut:
      return NextStep::kSameTarget;
    case FailureClass::kBadRequest:
    case FailureClass::kContentFiltered:
    case FailureClass::kAnswerTooLarge:
    case FailureClass::kCancelled:
      return NextStep::kGiveUp;
    default:
      return NextStep::kNextTarget;
  }
}

std::string HealthModel::WhyNot(const Place& place, base::Instant now) const {
  const auto out = out_until_.find(place.provider);
  if (out != out_until_.end() && now < out->second) return "its provider is out";
  const auto rest = key_rests_until_.find({place.provider, place.key});
  if (rest != key_rests_until_.end() && now < rest->second) return "its key rests";
  const auto found = breakers_.find(TargetOf(place));
  if (found == breakers_.end() || !found->second.open) return "";
  if (now < found->second.until) return "its breaker is open";
  return found->second.probing ? "its breaker has a probe under way" : "";
}

bool HealthModel::OnStart(const Place& place) {
  Breaker& breaker = breakers_[TargetOf(place)];
  breaker.probing |= breaker.open;
  return breaker.open;
}

void HealthModel::OnSuccess(const Place& place, bool probe, base::Instant now) {
  hosts_unknown_[place.provider] = 0;
  Breaker& breaker = breakers_[TargetOf(place)];
  if (breaker.open && !probe) return;
  if (probe) {
    breaker.open = breaker.probing = false;
    breaker.results.clear();
    breaker.healthy_since = now;
  }
  breaker.in_a_row = 0;
  breaker.results.push_back({SecondOf(now), false});
}

void HealthModel::OnFailure(const Place& place, bool probe, FailureClass failure,
                            std::optional<absl::Duration> retry_after, base::Instant now) {
  int& hosts_unknown = hosts_unknown_[place.provider];
  hosts_unknown = failure == FailureClass::kHostUnknown ? hosts_unknown + 1 : 0;
  base::Instant& key_until = key_rests_until_[{place.provider, place.key}];
  base::Instant& out_until = out_until_[place.provider];
  if (failure == FailureClass::kRateLimited) {
    const absl::Duration asked = retry_after.value_or(absl::Seconds(1));
    Prolong(now + std::min(asked, routing_.rate_limited_for_max), &key_until);
  } else if (failure == FailureClass::kBadKey || failure == FailureClass::kOutOfCredit) {
    Prolong(now + routing_.refused_key_for, &key_until);
  } else if (failure == FailureClass::kRegionBlocked || hosts_unknown >= kHostUnknownMax) {
    Prolong(now + routing_.lost_provider_for, &out_until);
  }
  Breaker& breaker = breakers_[TargetOf(place)];
  if (IsTheTargetsFault(failure)) {
    NoteFailure(breaker, probe, now);
  } else if (probe) {
    breaker.probing = false;
  }
}

void HealthModel::OnNeither(const Place& place, bool probe) {
  if (probe) breakers_[TargetOf(place)].probing = false;
}

void HealthModel::NoteFailure(Breaker& breaker, bool probe, base::Instant now) {
  if (breaker.open && !probe) return;
  if (probe) {
    breaker.probing = false;
    return Open(breaker, now);
  }
  ++breaker.in_a_row;
  breaker.results.push_back({SecondOf(now), true});
  int attempts = 0;
  int failures = 0;
  for (const Breaker::Result& result : breaker.results) {
    if (SecondOf(now) - result.second >= kWindowSeconds) continue;
    ++attempts;
    if (result.failed) ++failures;
  }
  const bool by_share = attempts >= 4 * routing_.breaker_failures && failures * 2 >= attempts;
  if (by_share || breaker.in_a_row >= routing_.breaker_failures) Open(breaker, now);
}

void HealthModel::Open(Breaker& breaker, base::Instant now) {
  const bool was_healthy = now >= breaker.healthy_since + routing_.breaker_open_for;
  if (!breaker.open && was_healthy) breaker.openings = 0;
  ++breaker.openings;
  breaker.in_a_row = 0;
  breaker.open = true;
  const absl::Duration most = std::max(routing_.breaker_open_for, routing_.breaker_open_for_max);
  breaker.until = now + std::min(routing_.breaker_open_for * breaker.openings, most);
}

void HealthModel::OnFirst(const std::string& provider, base::Instant when, uint64_t turn) {
  decisions_[provider].push_back({when, turn, false});
}

bool HealthModel::MayTryAgain(const std::string& provider, base::Instant when,
                              uint64_t turn) const {
  int64_t calls = 0;
  int64_t retries = 0;
  const auto decisions = decisions_.find(provider);
  if (decisions == decisions_.end()) return true;
  for (const Decision& before : decisions->second) {
    const bool is_before = before.turn < turn;
    if (!is_before || SecondOf(when) - SecondOf(before.when) >= kWindowSeconds) continue;
    ++(before.again ? retries : calls);
  }
  return retries < 3 + calls / 10;
}

void HealthModel::OnAgain(const std::string& provider, base::Instant when, uint64_t turn) {
  decisions_[provider].push_back({when, turn, true});
}

}  // namespace pingti::simulation
