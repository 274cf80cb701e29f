// A world and what happens in it, made from one seed: providers and their moods, routes, tenants
// with small limits, and calls. Plain data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/config/config.h"
#include "tests/simulation/script.h"

namespace pingti::simulation {

// How a provider behaves from a time on.
struct Mood {
  absl::Duration from;  // since the beginning
  int fault_percent = 0;
  std::vector<Fault> faults;  // one of them is drawn; at least one
};

struct CallPlan {
  absl::Duration at;  // since the beginning
  int tenant = 0;
  std::string model;
  bool stream = false;
  bool include_reasoning = false;
  int words = 1;                                       // of the prompt
  int64_t output_tokens_max = 0;                       // 0: not set
  absl::Duration deadline = absl::InfiniteDuration();  // after the arrival
  absl::Duration cancel = absl::InfiniteDuration();    // after the arrival
  absl::Duration max_queue_wait;
  bool no_fallback = false;
  std::string preferred_provider;
  int fills_after = 0;  // pieces of text after which its reader stops, again and again; 0: never
  absl::Duration drains_after;
};

struct Scenario {
  uint64_t seed = 0;
  std::shared_ptr<const config::Config> config;
  std::vector<std::string> tenant_keys;             // what they authorise with
  std::vector<std::vector<Mood>> moods;             // by provider, ordered
  std::vector<CallPlan> calls;                      // ordered by time
  absl::Duration drain = absl::InfiniteDuration();  // when the worker stops
  bool has_provider_limits = false;
  // Few places and many streams, so that it is known there what is late.
  bool is_crowded = false;

  const Mood& MoodOf(size_t provider, absl::Duration at) const;
};

Scenario MakeScenario(uint64_t seed);

}  // namespace pingti::simulation
