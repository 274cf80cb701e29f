// From the name that a caller uses to the target that serves it.
//
// Made from a configuration when it is loaded; immutable and thread-safe. One target per name for
// now: an alias is served by its substitute where a provider of that is on, else by the model of
// its own name; a catalogue model by its provider, or, where that is off, by the one that serves
// any model.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/config.h"
#include "server/model/failure.h"

namespace pingti::routing {

// One name that callers may use, resolved.
struct Route {
  std::string name;                            // as callers say it
  size_t index = 0;                            // position in RouteTable::routes()
  const config::Model* model = nullptr;        // the catalogue model that serves
  const config::Provider* provider = nullptr;  // which is on
  std::string upstream_model;                  // what it is called there
  // Quotas count by the class of the name that was asked for, not of what serves.
  std::string model_class;
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
  void AddRoute(const config::Config& config, const std::string& name, const config::Model& serves,
                const std::string& model_class);

  std::vector<Route> routes_;
  std::map<std::string, size_t, std::less<>> by_name_;
  std::map<std::string, std::string, std::less<>> off_;  // known name -> provider that is off
};

}  // namespace pingti::routing
