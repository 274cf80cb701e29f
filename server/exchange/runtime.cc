#include "server/exchange/runtime.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/base/strings.h"

namespace pingti::exchange {

Runtime::Runtime(config::Snapshot config, Headers headers, const Runtime* previous,
                 base::Instant now)
    : config_(std::move(config)),
      headers_(std::move(headers)),
      directory_(*config_),
      routes_(*config_),
      quotas_(*config_, previous == nullptr ? nullptr : &previous->quotas_, now) {}

absl::StatusOr<std::shared_ptr<const Runtime>> Runtime::Make(config::Snapshot config,
                                                             const Runtime* previous,
                                                             base::Instant now) {
  // Whatever can fail is done before the limits change hands.
  Headers headers;
  for (const config::Provider& provider : config->providers) {
    if (!provider.on()) continue;
    std::vector<std::pair<std::string, std::string>> fields = {
        {"Content-Type", "application/json"}, {"User-Agent", "pingti"}, {"Accept", "*/*"}};
    if (!provider.no_key) {
      fields.emplace_back("Authorization", base::StrCat("Bearer ", provider.api_key.Reveal()));
    }
    auto list = transport::HeaderList::Make(fields);
    if (!list.ok()) {
      return absl::InvalidArgumentError(
          base::StrCat("provider ", provider.name, ": ", list.status().message()));
    }
    headers.emplace(&provider, *std::move(list));
  }
  return std::shared_ptr<const Runtime>(
      new Runtime(std::move(config), std::move(headers), previous, now));
}

}  // namespace pingti::exchange
