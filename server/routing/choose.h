// Which target and key an attempt is made with.
//
// Lower priorities come first. Among the usable targets of one priority two are drawn by their
// weights, and the one with less load is taken (Mitzenmacher, "The power of two choices", 2001);
// its keys are drawn by their weights. What rests, is out or is behind an open breaker is not
// usable, except for a breaker's probe.
//
// Pure: time and chance come in. Thread-safety: none.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/random.h"
#include "server/config/targets.h"
#include "server/routing/health.h"

namespace pingti::routing {

// A key of a target, for one call.
struct KeyOption {
  KeyHealth* key = nullptr;
  TargetHealth* target = nullptr;
  int weight = 1;
};

// A target, for one call.
struct TargetOption {
  int priority = 0;
  int weight = 100;
  ProviderHealth* provider = nullptr;
  std::span<const KeyOption> keys;
  // What the call knows: it cannot be served there, or has failed there with a verdict that forbids
  // to come back.
  bool excluded = false;
  uint32_t excluded_keys = 0;  // a bit for each key
  uint32_t short_keys = 0;     // those of them whose own limits here are used up
};

struct Choice {
  size_t target = 0;
  size_t key = 0;
};

// Nothing: no target is usable.
std::optional<Choice> Choose(std::span<const TargetOption> targets, base::Instant now,
                             base::Random& random);

// Why nothing is: the rest or open breaker that is over first, of the targets that are not
// excluded. Nothing: all are excluded, or a probe is under way.
struct Obstacle {
  size_t target = 0;
  model::FailureClass cause = model::FailureClass::kCancelled;  // of a rest
  bool breaker = false;  // it is an open breaker, which knows no cause
  base::Instant until;
};
std::optional<Obstacle> FirstObstacle(std::span<const TargetOption> targets, base::Instant now);

}  // namespace pingti::routing
