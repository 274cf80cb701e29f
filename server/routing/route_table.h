// From the name that a caller uses to the targets that can serve it.
//
// Made from a configuration when it is loaded; immutable and thread-safe. The targets of an alias
// are those of its list whose provider is on, in order of their priority; with `to`, the substitute
// where a provider of that is on, else the model of its own name. A catalogue model has one: its
// provider, or, where that is off, the one that serves any model.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/config.h"
#include "server/model/failure.h"

namespace pingti::routing {

// One place where a call can be served.
struct Target {
  const config::Model* model = nullptr;                 // of the catalogue
  const config::Provider* provider = nullptr;           // which is on
  std::string upstream_model;                           // what the model is called there
  int priority = 0;                                     // lower ones are tried first
  int weight = 100;                                     // among those with the same priority
  config::Timeouts timeouts;                            // of an attempt
  config::Unpriced unpriced = config::Unpriced::kFree;  // where the model has no price
};

// One name that callers may use, resolved.
struct Route {
  std::string name;  // as callers say it
  size_t index = 0;  // position in RouteTable::routes()
  // Quotas count by the class of the name that was asked for, not of what serves.
  std::string model_class;
  bool hedge = false;           // a second attempt may run beside one that is late
  std::vector<Target> targets;  // by priority; at least one

  const Target& first() const { return targets.front(); }
};

class RouteTable {
 public:
  // `config` must outlive the table.
  explicit RouteTable(const config::Config& config);

  // Null where no model or alias has that name, or none of its providers is on.
  const Route* Find(std::string_view name) const;

  // Ordered by name.
  const std::vector<Route>& routes() const { return routes_; }

  // MODEL_UNKNOWN with up to three near names, or with the reason why a known model is not served.
  model::CallError Unknown(std::string_view name) const;

 private:
  const config::Provider* ProviderFor(const config::Config& config,
                                      const config::Model& model) const;
  // False where no provider of `serves` is on.
  bool AddTarget(const config::Config& config, const config::Model& serves,
                 const config::AliasTarget& wanted, const config::PartialTimeouts& timeouts,
                 Route* route);
  void AddAlias(const config::Config& config, const config::Alias& alias);
  void AddRoute(Route route, const std::string& provider);

  std::vector<Route> routes_;
  std::map<std::string, size_t, std::less<>> by_name_;
  std::map<std::string, std::string, std::less<>> off_;  // known name -> provider that is off
};

}  // namespace pingti::routing
