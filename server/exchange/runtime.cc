#include "server/exchange/runtime.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/base/strings.h"

namespace pingti::exchange {
namespace {

absl::StatusOr<std::vector<UpstreamKey>> KeysOf(const config::Provider& provider) {
  std::vector<UpstreamKey> keys;
  for (config::ProviderKey& key : provider.UsableKeys()) {
    std::vector<std::pair<std::string, std::string>> fields = {
        {"Content-Type", "application/json"}, {"User-Agent", "pingti"}, {"Accept", "*/*"}};
    if (!provider.no_key) {
      fields.emplace_back("Authorization", base::StrCat("Bearer ", key.api_key.Reveal()));
    }
    auto list = transport::HeaderList::Make(fields);
    if (!list.ok()) {
      return absl::InvalidArgumentError(
          base::StrCat("provider ", provider.name, ": ", list.status().message()));
    }
    keys.push_back({std::move(key), *std::move(list)});
  }
  return keys;
}

}  // namespace

Runtime::Runtime(config::Snapshot config, Keys keys, const Runtime* previous, base::Instant now)
    : config_(std::move(config)),
      keys_(std::move(keys)),
      key_uses_(previous == nullptr ? std::make_shared<tenancy::KeyUses>() : previous->key_uses_),
      directory_(*config_, key_uses_.get()),
      routes_(*config_),
      quotas_(*config_, previous == nullptr ? nullptr : &previous->quotas_, now),
      prices_(*config_) {}

absl::StatusOr<std::shared_ptr<const Runtime>> Runtime::Make(config::Snapshot config,
                                                             const Runtime* previous,
                                                             base::Instant now) {
  // Whatever can fail is done before the limits change hands.
  Keys keys;
  for (const config::Provider& provider : config->providers) {
    if (!provider.on()) continue;
    auto made = KeysOf(provider);
    if (!made.ok()) return made.status();
    keys.emplace(&provider, *std::move(made));
  }
  return std::shared_ptr<const Runtime>(
      new Runtime(std::move(config), std::move(keys), previous, now));
}

}  // namespace pingti::exchange
