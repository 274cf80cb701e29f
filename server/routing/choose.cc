#include "server/routing/choose.h"

#include <algorithm>
#include <array>
#include <limits>

namespace pingti::routing {
namespace {

constexpr size_t kNone = std::numeric_limits<size_t>::max();
constexpr size_t kOptionsMax = std::max(config::kAliasTargetsMax, config::kProviderKeysMax);

// Weights of what can be drawn; 0: it cannot.
struct Weights {
  std::array<int, kOptionsMax> of{};
  int sum = 0;

  void Set(size_t i, int weight) {
    of[i] = weight;
    sum += weight;
  }
  void Clear(size_t i) {
    sum -= of[i];
    of[i] = 0;
  }
  // kNone: there is nothing to draw.
  size_t Draw(base::Random& random) const {
    if (sum == 0) return kNone;
    auto left = static_cast<int>(random.Next() % static_cast<uint64_t>(sum));
    for (size_t i = 0; i < of.size(); ++i) {
      if (left < of[i]) return i;
      left -= of[i];
    }
    return kNone;
  }
};

bool KeyIsUsable(const TargetOption& target, size_t key, base::Instant now) {
  const KeyOption& option = target.keys[key];
  return (target.excluded_keys >> key & 1) == 0 &&
         IsUsable(Place{target.provider, option.key, option.target}, now);
}

Weights UsableKeys(const TargetOption& target, base::Instant now) {
  Weights weights;
  for (size_t k = 0; k < target.keys.size(); ++k) {
    if (KeyIsUsable(target, k, now)) weights.Set(k, target.keys[k].weight);
  }
  return weights;
}

bool IsUsable(const TargetOption& target, base::Instant now) {
  if (target.excluded) return false;
  for (size_t k = 0; k < target.keys.size(); ++k) {
    if (KeyIsUsable(target, k, now)) return true;
  }
  return false;
}

// Of the key that is least loaded.
double LoadOf(const TargetOption& target, base::Instant now) {
  double least = std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < target.keys.size(); ++k) {
    if (KeyIsUsable(target, k, now)) least = std::min(least, target.keys[k].target->Load(now));
  }
  return least;
}

}  // namespace

std::optional<Choice> Choose(std::span<const TargetOption> targets, base::Instant now,
                             base::Random& random) {
  Weights weights;
  int priority = std::numeric_limits<int>::max();
  int usable = 0;
  size_t only = 0;
  for (size_t t = 0; t < targets.size(); ++t) {
    if (targets[t].priority > priority || !IsUsable(targets[t], now)) continue;
    if (targets[t].priority < priority) {
      weights = {};
      priority = targets[t].priority;
      usable = 0;
    }
    weights.Set(t, targets[t].weight);
    only = t;
    ++usable;
  }
  if (usable == 0) return std::nullopt;
  Choice choice{.target = only};
  if (usable > 1) {
    choice.target = weights.Draw(random);
    weights.Clear(choice.target);
    const size_t other = weights.Draw(random);
    if (LoadOf(targets[other], now) < LoadOf(targets[choice.target], now)) choice.target = other;
  }
  const TargetOption& target = targets[choice.target];
  if (target.keys.size() > 1) choice.key = UsableKeys(target, now).Draw(random);
  return choice;
}

std::optional<Obstacle> FirstObstacle(std::span<const TargetOption> targets, base::Instant now) {
  std::optional<Obstacle> first;
  for (size_t t = 0; t < targets.size(); ++t) {
    const TargetOption& target = targets[t];
    if (target.excluded) continue;
    for (size_t k = 0; k < target.keys.size(); ++k) {
      if ((target.excluded_keys >> k & 1) != 0) continue;
      // The one of them that is over last is what this key waits for.
      const Rest& out = target.provider->out;
      const Rest& bench = target.keys[k].key->bench;
      const Breaker& breaker = target.keys[k].target->breaker;
      Obstacle of_key{.target = t, .until = now};
      if (!out.over(now)) of_key = {t, out.cause, false, out.until};
      if (bench.until > of_key.until) of_key = {t, bench.cause, false, bench.until};
      if (breaker.open() && breaker.open_until() >= of_key.until) {
        of_key = {t, model::FailureClass::kCancelled, true, breaker.open_until()};
      }
      if (of_key.until <= now) continue;  // usable, or a probe is under way
      if (!first || of_key.until < first->until) first = of_key;
    }
  }
  return first;
}

}  // namespace pingti::routing
