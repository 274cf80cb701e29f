// Several pingti-servers that share one Redis, the simulated providers behind them, and what all of
// them say together.
//
// Thread-safety: as Process; Kill() and StopCleanly() by the one who made it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/crowd.h"
#include "tests/integration/world.h"

namespace pingti::integration {

inline constexpr int kReplicas = 4;

class Replicas {
 public:
  // In `config`, `$url:NAME$` is filled with the address of a simulated provider of that name,
  // which is started, `$key:TENANT$` with the record of a new key, and `$redis$` and `$timeouts$`
  // (of a provider) with what they say.
  Replicas(const std::string& config, const std::string& redis_address);

  Provider& provider(const std::string& name) { return *providers_.at(name); }
  // REQUIRES: it was not killed.
  Server& server(int replica) { return *servers_[replica]; }
  client::Client Client(int replica, const std::string& tenant) const {
    return servers_[replica]->Client(keys_.at(tenant));
  }
  // A caller of `tenant` at a replica: one connection each for all of its callers made so.
  CallerOptions Caller(int replica, const std::string& tenant, const v1::CompletionSpec& spec);

  // SIGKILL. What follows is about the others.
  void Kill(int replica);

  // Over all replicas; as Metrics::Sum().
  double Sum(const std::string& metric, const std::vector<std::string>& labels = {}) const;
  // Lines on a replica's standard error that have `text`.
  int Lines(int replica, std::string_view text);
  // Until all of them, or none, decide by Redis.
  [[nodiscard]] bool WaitUntilAllShare() const;
  [[nodiscard]] bool WaitUntilNoneShares() const;

  // Each replica has said each switch once, counted it, and been as often back as away.
  void ExpectSwitchesLoggedOnce(int at_least);
  // Nothing is held any more, no bug was counted, and all end well.
  void StopCleanly();

 private:
  std::map<std::string, std::unique_ptr<Provider>> providers_;
  std::map<std::string, std::string> keys_;
  std::unique_ptr<Server> servers_[kReplicas];
  std::shared_ptr<grpc::Channel> channels_[kReplicas];
};

}  // namespace pingti::integration
