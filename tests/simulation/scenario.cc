#include "tests/simulation/scenario.h"

#include <algorithm>
#include <utility>

#include "server/base/strings.h"
#include "server/tenancy/api_key.h"
#include "tests/simulation/seeded_random.h"

namespace pingti::simulation {
namespace {

constexpr absl::Duration kLength = absl::Seconds(60);  // within which calls arrive, at most

absl::Duration RandomMillis(SeededRandom& random, int64_t low, int64_t high) {
  return absl::Milliseconds(random.Between(low, high));
}

void AddProviders(SeededRandom& random, Scenario& scenario, config::Config& config) {
  const int64_t count = scenario.is_crowded ? 2 : random.Between(2, 4);
  for (int64_t p = 0; p < count; ++p) {
    config::Provider& provider = config.providers.emplace_back();
    provider.name = base::StrCat("p", p);
    provider.dialect = "openai";
    provider.base_url = base::StrCat("http://p", p, ".test/v1");
    const int64_t keys = scenario.is_crowded ? 1 : random.Between(1, 3);
    for (int64_t k = 0; k < keys; ++k) {
      config::ProviderKey& key = provider.keys.emplace_back();
      key.name = base::StrCat("k", k);
      key.api_key = config::Secret(base::StrCat("sk-", p, "-", k));
      key.weight = static_cast<int>(random.Between(1, 10));
      if (scenario.has_provider_limits && random.Chance(50)) key.tier = "bought";
    }
    provider.timeouts.connect = absl::Seconds(2);
    provider.timeouts.first_token = RandomMillis(random, 1'000, 6'000);
    provider.timeouts.silence = RandomMillis(random, 1'000, 4'000);
    provider.timeouts.content_gap = RandomMillis(random, 2'000, 6'000);
    provider.timeouts.total = RandomMillis(random, 4'000, 20'000);
  }
}

// Models, each at one provider, and aliases that several of them serve.
void AddRoutes(SeededRandom& random, config::Config& config) {
  for (const config::Provider& provider : config.providers) {
    const int64_t models = random.Between(1, 2);
    for (int64_t m = 0; m < models; ++m) {
      config::Model& model = config.models.emplace_back();
      model.name = base::StrCat("m-", provider.name, "-", m);
      model.provider = provider.name;
      model.upstream_model = base::StrCat("up-", provider.name, "-", m);
      model.model_class = random.Chance(50) ? "shared" : model.name;
      model.context_tokens = 8'192;
      model.forward_output_cap = random.Chance(50);
      if (random.Chance(20)) model.timeouts.first_token = RandomMillis(random, 500, 3'000);
    }
  }
  const int64_t aliases = random.Between(1, 3);
  for (int64_t a = 0; a < aliases; ++a) {
    config::Alias alias;
    alias.name = base::StrCat("alias-", a);
    std::vector<std::string> models;
    for (const config::Model& model : config.models) models.push_back(model.name);
    const int64_t targets = random.Between(1, static_cast<int64_t>(models.size()));
    for (int64_t t = 0; t < targets; ++t) {
      const auto at = random.Below(static_cast<int64_t>(models.size()));
      alias.targets.push_back({models[at], static_cast<int>(random.Below(3)),
                               static_cast<int>(random.Between(1, 100))});
      models.erase(models.begin() + at);
    }
    alias.hedge = random.Chance(70);
    config.aliases.push_back(std::move(alias));
  }
}

config::ClassLimits RandomLimits(SeededRandom& random, const Scenario& scenario) {
  config::ClassLimits limits;
  if (scenario.is_crowded) return limits;
  if (random.Chance(80)) limits.requests_per_minute = config::Limit(random.Between(3, 80));
  if (random.Chance(80)) {
    const int64_t tokens = random.Between(500, 20'000);
    limits.tokens_per_minute = config::Limit(tokens, random.Chance(30) ? tokens / 2 : 0);
  }
  if (random.Chance(20)) limits.requests_per_day = config::Limit(random.Between(10, 100));
  if (random.Chance(20)) limits.tokens_per_day = config::Limit(random.Between(2'000, 50'000));
  if (random.Chance(25)) limits.calls_at_once = config::Limit(random.Between(1, 8));
  return limits;
}

void AddTenants(SeededRandom& random, Scenario& scenario, config::Config& config) {
  config::Tier& bought = config.tiers.emplace_back();
  bought.name = "bought";
  bought.other_classes = RandomLimits(random, scenario);
  const int64_t count = random.Between(1, 3);
  for (int64_t t = 0; t < count; ++t) {
    config::Tier& tier = config.tiers.emplace_back();
    tier.name = base::StrCat("tier-", t);
    tier.other_classes = RandomLimits(random, scenario);
    if (random.Chance(30)) tier.policy = config::ReservePolicy::kStrict;
    config::Tenant& tenant = config.tenants.emplace_back();
    tenant.name = base::StrCat("t", t);
    tenant.tier = tier.name;
    const std::string key = base::StrCat("pt_t", t, "_s3cret");
    const tenancy::KeyHash hash = tenancy::HashKey(key);
    tenant.keys.push_back({base::StrCat("t", t), std::string(hash.begin(), hash.end())});
    if (random.Chance(30)) tenant.keys[0].limits = RandomLimits(random, scenario);
    scenario.tenant_keys.push_back("Bearer " + key);
  }
}

std::vector<Mood> RandomMoods(SeededRandom& random) {
  std::vector<Mood> moods;
  absl::Duration from;
  while (from < kLength) {
    Mood mood{.from = from, .fault_percent = 0, .faults = {}};
    const int64_t kind = random.Below(10);
    if (kind < 4) {
      mood.fault_percent = 5;
    } else if (kind < 7) {
      mood.fault_percent = 40;
    } else {
      mood.fault_percent = 100;
    }
    if (kind < 7) {
      for (int f = 1; f < kFaultCount; ++f) mood.faults.push_back(static_cast<Fault>(f));
    } else {
      for (int i = 0; i < 2; ++i) {
        mood.faults.push_back(static_cast<Fault>(random.Between(1, kFaultCount - 1)));
      }
    }
    moods.push_back(std::move(mood));
    from += RandomMillis(random, 2'000, 30'000);
  }
  return moods;
}

CallPlan RandomCall(SeededRandom& random, const Scenario& scenario, const config::Config& config,
                    absl::Duration length) {
  CallPlan call;
  call.at = random.Between(absl::ZeroDuration(), length);
  call.tenant = static_cast<int>(random.Below(static_cast<int64_t>(scenario.tenant_keys.size())));
  call.model =
      random.Chance(80) ? random.Pick(config.aliases).name : random.Pick(config.models).name;
  call.stream = random.Chance(65);
  call.include_reasoning = random.Chance(50);
  call.words = static_cast<int>(random.Between(1, random.Chance(10) ? 300 : 30));
  if (random.Chance(60)) call.output_tokens_max = random.Between(1, 200);
  if (random.Chance(30)) call.deadline = RandomMillis(random, 20, 12'000);
  if (random.Chance(15)) call.cancel = RandomMillis(random, 0, 6'000);
  if (random.Chance(50)) call.max_queue_wait = RandomMillis(random, 1, 20'000);
  call.no_fallback = random.Chance(10);
  if (random.Chance(15)) call.preferred_provider = random.Pick(config.providers).name;
  if (random.Chance(20)) {
    call.fills_after = static_cast<int>(random.Between(1, 3));
    call.drains_after = RandomMillis(random, 1, 8'000);
  }
  return call;
}

}  // namespace

const Mood& Scenario::MoodOf(size_t provider, absl::Duration at) const {
  const std::vector<Mood>& all = moods[provider];
  const auto next =
      std::find_if(all.begin() + 1, all.end(), [&](const Mood& mood) { return mood.from > at; });
  return *(next - 1);
}

Scenario MakeScenario(uint64_t seed) {
  SeededRandom random(seed);
  Scenario scenario;
  scenario.seed = seed;
  scenario.has_provider_limits = random.Chance(25);
  scenario.is_crowded = random.Chance(10);
  auto config = std::make_shared<config::Config>();
  AddProviders(random, scenario, *config);
  AddRoutes(random, *config);
  AddTenants(random, scenario, *config);
  for (size_t p = 0; p < config->providers.size(); ++p) {
    scenario.moods.push_back(RandomMoods(random));
  }
  config::Routing& routing = config->routing;
  routing.attempts_max = static_cast<int>(random.Between(1, 5));
  routing.refused_key_for = RandomMillis(random, 1'000, 30'000);
  routing.lost_provider_for = RandomMillis(random, 1'000, 30'000);
  routing.rate_limited_for_max = RandomMillis(random, 1'000, 20'000);
  routing.breaker_failures = static_cast<int>(random.Between(2, 5));
  routing.breaker_open_for = RandomMillis(random, 1'000, 8'000);
  routing.breaker_open_for_max = RandomMillis(random, 8'000, 20'000);
  config->server.calls_in_flight_max = random.Chance(10) ? 3 : 1'000;
  config->quota.waiting_max = static_cast<int>(random.Between(1, 20));
  config->quota.wait_max = RandomMillis(random, 5'000, 20'000);
  const absl::Duration length = random.Between(absl::Seconds(1), kLength);
  const int64_t calls = scenario.is_crowded ? random.Between(80, 160) : random.Between(15, 60);
  for (int64_t c = 0; c < calls; ++c) {
    scenario.calls.push_back(RandomCall(random, scenario, *config, length));
  }
  std::stable_sort(scenario.calls.begin(), scenario.calls.end(),
                   [](const CallPlan& a, const CallPlan& b) { return a.at < b.at; });
  if (random.Chance(5)) scenario.drain = random.Between(absl::ZeroDuration(), length);
  scenario.config = std::move(config);
  return scenario;
}

}  // namespace pingti::simulation
