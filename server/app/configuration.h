// The configuration of the running process: loaded when it starts, and again on SIGHUP.
//
// For the main thread alone; the Runtime that it hands out is shared with the workers.
#pragma once

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "server/app/flags.h"
#include "server/exchange/runtime.h"

namespace pingti::app {

class Configuration {
 public:
  // Reads the file that `flags` name, and logs what is on and off. INVALID_ARGUMENT: the message is
  // for the operator. REQUIRES: curl is initialised.
  static absl::StatusOr<Configuration> Load(const Flags& flags);

  // Reads it again. Where it is good, runtime() is a new one, which has taken over what is used up
  // of the limits, and `use` is called with it. Else everything stays as it was. Either way a line
  // in the log says so afterwards; it names the changes that only a restart can bring.
  void Reload(absl::FunctionRef<void(const std::shared_ptr<const exchange::Runtime>&)> use);

  const std::shared_ptr<const exchange::Runtime>& runtime() const { return runtime_; }
  const config::Config& config() const { return runtime_->config(); }

 private:
  Configuration(const Flags& flags, std::shared_ptr<const exchange::Runtime> runtime);

  Flags flags_;
  std::shared_ptr<const exchange::Runtime> runtime_;
};

}  // namespace pingti::app
