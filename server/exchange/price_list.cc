#include "server/exchange/price_list.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_join.h"
#include "server/base/strings.h"
#include "server/base/text.h"

namespace pingti::exchange {
namespace {

model::CallError Unknown(const char* field, const std::string& wanted, const char* what,
                         const std::vector<std::string>& names) {
  const std::vector<std::string> near = base::NearestNames(wanted, names, base::kNearNamesMax);
  return model::InvalidField(
      field,
      base::StrCat("is no ", what,
                   near.empty() ? "" : base::StrCat("; near are ", absl::StrJoin(near, ", "))));
}

std::optional<model::CallError> CheckNames(const config::Config& config,
                                           const PriceFilter& filter) {
  std::vector<std::string> models;
  std::vector<std::string> providers;
  models.reserve(config.models.size());
  providers.reserve(config.providers.size());
  for (const config::Provider& provider : config.providers) providers.push_back(provider.name);
  for (const config::Model& model : config.models) models.push_back(model.name);
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return name.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!has(providers, filter.provider)) {
    return Unknown("provider", filter.provider, "provider of the configuration", providers);
  }
  if (!has(models, filter.model)) {
    return Unknown("model", filter.model, "model of the catalogue, aliases have no prices", models);
  }
  return std::nullopt;
}

}  // namespace

std::variant<std::vector<ListedPrice>, model::CallError> ListPrices(const View& view,
                                                                    const PriceFilter& filter,
                                                                    absl::Time now) {
  if (auto error = CheckNames(view.config(), filter)) return *std::move(error);
  std::vector<ListedPrice> listed;
  for (const config::Model& model : view.config().models) {
    const bool wanted = (filter.provider.empty() || model.provider == filter.provider) &&
                        (filter.model.empty() || model.name == filter.model);
    const billing::ModelPrices* prices =
        wanted ? view.runtime().prices().Find(model.name) : nullptr;
    if (prices == nullptr) continue;
    const billing::Price* current = prices->At(now);
    for (const billing::Price& price : prices->versions()) {
      const bool is_current = &price == current;
      if (!filter.all_versions && !is_current) continue;
      if (filter.after && std::tie(model.name, price.list.since) <=
                              std::tie(filter.after->model, filter.after->since)) {
        continue;
      }
      ListedPrice& one = listed.emplace_back(ListedPrice{&model, &price, {}, is_current});
      if (&price != &prices->versions().back()) one.until = (&price + 1)->list.since;
    }
  }
  std::sort(listed.begin(), listed.end(), [](const ListedPrice& a, const ListedPrice& b) {
    return std::tie(a.model->name, a.price->since) < std::tie(b.model->name, b.price->since);
  });
  if (listed.size() > static_cast<size_t>(filter.limit)) {
    listed.resize(static_cast<size_t>(filter.limit));
  }
  return listed;
}

}  // namespace pingti::exchange
