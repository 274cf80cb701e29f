#include "server/routing/route_table.h"

#include <algorithm>
#include <utility>

#include "server/base/strings.h"
#include "server/base/text.h"

namespace pingti::routing {
namespace {

const config::Model* FindModel(const config::Config& config, const std::string& name) {
  const auto it = std::find_if(config.models.begin(), config.models.end(),
                               [&](const config::Model& model) { return model.name == name; });
  return it == config.models.end() ? nullptr : &*it;
}

}  // namespace

RouteTable::RouteTable(const config::Config& config) {
  for (const config::Alias& alias : config.aliases) AddAlias(config, alias);
  for (const config::Model& model : config.models) {
    if (by_name_.contains(model.name) || off_.contains(model.name)) continue;  // an alias
    Route route;
    route.name = model.name;
    route.model_class = model.model_class;
    AddTarget(config, model, {}, {}, &route);
    AddRoute(std::move(route), model.provider);
  }
  std::sort(routes_.begin(), routes_.end(),
            [](const Route& a, const Route& b) { return a.name < b.name; });
  for (size_t i = 0; i < routes_.size(); ++i) {
    routes_[i].index = i;
    by_name_[routes_[i].name] = i;
  }
}

const config::Provider* RouteTable::ProviderFor(const config::Config& config,
                                                const config::Model& model) const {
  const config::Provider* serves_any = nullptr;
  for (const config::Provider& provider : config.providers) {
    if (!provider.on()) continue;
    if (provider.name == model.provider) return &provider;
    if (provider.serves_any_model) serves_any = &provider;
  }
  return serves_any;
}

bool RouteTable::AddTarget(const config::Config& config, const config::Model& serves,
                           const config::AliasTarget& wanted,
                           const config::PartialTimeouts& timeouts, Route* route) {
  const config::Provider* provider = ProviderFor(config, serves);
  if (provider == nullptr) return false;
  Target target;
  target.model = &serves;
  target.provider = provider;
  const bool own = provider->name == serves.provider;
  target.upstream_model =
      own || provider->upstream_model.empty() ? serves.upstream_model : provider->upstream_model;
  target.priority = wanted.priority;
  target.weight = wanted.weight;
  target.timeouts = timeouts.Over(serves.timeouts.Over(provider->timeouts));
  target.unpriced = serves.unpriced.value_or(config.billing.unpriced);
  route->targets.push_back(std::move(target));
  return true;
}

void RouteTable::AddAlias(const config::Config& config, const config::Alias& alias) {
  const config::Model* original = FindModel(config, alias.name);
  Route route;
  route.name = alias.name;
  route.hedge = alias.hedge;
  const config::Model* substitute = nullptr;
  for (const config::AliasTarget& wanted : alias.Targets()) {
    const config::Model* serves = FindModel(config, wanted.model);
    if (substitute == nullptr) substitute = serves;
    AddTarget(config, *serves, wanted, alias.timeouts, &route);
  }
  // A list is the operator's last word; `to` is not.
  const bool falls_back = alias.targets.empty() && original != nullptr;
  if (falls_back && route.targets.empty()) {
    AddTarget(config, *original, {}, alias.timeouts, &route);
  }
  for (Target& target : route.targets) target.unpriced = alias.unpriced.value_or(target.unpriced);
  std::stable_sort(route.targets.begin(), route.targets.end(),
                   [](const Target& a, const Target& b) { return a.priority < b.priority; });
  route.model_class = original != nullptr ? original->model_class : substitute->model_class;
  AddRoute(std::move(route), (falls_back ? original : substitute)->provider);
}

void RouteTable::AddRoute(Route route, const std::string& provider) {
  if (route.targets.empty()) {
    off_[route.name] = provider;
    return;
  }
  by_name_[route.name] = 0;  // numbered when all are there
  routes_.push_back(std::move(route));
}

const Route* RouteTable::Find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &routes_[it->second];
}

model::CallError RouteTable::Unknown(std::string_view name) const {
  model::CallError error;
  error.reason = model::ErrorReason::kModelUnknown;
  error.metadata["model"] = std::string(name);
  if (const auto it = off_.find(name); it != off_.end()) {
    error.message = base::StrCat("model ", name, " is in the catalogue, but its provider ",
                                 it->second, " is not configured on this server");
    return error;
  }
  std::vector<std::string_view> names;
  names.reserve(routes_.size());
  for (const Route& route : routes_) names.push_back(route.name);
  std::string near;
  for (const std::string& candidate : base::NearestNames(name, names, base::kNearNamesMax)) {
    base::StrAppend(&near, near.empty() ? "" : ", ", candidate);
  }
  error.message = base::StrCat("there is no model ", name);
  if (near.empty()) {
    error.message += "; ListModels has the names";
  } else {
    base::StrAppend(&error.message, "; did you mean ", near, "?");
    error.metadata["near"] = near;
  }
  return error;
}

}  // namespace pingti::routing
