// The configuration of the running process: loaded when it starts, and again on SIGHUP; with it the
// tenants of the database, as they were told last. Neither undoes the other.
//
// For the main thread alone; the Runtime that it hands out is shared with the workers.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "server/app/flags.h"
#include "server/exchange/runtime.h"

namespace pingti::app {

class Configuration {
 public:
  using Use = absl::FunctionRef<void(const std::shared_ptr<const exchange::Runtime>&)>;

  // Reads the file that `flags` name, and logs what is on and off. INVALID_ARGUMENT: the message is
  // for the operator. REQUIRES: curl is initialised.
  static absl::StatusOr<Configuration> Load(const Flags& flags);

  // Reads it again. Where it is good, runtime() is a new one, which has taken over what is used up
  // of the limits, and `use` is called with it. Else everything stays as it was. Either way a line
  // in the log says so afterwards; it names the changes that only a restart can bring.
  void Reload(Use use);

  // The tenants of the database are these now: runtime() is a new one, and `use` is called with it.
  // The log tells once of each that the configuration stands over (config/add_tenants.h).
  void SetStoredTenants(std::vector<config::Tenant> stored, Use use);

  const std::shared_ptr<const exchange::Runtime>& runtime() const { return runtime_; }
  const config::Config& config() const { return runtime_->config(); }
  // Without the tenants of the database.
  const config::Config& file() const { return file_; }

 private:
  Configuration(const Flags& flags, config::Config file,
                std::shared_ptr<const exchange::Runtime> runtime);

  // The notes that were not logged before.
  void LogOnce(const std::vector<std::string>& notes);

  Flags flags_;
  config::Config file_;
  std::vector<config::Tenant> stored_;
  std::unordered_set<std::string> logged_;
  std::shared_ptr<const exchange::Runtime> runtime_;
};

}  // namespace pingti::app
